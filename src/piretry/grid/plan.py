"""`piretry plan`: what a run will cost before it is started, by stage and by claim, and what sharing saves.

Figures are estimates from the scale's throughput table; docs/plan.md says what is estimated how.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from piretry.errors import PiretryError
from piretry.grid.budget import Verdict, require_budget
from piretry.grid.disk import Disk, disk
from piretry.grid.domain import domain
from piretry.grid.estimates import asks, failures, model_role, retries_of, success, tuning
from piretry.grid.fits import Fit, memory_fits
from piretry.grid.ledger import Ledger
from piretry.grid.names import DISTILLED, State
from piretry.grid.project import Project
from piretry.grid.schedule import Load, Schedule, critical_path, schedule
from piretry.grid.task import Task

LARGEST_TABLE = 6  # sizes of a cluster that the wall-clock table shows


@dataclass(frozen=True)
class Late:
    """A kind of job that is expected to take longer than its time limit; seconds, both."""

    job: str
    seconds: float
    limit: float


@dataclass(frozen=True)
class Plan:
    """The plan of a project's whole grid: everything is computed when it is asked for, from the ledger of jobs.

    Args:
        ledger: the jobs with their estimates.
        gpus, cores: how many there are, for the wall-clock estimate; None shows several sizes.
        budget: GPU-hours that may be used; None when there is no limit.
    """

    ledger: Ledger
    gpus: int | None = None
    cores: int | None = None
    budget: float | None = None

    @property
    def project(self) -> Project:
        """What is planned."""
        return self.ledger.project

    @property
    def jobs(self) -> dict[str, int]:
        """Jobs by stage."""
        return {stage: total.jobs for stage, total in self.ledger.stages.items()}

    @property
    def tokens(self) -> float:
        """Generated tokens of the whole grid."""
        return sum(total.tokens for total in self.ledger.stages.values())

    @cached_property
    def tokens_alone(self) -> float:
        """Generated tokens if every cell were run by itself: nothing shared but a cell's own earlier rounds."""
        return sum(_tokens_alone(self.project, cell) for cell in self.project.cells)

    @property
    def range(self) -> tuple[float, float]:
        """Factors on the hours between which the truth is expected."""
        stated = self.project.scale.throughput.uncertainty
        return (stated.low, stated.high) if stated else (1.0, 1.0)

    @cached_property
    def loads(self) -> dict[str, Load]:
        """What each job occupies."""
        return {name: Load(one.seconds, one.gpus, one.cores) for name, one in self.ledger.estimates.items()}

    @property
    def on_gpus(self) -> bool:
        """Whether any job holds a GPU."""
        return any(load.gpus for load in self.loads.values())

    @cached_property
    def widest(self) -> Schedule:
        """The schedule with as many GPUs and cores as there are jobs for."""
        return self._schedule(None)

    @cached_property
    def schedules(self) -> tuple[Schedule, ...]:
        """The schedule for the size asked for; else for sizes from the smallest possible on, and without limit."""
        asked = self.gpus if self.on_gpus else self.cores
        if asked is not None:
            return (self._schedule(asked),)
        size = max((load.gpus for load in self.loads.values()), default=0) if self.on_gpus else 1
        most = self.widest.peak if self.on_gpus else max(1, len(self.loads))
        found: list[Schedule] = []
        while size < most and len(found) < LARGEST_TABLE:
            found.append(self._schedule(size))
            if found[-1].seconds <= self.widest.seconds * 1.02:
                break
            size *= 2
        return (*found, self.widest)

    @cached_property
    def critical(self) -> tuple[str, ...]:
        """The longest chain of jobs, first job first."""
        return critical_path(self.loads, self.ledger.before)

    @cached_property
    def disk(self) -> Disk:
        """What the run fills; checkpoints are counted as they come together in the (last) schedule shown."""
        shown = self.schedules[-1]
        spans = {name: (shown.starts[name], shown.ends[name]) for name in shown.starts}
        return disk(self.project, self.ledger.jobs, self.ledger.estimates, spans)

    @cached_property
    def fits(self) -> tuple[Fit, ...]:
        """Every kind of GPU job against the memory of the GPUs of the site."""
        return memory_fits(self.ledger)

    @cached_property
    def late(self) -> tuple[Late, ...]:
        """Kinds of jobs whose estimate, at its upper end, is above the time limit that the scale states."""
        found: dict[str, Late] = {}
        for name, one in self.ledger.estimates.items():
            task = self.ledger.jobs[name]
            limit = asks(self.project.scale, task).runtime * 60
            parts = (task.stage, model_role(task) if task.stage != task.target else None, tuning(task))
            kind = ".".join(part for part in parts if part)
            seconds = one.seconds * self.range[1]
            if seconds > limit and (kind not in found or found[kind].seconds < seconds):
                found[kind] = Late(kind, seconds, limit)
        return tuple(found.values())

    @cached_property
    def verdict(self) -> Verdict | None:
        """The plan against the budget; None without one."""
        return Verdict(self.ledger, self.budget) if self.budget is not None else None

    def plain(self) -> dict[str, object]:
        """The plan as JSON-ready values."""
        ledger, (low, high) = self.ledger, self.range
        found, rest = ledger.portions
        total = ledger.total
        return {
            "scale": self.project.scale.name,
            "cells": len(self.project.cells),
            "arms": len(self.project.arms),
            "jobs": self.jobs,
            "jobs_total": sum(self.jobs.values()),
            "completion_tokens": round(self.tokens),
            "completion_tokens_each_cell_alone": round(self.tokens_alone),
            "job_seconds": {stage: round(one.seconds, 1) for stage, one in ledger.stages.items()},
            "job_seconds_total": round(sum(one.seconds for one in ledger.stages.values()), 1),
            "hours": {
                **total.plain(),
                "gpu_hours_low": round(total.gpu * low, 3),
                "gpu_hours_high": round(total.gpu * high, 3),
                "by_stage": {stage: one.hours.plain() for stage, one in ledger.stages.items()},
                "training": {key: one.hours.plain() for key, one in ledger.training.items()},
                "by_claim": {
                    name: {
                        "from_nothing": one.nothing.plain(),
                        "with_family": ledger.with_family(name).plain(),
                        "only_this_claim": one.only.plain(),
                        "share": one.share.plain(),
                        "jobs": one.jobs,
                    }
                    for name, one in found.items()
                },
                "no_claim": rest.plain(),
            },
            "published": self._published(),
            "wall_clock": {
                "critical_path_seconds": round(sum(self.loads[name].seconds for name in self.critical), 1),
                "critical_path": [f"{ledger.jobs[name].stage} {ledger.jobs[name].target}" for name in self.critical],
                "schedules": [
                    {"gpus": one.gpus, "cores": one.cores, "seconds": round(one.seconds, 1), "peak_gpus": one.peak}
                    for one in self.schedules
                ],
            },
            "disk": self.disk.plain(),
            "memory": [fit.plain() for fit in self.fits],
            "over_time_limit": [
                {"job": late.job, "seconds": round(late.seconds), "limit_seconds": late.limit} for late in self.late
            ],
            "throughput": self.project.scale.throughput.plain(),
            "budget": self.verdict.plain() if self.verdict else None,
        }

    def text(self) -> str:
        """The plan for people."""
        from piretry.grid.plan_text import plan_text

        return plan_text(self)

    def refusals(self) -> list[str]:
        """Sentences on why this plan must not be run: over budget, or a model that does not fit its GPUs."""
        found = [fit.refusal for fit in self.fits if fit.refusal]
        if self.verdict and self.verdict.exceeded:
            found.append(self.verdict.reason())
        return found

    def _published(self) -> dict[str, object] | None:
        stated = self.project.scale.published_compute
        if stated is None:
            return None
        parts = []
        for part in stated.parts:
            ours = self.ledger.published(part)
            parts.append({**part.plain(), "this_plan": ours.plain() if ours else None})
        return {**stated.plain(), "parts": parts}

    def _schedule(self, size: int | None) -> Schedule:
        gpus, cores = (size, self.cores) if self.on_gpus else (None, size)
        return schedule(self.loads, self.ledger.before, gpus, cores)


