"""cost: tokens that all cells generated together, and what each would have generated alone.

First attempts, retries and the base's evaluation are shared between cells; this says how much that saved.
Run alone: ``piretry cost``.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from piretry.completions import CompletionRow, read_completions

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the token counts as JSON."""

    @cache
    def rows(path: str) -> list[CompletionRow]:
        return read_completions(job.root / path)

    shared = sum(row.completion_tokens for path in job.task.inputs.values() for row in rows(path))
    alone = {
        cell: sum(_tokens(part, {role: rows(path) for role, path in part["files"].items()}) for part in parts)
        for cell, parts in job.settings["cells"].items()
    }
    total = sum(alone.values())
    result = {
        "completion_tokens": shared,
        "completion_tokens_each_cell_alone": total,
        "saved_share": 1 - shared / total,
        "alone_by_cell": alone,
    }
    job.output("cost").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _tokens(part: dict[str, Any], files: dict[str, list[CompletionRow]]) -> int:
    """Completion tokens of one part: of a file shared with larger K only the prefix that this cell needs."""
    if part["kind"] == "retries":
        return sum(row.completion_tokens for row in files["retries"] if row.attempt <= part["k"])
    if part["kind"].startswith("resamples"):
        kept = [row for row in files["resamples"] if row.sample <= part["k"]]
        if part["kind"] == "resamples of failed problems":
            failed = {row.problem_id for row in files["attempts"] if not row.correct}
            kept = [row for row in kept if row.problem_id in failed]
        return sum(row.completion_tokens for row in kept)
    return sum(row.completion_tokens for found in files.values() for row in found)
