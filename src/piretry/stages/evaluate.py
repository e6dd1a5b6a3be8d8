"""evaluate: a state answers the held-out problems, greedily once and sampled n times.

Run alone: ``piretry evaluate small/retry-full/k3/bare/r1/s42``.
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
    """Generate and grade the greedy completion and `samples` sampled ones of every held-out problem."""
    problems = own(read_problems(job.input("problems")), job.settings)

    def asks(count: int) -> list[Ask]:
        return [
            Ask(
                problem_id=problem.problem_id,
                gold=problem.gold,
                messages=opening(job.settings["chat"], problem.problem),
                attempt=0,
                sample=sample,
                seed=seed_of(job.settings, "evaluate", problem.problem_id, 0, sample),
            )
            for problem in problems
            for sample in range(count)
        ]

    with Sampler(job) as sampler:
        greedy = sampler.answer(asks(1), decoding="greedy")
        sampled = sampler.answer(asks(job.settings["samples"]))
    job.count(greedy_correct=sum(row.correct for row in greedy), sampled_correct=sum(row.correct for row in sampled))
    write_completions(job.output("completions"), [*greedy, *sampled])
