"""resample: K independent fresh attempts on every training problem, with no retry turn.

Method rejection uses all of them, method resample those on failed problems. Run alone:
``piretry resample small/base/s42``.
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
    """Sample and grade samples 1..K of attempt 0 of every problem."""
    problems = own(read_problems(job.input("problems")), job.settings)
    asks = [
        Ask(
            problem_id=problem.problem_id,
            gold=problem.gold,
            messages=opening(job.settings["chat"], problem.problem),
            attempt=0,
            sample=sample,
            seed=seed_of(job.settings, "resample", problem.problem_id, 0, sample),
        )
        for problem in problems
        for sample in range(1, job.settings["k"] + 1)
    ]
    with Sampler(job) as sampler:
        rows = sampler.answer(asks)
    job.count(correct=sum(row.correct for row in rows))
    write_completions(job.output("completions"), rows)
