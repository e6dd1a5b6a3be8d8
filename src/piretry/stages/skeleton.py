"""skeleton: a state proves the theorems that it has failed, this time with the sub-goals of the known proof shown.

What method skeleton_sft is trained on, with the sub-goals left out. Run alone: ``piretry skeleton prover/base/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.lean_asks import skeleton_asks
from piretry.sampling import Sampler
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade the attempts, numbered from 1, on every failed theorem whose known proof has sub-goals."""
    settings = job.settings
    failed = {row.problem_id for row in read_completions(job.input("attempts")) if not row.correct}
    theorems = own(read_problems(job.input("problems")), settings)
    asks = skeleton_asks(settings, theorems, failed, range(1, settings["k"] + 1))
    with Sampler(job) as sampler:
        rows = sampler.answer(asks)
    job.count(
        correct=sum(row.correct for row in rows),
        without_subgoals=sum(theorem.problem_id in failed for theorem in theorems) - len(asks) // settings["k"],
    )
    write_completions(job.output("completions"), rows)
