"""A small results folder with synthetic measurements and real records, in a checkout of its own, for the exports."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import real_results
import synthetic_results
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.provenance.record import Publication

REPOSITORY = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff")
FOLDERS = ("rules", "envs", "containers", "profiles", "report/captions")


@dataclass(frozen=True)
class Made:
    """A checkout with the results of the tiny grid, all made in an image that lies beside it."""

    home: Path
    project: Project
    results: Path
    image: Path
    image_sha256: str


def tiny_checkout(home: Path) -> Path:
    """The workflow files of this repository, with the tiny project's configuration."""
    real_results.configure(home)
    for name in COPIED:
        shutil.copy(REPOSITORY / name, home / name)
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, home / name)
    return home


def fill(project: Project, root: Path) -> list[Task]:
    """Make every artifact: verdicts, tables and cost by the project's own stages, models and page made up."""
    tasks = synthetic_results.build_tree(project, root, problems=10, samples=1)
    _page(synthetic_results.report_task(tasks), root)
    return tasks


def _page(task: Task, root: Path) -> None:
    """A stand-in for the report's page, which tests of its own look at."""
    with Publication(
        root=root,
        stage=task.stage,
        target=task.target,
        outputs={"page": root / task.outputs["page"]},
        inputs={name: root / path for name, path in task.inputs.items()},
        settings=task.settings,
        modules=("piretry.errors",),
        command=["piretry", "report"],
    ) as job:
        job.temporary("page").write_text("<!doctype html><title>claims</title>\n", encoding="utf-8")
