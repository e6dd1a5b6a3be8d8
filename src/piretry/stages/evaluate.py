"""evaluate: a state answers the held-out problems, greedily once and sampled n times.

Run alone: ``piretry evaluate small/retry-full/k3/bare/r1/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import write_completions
from piretry.sampling import Sampler, first_asks

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Generate and grade the greedy completion and `samples` sampled ones of every held-out problem."""
    with Sampler(job) as sampler:
        greedy = sampler.answer(first_asks(job, "evaluate", [0]), decoding="greedy")
        sampled = sampler.answer(first_asks(job, "evaluate", range(job.settings["samples"])))
    job.count(greedy_correct=sum(row.correct for row in greedy), sampled_correct=sum(row.correct for row in sampled))
    write_completions(job.output("completions"), [*greedy, *sampled])
