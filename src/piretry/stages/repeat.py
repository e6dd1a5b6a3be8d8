"""repeat: every successful retry is sampled once more, in the same dialogue with a fresh seed.

A success that does not repeat was a lucky guess; the share of those by retry index is what claim k-lucky is about.
Run alone: ``piretry repeat small/base/s42 --prompt bare``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import CompletionRow, read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.sampling import Sampler, retry_asks
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade one independent repetition of every correct retry."""
    builder = retry_asks(job.settings, read_problems(job.input("problems")))
    retries = own(read_completions(job.input("retries")), job.settings)
    failed: dict[str, list[CompletionRow]] = {}
    for row in [*read_completions(job.input("attempts")), *retries]:
        if not row.correct:
            failed.setdefault(row.problem_id, []).append(row)
    asks = [
        builder.ask(row.problem_id, failed[row.problem_id], row.attempt, 1, "repeat") for row in retries if row.correct
    ]
    with Sampler(job) as sampler:
        rows = sampler.answer(asks)
    job.count(repeated=sum(row.correct for row in rows))
    write_completions(job.output("completions"), rows)
