"""How the runs of these tests are made and changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from piretry.grid.project import load_project
from piretry.grid.tasks import all_tasks
from piretry.provenance.model import RECORD_SUFFIX, load
from real_results import Edit, configure
from synthetic_results import Draws, make, ordered
from without_prover import drop_prover

Build = Callable[..., Path]
HEADLINE = "small/retry-full/k3/bare/r1"
# One claim of each kind: count, value of a gain, ratio, difference of gains, trend, equivalence, difference of yields.
CLAIMS = (
    "train-size",
    "headline",
    "rejection",
    "retry-vs-rejection",
    "round-3",
    "round-yield",
    "k-3",
    "k-lucky",
    "prompt-gold",
    "lean-skeleton",
)
SEEDS = [42, 123, 456]
DRAWS = Draws(problems=60, samples=2)


def synthetic_run(folders: pytest.TempPathFactory, draws: Draws = DRAWS, edits: dict[str, Edit] | None = None) -> Path:
    """The results folder of a synthetic run; `edits` change its configuration (file -> change of its content)."""
    home = configure(folders.mktemp("run"), edits, SHRINKS)
    project = load_project(home)
    root = home / project.results
    for task in ordered(all_tasks(project)):
        if task.stage != "report":
            make(task, root, draws)
    return root


def _few_cells(config: dict[str, Any]) -> None:
    cells = {"roles": ["small"], "tunings": ["full"], "rounds": 1, "seeds": "all"}
    retry = {**cells, "methods": ["retry"]}
    config["seeds"]["all"] = SEEDS
    config["statistics"]["bootstrap"] = 200
    config["grid"] = [
        {**retry, "k": [3], "prompts": ["bare"], "rounds": 3},
        {**retry, "k": [1, 5], "prompts": ["bare"]},
        {**retry, "k": [1], "prompts": ["gold"]},
        {**cells, "methods": ["rejection", "resample"], "k": [3], "prompts": ["none"]},
    ]


def _few_claims(claims: dict[str, Any]) -> None:
    claims["claims"] = [claim for claim in claims["claims"] if claim["id"] in CLAIMS]
    names = {*CLAIMS, *(control["id"] for control in claims["controls"])}
    tables = {name: [m for m in members if m in names] for name, members in claims["tables"].items()}
    claims["tables"] = {name: members for name, members in tables.items() if members}


SHRINKS: dict[str, Edit] = {
    "scales/mini.yaml": drop_prover,
    "config.yaml": _few_cells,
    "report/claims.yaml": _few_claims,
}


def edit_records(root: Path, stage: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the records of a stage as if they had been written so."""
    for file in root.rglob(f"*{RECORD_SUFFIX}"):
        value = json.loads(file.read_text())
        if value["stage"] == stage:
            change(value)
            file.write_text(load(json.dumps(value)).record.to_json())


def edit_claim(root: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the judge's result on a claim, and its record's hash with it."""
    from piretry.provenance.hashing import hash_content, plain
    from piretry.provenance.model import record_path

    path = root / f"claims/{name}.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    record = json.loads(record_path(path).read_text())
    record["artifact"].update(plain(hash_content(path)))
    record_path(path).write_text(load(json.dumps(record)).record.to_json())
