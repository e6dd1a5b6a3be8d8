"""attempt: a state answers every training problem once. Every method, K and prompt shares these first attempts.

Run alone: ``piretry attempt small/base/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import write_completions
from piretry.sampling import Sampler, first_asks

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade attempt 0 of every problem."""
    with Sampler(job) as sampler:
        rows = sampler.answer(first_asks(job, "attempt", [0]))
    job.count(correct=sum(row.correct for row in rows))
    write_completions(job.output("completions"), rows)
