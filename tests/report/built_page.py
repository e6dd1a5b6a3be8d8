"""A results folder with its page, as the tests of the report share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import html_document

from piretry.grid.project import Project
from piretry.grid.task import Task


@dataclass(frozen=True)
class Built:
    """A results folder with its page."""

    project: Project
    root: Path
    task: Task
    path: Path
    html: str
    document: html_document.Element
