"""resample: independent fresh attempts on the training problems, with no retry turn.

`k` of them on every problem, for method rejection; up to `k_failed` on those whose first attempt failed, for method
resample. Run alone: ``piretry resample small/base/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import read_completions, write_completions
from piretry.sampling import Sampler, first_asks

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade the fresh attempts, numbered from 1, of attempt 0 of every problem."""
    everywhere, most = job.settings["k"], job.settings["k_failed"]
    asks = first_asks(job, "resample", range(1, most + 1))
    if most > everywhere:
        failed = {row.problem_id for row in read_completions(job.input("attempts")) if not row.correct}
        asks = [ask for ask in asks if ask.sample <= everywhere or ask.problem_id in failed]
    with Sampler(job) as sampler:
        rows = sampler.answer(asks)
    job.count(correct=sum(row.correct for row in rows))
    write_completions(job.output("completions"), rows)
