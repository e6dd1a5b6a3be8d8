"""What is checked beside the configuration: when the workflow is parsed, and once more before its first job."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.grid.available import require_checker, require_files
from piretry.grid.containers import Containers
from piretry.grid.estimates import TRAINING_STAGES
from piretry.grid.plan import require_plan
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.provenance.root import read_run_id
from piretry.training.processes import check_processes
from piretry.verifiers.versions import require_pins


def preflight(root: Path) -> None:
    """Raise PiretryError for a results folder of another version or that cannot be written, and for other versions of
    the grader's packages than the pinned ones.
    """
    require_pins()
    place = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if not place.is_dir():
        raise PiretryError(f"{place} is a file, but the results belong in a folder of that name. Move the file away.")
    if not os.access(place, os.W_OK | os.X_OK) or _read_only(place):
        raise PiretryError(
            f"{place} cannot be written. Make it writable, or set another folder under 'results' in config.yaml."
        )
    read_run_id(root)  # refuses a folder of another version


def before_jobs(project: Project, containers: Containers, jobs: Iterable[Any]) -> None:
    """End a run that would fail later, with a sentence: an image that is not there or holds other code, a model that
    does not fit its GPUs, more GPU-hours in the jobs that would run than the budget has, a local dataset or a checker
    of proofs that is not there.

    `jobs` are Snakemake's. It shows the traceback of any exception that a handler raises, but not of SystemExit.
    """
    tasks = [Task.from_json(job.params.task) for job in jobs if "task" in job.params.keys()]  # noqa: SIM118 (a Namedlist)
    try:
        for task in tasks:
            if task.stage in TRAINING_STAGES:
                check_processes(task.settings)
        require_files(tasks, Path())
        require_checker(project.scale, tasks, containers.used)
        require_plan(project, tasks)
        containers.require(tasks)
    except PiretryError as error:
        sys.exit(f"piretry: {error}")


def _read_only(place: Path) -> bool:
    """Whether the file system is mounted read-only, which `os.access` does not tell for root."""
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
