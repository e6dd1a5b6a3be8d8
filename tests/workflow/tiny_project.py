"""A tiny but real project: its own copy of the sources and configuration, run by the real Snakemake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from without_prover import drop_prover

ROOT = Path(__file__).parents[2]
KEPT_CLAIMS = ("train-size", "eval-overlap", "headline", "rejection", "k-1", "k-3", "k-lucky", "lean-skeleton")


@dataclass(frozen=True)
class Project:
    """A folder with config.yaml, Snakefile and sources; commands run in it."""

    home: Path

    @property
    def results(self) -> Path:
        return self.home / "results/mini"

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment in the project's folder, with the project's own copy of the sources."""
        binaries = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(self.home / "src"), os.environ.get("PYTHONPATH")])),
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        }
        done = subprocess.run(
            [str(binaries / command[0]), *command[1:]], cwd=self.home, env=environment, capture_output=True, text=True
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Snakemake without the profile's logger, whose output is for people."""
        plain = ("--cores", "2", "--workflow-profile", "none", "--show-failed-logs")
        return self.run("snakemake", *arguments, *plain, check=check)

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that Snakemake would run now."""
        done = self.snakemake("-n", *arguments)
        found = re.findall(r"^(\w+)\s+(\d+)$", done.stdout + done.stderr, re.MULTILINE)
        return {rule: int(count) for rule, count in found if rule not in ("total", "all")}

    def edit(self, name: str, change: Any) -> None:
        """Apply `change` to the parsed YAML file `name`."""
        path = self.home / name
        value = yaml.safe_load(path.read_text())
        change(value)
        path.write_text(yaml.safe_dump(value, sort_keys=False))


def shrink_scale(scale: dict[str, Any]) -> None:
    drop_prover(scale)
    for role in scale["roles"].values():
        role["pretrain"].update(steps=150, batch_size=8, warmup_steps=5, checkpoint_every=50, noise_from=0.9)
    scale["data"]["train"]["problems"] = 80
    scale["data"]["eval"]["problems"] = scale["data"]["eval_problems"] = 40
    scale["data"]["subset"]["problems"] = 60
    scale["evaluation"]["samples"] = 2
    for tuning in scale["training"]["tunings"].values():
        tuning.update(steps=4, batch_size=8, micro_batch_size=8, warmup_steps=1)


def shrink_grid(config: dict[str, Any]) -> None:
    config["seeds"]["all"] = [42, 123]
    config["statistics"]["bootstrap"] = 200
    config["grid"] = [
        {
            "roles": ["small"],
            "methods": ["retry"],
            "tunings": ["full"],
            "k": [1, 3, 5],
            "prompts": ["bare"],
            "rounds": 1,
            "seeds": "all",
        },
        {
            "roles": ["small"],
            "methods": ["rejection"],
            "tunings": ["full"],
            "k": [3],
            "prompts": ["none"],
            "rounds": 1,
            "seeds": "all",
        },
    ]


def shrink_claims(claims: dict[str, Any]) -> None:
    claims["claims"] = [claim for claim in claims["claims"] if claim["id"] in KEPT_CLAIMS]
    names = [*KEPT_CLAIMS, "control-seeds", "control-null"]
    tables = {name: [m for m in members if m in names] for name, members in claims["tables"].items()}
    claims["tables"] = {name: members for name, members in tables.items() if members}
