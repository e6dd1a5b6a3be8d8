"""A reduced grid of the mini scale with every rule that needs no Lean in it, and how it is run on the cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from slurm_cluster import ROOT

from without_prover import drop_prover

BINARIES = Path(sys.executable).parent
CLAIMS = ("train-size", "k-1", "rejection", "teacher-cross", "k-lucky")


@dataclass(frozen=True)
class SlurmProject:
    """A copy of the checkout with the reduced grid; commands run in it."""

    home: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    plugin: Path | None = None

    @property
    def results(self) -> Path:
        return self.home / "results/mini"

    def env(self) -> dict[str, str]:
        paths = [self.home / "src", *([self.plugin] if self.plugin else [])]
        return {
            **self.environment,
            "PATH": f"{BINARIES}{os.pathsep}{self.environment['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: str, check: bool = True, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(BINARIES / command[0]), *command[1:]],
            cwd=self.home,
            env=self.env(),
            capture_output=True,
            text=True,
            input=text_in,
            timeout=1800,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}")
        return done

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Snakemake with the project's profile in the background, as a group of processes of its own."""
        with log.open("wb") as sink:
            return subprocess.Popen(
                [str(BINARIES / "snakemake"), "--profile", "slurm", "--workflow-profile", "none", *arguments],
                cwd=self.home,
                env=self.env(),
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def edit(self, name: str, change: Any) -> None:
        """Apply `change` to the parsed YAML file `name`."""
        path = self.home / name
        value = yaml.safe_load(path.read_text())
        change(value)
        path.write_text(yaml.safe_dump(value, sort_keys=False))

    def tables(self) -> dict[str, bytes]:
        """The content of every table."""
        return {path.name: path.read_bytes() for path in sorted((self.results / "tables").glob("*.csv"))}


def make_project(home: Path, environment: Mapping[str, str] | None = None, plugin: Path | None = None) -> SlurmProject:
    """The reduced project in the new folder `home`."""
    copy_checkout(home)
    project = SlurmProject(home, dict(environment or os.environ), plugin)
    project.edit("scales/mini.yaml", _scale)
    project.edit("config.yaml", _grid)
    project.edit("report/claims.yaml", _claims)
    return project


def copy_checkout(home: Path) -> Path:
    """A copy of what a checkout needs to run, in the new folder `home`."""
    home.mkdir(parents=True)
    for name in ("config.yaml", "Snakefile", "pyproject.toml"):
        shutil.copy(ROOT / name, home / name)
    for name in ("rules", "scales", "report", "profiles", "src", "envs", "containers"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return home


def _scale(scale: dict[str, Any]) -> None:
    drop_prover(scale)
    del scale["roles"]["large"]
    for role in scale["roles"].values():
        role["pretrain"].update(steps=150, batch_size=8, warmup_steps=5, checkpoint_every=50, noise_from=0.9)
    scale["data"]["train"]["problems"] = 80
    scale["data"]["eval"]["problems"] = scale["data"]["eval_problems"] = 40
    scale["data"]["subset"]["problems"] = 60
    scale["evaluation"]["samples"] = 2
    # Small batches and frequent checkpoints: a job that is ended halfway has something to go on from.
    scale["engine"]["batch_size"] = 10
    for tuning in scale["training"]["tunings"].values():
        tuning.update(steps=8, batch_size=8, micro_batch_size=8, warmup_steps=1, checkpoint_steps=2)
    scale["resources"] = {"default": {"mem_mb": 1500, "runtime": 10, "gpus": 0}}
    scale["variants"] = []


def _grid(config: dict[str, Any]) -> None:
    config["seeds"] = {"all": [42], **{name: [42] for name in config["seeds"] if name != "all"}}
    config["statistics"]["bootstrap"] = 200
    block = {"roles": ["small"], "tunings": ["full"], "rounds": 1, "seeds": "all"}
    config["grid"] = [
        {**block, "methods": ["retry"], "k": [1], "prompts": ["bare"]},
        {**block, "methods": ["rejection"], "k": [3], "prompts": ["none"]},
        {**block, "methods": ["cross"], "k": [1], "prompts": ["bare"]},
    ]


def _claims(claims: dict[str, Any]) -> None:
    claims["claims"] = [claim for claim in claims["claims"] if claim["id"] in CLAIMS]
    claims["controls"] = []
    kept = {name: [m for m in members if m in CLAIMS] for name, members in claims["tables"].items()}
    claims["tables"] = {name: members for name, members in kept.items() if members}
