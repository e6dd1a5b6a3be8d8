"""How long a grid takes on so many GPUs: list scheduling of its real jobs, and its critical path.

A job starts as soon as what it reads is there and enough GPUs (or cores) are free; of several, the one with the longest
path of work behind it first. Queueing, retries and the transfer of files are not in it, so that it is a lower bound in
practice; no schedule is shorter than the critical path or than all the work spread evenly.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from piretry.errors import PiretryError


@dataclass(frozen=True)
class Load:
    """What one job occupies: wall seconds, GPUs and cores."""

    seconds: float
    gpus: int
    cores: int


@dataclass(frozen=True)
class Schedule:
    """When every job starts and ends (seconds), the end of the last one, and the longest chain of jobs.

    `gpus` and `cores` are what was there, None without a limit; `peak` is the most GPUs that were busy at once.
    """

    gpus: int | None
    cores: int | None
    starts: dict[str, float]
    ends: dict[str, float]
    seconds: float
    busy: float
    peak: int

    @property
    def used(self) -> float | None:
        """Share of the GPUs' time that jobs held; None without a limit or without GPUs."""
        return self.busy / (self.gpus * self.seconds) if self.gpus and self.seconds else None


def critical_path(loads: Mapping[str, Load], before: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The chain of jobs that takes longest, first job first: no number of GPUs makes a run shorter."""
    ends: dict[str, float] = {}
    came_from: dict[str, str | None] = {}
    for name in TopologicalSorter(before).static_order():
        last = max(before[name], key=lambda other: ends[other], default=None)
        ends[name] = loads[name].seconds + (ends[last] if last is not None else 0.0)
        came_from[name] = last
    chain: list[str] = []
    at: str | None = max(ends, key=lambda name: ends[name], default=None)
    while at is not None:
        chain.append(at)
        at = came_from[at]
    return tuple(reversed(chain))


def schedule(
    loads: Mapping[str, Load], before: Mapping[str, Sequence[str]], gpus: int | None = None, cores: int | None = None
) -> Schedule:
    """A list schedule of `loads` on `gpus` GPUs and `cores` cores (None: as many as there are jobs for).

    Cores are counted for jobs without GPU only: a job with GPUs brings its own. A job that asks for more cores than
    there are takes all of them, as in Snakemake; one that asks for more GPUs is a PiretryError.
    """
    for name, load in loads.items():
        if gpus is not None and load.gpus > gpus:
            raise PiretryError(
                f"The job of {name} asks for {load.gpus} GPUs, more than the {gpus} of this plan. Plan with at least "
                f"{max(other.gpus for other in loads.values())}, or lower 'gpus' under resources of the scale file."
            )
    after, behind, place = _order(loads, before)
    free = {"gpus": math.inf if gpus is None else gpus, "cores": math.inf if cores is None else cores}
    waiting = {name: len(before[name]) for name in place}
    ready = [(-behind[name], place[name], name) for name in place if not waiting[name]]
    heapq.heapify(ready)
    running: list[tuple[float, int, str]] = []
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    now, held, most = 0.0, 0, 0

    def taken(name: str) -> tuple[str, int]:
        load = loads[name]
        return ("gpus", load.gpus) if load.gpus else ("cores", min(load.cores, cores or load.cores))

    while ready or running:
        kept = []
        while ready:
            entry = heapq.heappop(ready)
            kind, amount = taken(entry[2])
            if amount > free[kind]:
                kept.append(entry)
                continue
            free[kind] -= amount
            held += loads[entry[2]].gpus
            most = max(most, held)
            starts[entry[2]] = now
            heapq.heappush(running, (now + loads[entry[2]].seconds, entry[1], entry[2]))
        ready = kept  # popped in order, so that it is a heap already
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, name = heapq.heappop(running)
            ends[name] = now
            kind, amount = taken(name)
            free[kind] += amount
            held -= loads[name].gpus
            for other in after[name]:
                waiting[other] -= 1
                if not waiting[other]:
                    heapq.heappush(ready, (-behind[other], place[other], other))
    busy = math.fsum(load.seconds * load.gpus for load in loads.values())
    return Schedule(gpus, cores, starts, ends, max(ends.values(), default=0.0), busy, most)


def _order(
    loads: Mapping[str, Load], before: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, float], dict[str, int]]:
    """Job -> the jobs that read it; seconds from its start to the end of all that depends on it; its place."""
    order = list(TopologicalSorter(before).static_order())
    after: dict[str, list[str]] = {name: [] for name in order}
    for name in order:
        for other in before[name]:
            after[other].append(name)
    behind: dict[str, float] = {}
    for name in reversed(order):
        behind[name] = loads[name].seconds + max((behind[other] for other in after[name]), default=0.0)
    return after, behind, {name: number for number, name in enumerate(order)}


def peak(intervals: Mapping[str, tuple[float, float]], sizes: Mapping[str, float]) -> float:
    """The largest sum of `sizes` of jobs that run at the same moment, from their starts and ends."""
    moments = sorted(
        [(start, 1, sizes[name]) for name, (start, _) in intervals.items()]
        + [(end, 0, -sizes[name]) for name, (_, end) in intervals.items()]
    )
    found = most = 0.0
    for _, _, change in moments:
        found += change
        most = max(most, found)
    return most
