"""attempt: a state answers every training problem once. Every method, K and prompt shares these first attempts.

Run alone: ``piretry attempt small/base/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import write_completions
from piretry.data.schema import read_problems
from piretry.dialogue import opening
from piretry.sampling import Ask, Sampler, seed_of
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade attempt 0 of every problem."""
    problems = own(read_problems(job.input("problems")), job.settings)
    asks = [
        Ask(
            problem_id=problem.problem_id,
            gold=problem.gold,
            messages=opening(job.settings["chat"], problem.problem),
            attempt=0,
            sample=0,
            seed=seed_of(job.settings, "attempt", problem.problem_id, 0, 0),
        )
        for problem in problems
    ]
    with Sampler(job) as sampler:
        rows = sampler.answer(asks)
    job.count(correct=sum(row.correct for row in rows))
    write_completions(job.output("completions"), rows)
