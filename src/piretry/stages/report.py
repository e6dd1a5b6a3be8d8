"""report: one HTML page on every claim, from the results of a scale.

Run alone: ``piretry report``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.report.page import build_page

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the page."""
    page = build_page(job.root, job.task.inputs, job.settings)
    job.output("page").write_text(page, encoding="utf-8")
