"""resample: K independent fresh attempts on every training problem, with no retry turn.

Method rejection uses all of them, method resample those on failed problems. Run alone:
``piretry resample small/base/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import write_completions
from piretry.sampling import Sampler, first_asks

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade samples 1..K of attempt 0 of every problem."""
    with Sampler(job) as sampler:
        rows = sampler.answer(first_asks(job, "resample", range(1, job.settings["k"] + 1)))
    job.count(correct=sum(row.correct for row in rows))
    write_completions(job.output("completions"), rows)
