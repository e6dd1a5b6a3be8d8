"""GPU-hours and CPU-hours of jobs, and how those of shared jobs are told apart by claim.

One rule for a plan and for a run: a job belongs to the evidence of a claim when the claim's numbers cannot be made
without it. A job that n claims need is n times in *from nothing*, a share of 1/n each in *share*, and in no *only*.
The shares of all claims and the jobs that no claim needs add up to the total.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Hours:
    """GPU-hours, and the CPU-hours (cores times time) of jobs that hold no GPU."""

    gpu: float = 0.0
    cpu: float = 0.0

    @classmethod
    def of(cls, seconds: float, gpus: int, cores: int) -> Hours:
        """The hours of one job."""
        return cls(seconds * gpus / 3600, 0.0) if gpus else cls(0.0, seconds * cores / 3600)

    @classmethod
    def sum(cls, parts: Iterable[Hours]) -> Hours:
        """All of `parts` together, whatever their order."""
        found = list(parts)
        return cls(math.fsum(part.gpu for part in found), math.fsum(part.cpu for part in found))

    def __truediv__(self, number: float) -> Hours:
        return Hours(self.gpu / number, self.cpu / number)

    def plain(self) -> dict[str, float]:
        """Rounded to a thousandth of an hour, for JSON."""
        return {"gpu_hours": round(self.gpu, 3), "cpu_hours": round(self.cpu, 3)}


@dataclass(frozen=True)
class Portion:
    """What one claim costs: all of its evidence, the jobs that nothing else needs, and its share of the total."""

    nothing: Hours
    only: Hours
    share: Hours
    jobs: int


def portions(costs: Mapping[str, Hours], needs: Mapping[str, Iterable[str]]) -> tuple[dict[str, Portion], Hours]:
    """The portion of each claim (or control), and the hours of the jobs that none of them needs.

    Args:
        costs: job -> its hours.
        needs: claim -> the jobs that its evidence needs.
    """
    sets = {name: set(jobs) for name, jobs in needs.items()}
    users: dict[str, int] = {}
    for jobs in sets.values():
        for job in jobs:
            users[job] = users.get(job, 0) + 1
    found = {
        name: Portion(
            Hours.sum(costs[job] for job in jobs),
            Hours.sum(costs[job] for job in jobs if users[job] == 1),
            Hours.sum(costs[job] / users[job] for job in jobs),
            len(jobs),
        )
        for name, jobs in sets.items()
    }
    return found, Hours.sum(cost for job, cost in costs.items() if job not in users)
