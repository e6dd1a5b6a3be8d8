"""A tiny results folder made by the real stages, one after another in this process: real models, real grading.

It skips what other tests are for (Snakemake with a process for each job, the page) and so takes a fraction of the time.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from piretry.grid.project import Project, load_project
from piretry.grid.tasks import all_tasks
from piretry.runner import run_task
from synthetic_results import ordered

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "tests/workflow"))

from tiny_project import shrink_claims, shrink_grid, shrink_scale  # noqa: E402

Edit = Callable[[dict[str, Any]], None]
TINY: dict[str, Edit] = {
    "scales/mini.yaml": shrink_scale,
    "config.yaml": shrink_grid,
    "report/claims.yaml": shrink_claims,
}


def configure(home: Path, edits: Mapping[str, Edit] | None = None, shrinks: Mapping[str, Edit] = TINY) -> Path:
    """A folder with the repository's configuration after `shrinks` and `edits` (file -> change of its content)."""
    for name, shrink in shrinks.items():
        value = yaml.safe_load((REPOSITORY / name).read_text())
        shrink(value)
        if edits and name in edits:
            edits[name](value)
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(yaml.safe_dump(value, sort_keys=False))
    shutil.copytree(REPOSITORY / "scales", home / "scales", ignore=lambda *_: ["mini.yaml"], dirs_exist_ok=True)
    return home


def make(home: Path) -> tuple[Project, Path]:
    """Run every task of the project in `home` but the page; returns it and its results folder."""
    project = load_project(home)
    root = home / project.results
    # Stages are made for processes of their own: they close the way to the hub for good, which other tests need open.
    with mock.patch.dict(os.environ):
        for task in ordered(all_tasks(project)):
            if task.stage != "report":
                run_task(task, root, ["piretry", task.stage, "--task", task.to_json(), "--root", str(root)])
    return project, root