def make_plan(project: Project, gpus: int | None = None, cores: int | None = None, budget: float | None = None) -> Plan:
    """The plan of the whole grid of `project`."""
    return Plan(Ledger.of(project), gpus, cores, budget)


def require_plan(project: Project, tasks: Sequence[Task] | None = None) -> None:
    """Raise PiretryError when `tasks` (the jobs that are about to run; None: the whole grid) must not be started: a
    model does not fit the GPUs of the site, or they need more GPU-hours than `budget_gpu_hours` of config.yaml.
    """
    ledger = Ledger.of(project, tasks)
    for fit in memory_fits(ledger):
        if fit.refusal:
            raise PiretryError(fit.refusal)
    require_budget(ledger)


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `piretry plan` beside those that choose the project."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--power", action="store_true", help="the smallest effect that each claim's test could see")
    parser.add_argument("--gpus", type=int, metavar="N", help="estimate the wall-clock time on N GPUs")
    parser.add_argument("--cores", type=int, metavar="N", help="cores for the jobs without GPU (default: no limit)")
    parser.add_argument(
        "--budget", type=float, metavar="HOURS",
        help="exit with status 1 when more GPU-hours are needed, and say what to drop (default: budget_gpu_hours)",
    )  # fmt: skip


def run_plan(options: argparse.Namespace, project: Project) -> int:
    """Print the plan; 1 when it is over the budget or a model does not fit its GPUs, with the reasons on stderr."""
    for name in ("gpus", "cores", "budget"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise PiretryError(f"--{name} {value} is not possible: it must be above 0.")
    budget = options.budget if options.budget is not None else project.config.budget_gpu_hours
    plan = make_plan(project, options.gpus, options.cores, budget)
    print(json.dumps(plan.plain(), indent=2) if options.json else plan.text())
    refusals = plan.refusals()
    for sentence in refusals:
        print(f"piretry: {sentence}", file=sys.stderr)
    return 1 if refusals else 0


def _tokens_alone(project: Project, cell: State) -> float:
    """Tokens of one cell, its earlier rounds and its base's evaluation, with nothing shared."""
    assert cell.arm is not None
    scale, arm = project.scale, cell.arm
    world, failing = domain(scale, cell.role), failures(project.scale, cell.role)
    if arm.method in ("retry", "cross"):
        extra = retries_of(failing, success(scale, project.retry_demand(arm).writer, arm.prompt), arm.k)
    elif arm.method in ("resample", "skeleton_sft"):
        extra = failing * arm.k
    elif arm.method == DISTILLED:  # its rollouts are part of the training, and it needs no attempts
        extra = -float(world.train_problems)
    else:
        extra = float(world.train_problems * arm.k)
    evaluations = 2 * world.eval_problems * (1 + scale.evaluation.samples)
    return (arm.round * (world.train_problems + extra) + evaluations) * scale.throughput.completion_tokens(cell.role)
