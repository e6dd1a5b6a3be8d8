"""What is checked beside the configuration: when the workflow is parsed, and once more before its first job."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

from piretry.errors import PiretryError
from piretry.grid.containers import Containers
from piretry.grid.project import Project
from piretry.grid.tasks import all_tasks
from piretry.provenance.root import read_run_id
from piretry.verifiers.versions import require_pins

# Targets that make the images themselves.
IMAGE_TARGETS = {"images", "images/cpu.sif.json", "images/gpu.sif.json"}


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


def before_jobs(project: Project, containers: Containers, targets: Collection[str]) -> None:
    """End a run that would fail later, with a sentence: an image that is not there or holds other code.

    Snakemake shows the traceback of any exception that a handler raises, but not of SystemExit.
    """
    if targets and set(targets) <= IMAGE_TARGETS:
        return
    try:
        containers.require(all_tasks(project))
    except PiretryError as error:
        sys.exit(f"piretry: {error}")


def _read_only(place: Path) -> bool:
    """Whether the file system is mounted read-only, which `os.access` does not tell for root."""
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
