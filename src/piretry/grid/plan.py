"""`piretry plan`: what a run will cost before it is started, and what sharing saves.

Figures are estimates from the scale's throughput table. Every retry is assumed to succeed as often as a first
attempt, which makes the number of retries too low where failures are hard.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from piretry.grid.names import State
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.grid.tasks import all_tasks

LIGHT_STAGES = ("prepare", "overlap", "fetch", "gather", "select", "judge", "table", "cost", "report")


@dataclass(frozen=True)
class Plan:
    """Jobs by stage, generated tokens with and without sharing, and job-seconds by stage."""

    scale: str
    cells: int
    arms: int
    jobs: dict[str, int]
    tokens: int
    tokens_alone: int
    seconds: dict[str, float]
    claims: dict[str, int]

    def plain(self) -> dict[str, object]:
        """The plan as JSON-ready values."""
        total = sum(self.seconds.values())
        return {
            "scale": self.scale,
            "cells": self.cells,
            "arms": self.arms,
            "jobs": self.jobs,
            "jobs_total": sum(self.jobs.values()),
            "completion_tokens": self.tokens,
            "completion_tokens_each_cell_alone": self.tokens_alone,
            "job_seconds": {stage: round(value, 1) for stage, value in self.seconds.items()},
            "job_seconds_total": round(total, 1),
            "jobs_by_claim": self.claims,
        }

    def text(self) -> str:
        """The plan for people."""
        total = sum(self.seconds.values())
        lines = [
            f"Scale {self.scale}: {self.arms} cells, {self.cells} with their seeds, {sum(self.jobs.values())} jobs",
            "",
            f"  {'stage':<10}{'jobs':>6}{'job time':>12}",
        ]
        for stage, count in self.jobs.items():
            lines.append(f"  {stage:<10}{count:>6}{_duration(self.seconds[stage]):>12}")
        saved = 1 - self.tokens / self.tokens_alone if self.tokens_alone else 0.0
        lines += [
            "",
            f"  Generated tokens: {self.tokens:,} with shared attempts and retries, {self.tokens_alone:,} with each "
            f"cell alone ({saved:.0%} saved)",
            f"  Job time: {_duration(total)} one job after another, {_duration(total / 2)} with two at once "
            "(estimate from the scale's throughput table)",
            "",
            "  Jobs that one claim needs from nothing:",
        ]
        lines += [f"    {claim:<24}{count:>6}" for claim, count in self.claims.items()]
        return "\n".join(lines)


def make_plan(project: Project) -> Plan:
    """The plan of the whole grid of `project`."""
    tasks = all_tasks(project)
    order = [stage for stage in _STAGE_ORDER if any(task.stage == stage for task in tasks)]
    jobs = Counter(task.stage for task in tasks)
    seconds: defaultdict[str, float] = defaultdict(float)
    for task in tasks:
        seconds[task.stage] += task_seconds(project, task)
    return Plan(
        scale=project.scale.name,
        cells=len(project.cells),
        arms=len(project.arms),
        jobs={stage: jobs[stage] for stage in order},
        tokens=round(sum(task_tokens(project, task) for task in tasks)),
        tokens_alone=round(sum(_tokens_alone(project, cell) for cell in project.cells)),
        seconds={stage: seconds[stage] for stage in order},
        claims=jobs_by_claim(project, tasks),
    )


def jobs_by_claim(project: Project, tasks: list[Task]) -> dict[str, int]:
    """How many jobs each claim needs when nothing is there yet, in the FAQ's order."""
    producers = {path: task for task in tasks for path in task.outputs.values()}
    counts = {}
    for claim in (task for task in tasks if task.stage == "judge"):
        needed: dict[int, Task] = {}
        waiting = [claim]
        while waiting:
            task = waiting.pop()
            if id(task) not in needed:
                needed[id(task)] = task
                waiting.extend(producers[path] for path in task.inputs.values())
        counts[claim.target] = len(needed)
    return {name: counts[name] for name in project.claims.ids if name in counts}


def task_tokens(project: Project, task: Task) -> float:
    """Expected completion tokens of a sampling task; 0 for the others."""
    completions = 0.0
    problems = project.scale.data.train_problems
    accuracy = project.scale.throughput.first_attempt_accuracy.get(task.target.partition("/")[0], 0.5)
    if task.stage == "attempt":
        completions = problems
    elif task.stage == "resample":
        everywhere, most = task.settings["k"], task.settings["k_failed"]
        completions = problems * everywhere + problems * (1 - accuracy) * (most - everywhere)
    elif task.stage == "retry":
        completions = sum(_retries(problems, accuracy, asked["k"]) for asked in task.settings["prompts"].values())
    elif task.stage == "repeat":
        k = max(k for demand, k in project.k_max.items() if demand.prompt == task.settings["prompt"])
        completions = _retries(problems, accuracy, k) * accuracy
    elif task.stage == "evaluate":
        completions = project.scale.data.eval_problems * (1 + task.settings["samples"])
    return completions / task.settings.get("shards", 1) * project.scale.throughput.tokens_per_completion


def task_seconds(project: Project, task: Task) -> float:
    """Expected wall seconds of one job."""
    speed = project.scale.throughput
    if task.stage in LIGHT_STAGES:
        return speed.light_job_s
    role = task.target.partition("/")[0]
    if task.stage == "pretrain":
        return speed.job_start_s + speed.pretrain_s[role]
    if task.stage == "train":
        examples = task.settings["steps"] * task.settings["batch_size"]
        return speed.job_start_s + examples / speed.train_examples_per_s[role]
    return speed.job_start_s + task_tokens(project, task) / speed.sample_tokens_per_s[role]


def _retries(problems: int, accuracy: float, k: int) -> float:
    failing = problems * (1 - accuracy)
    return sum(failing * (1 - accuracy) ** step for step in range(k))


def _tokens_alone(project: Project, cell: State) -> float:
    """Tokens of one cell, its earlier rounds and its base's evaluation, with nothing shared."""
    assert cell.arm is not None
    accuracy = project.scale.throughput.first_attempt_accuracy.get(cell.role, 0.5)
    problems, arm = project.scale.data.train_problems, cell.arm
    if arm.method in ("retry", "cross"):
        extra = _retries(problems, accuracy, arm.k)
    elif arm.method == "resample":
        extra = problems * (1 - accuracy) * arm.k
    else:
        extra = float(problems * arm.k)
    evaluations = 2 * project.scale.data.eval_problems * (1 + project.scale.evaluation.samples)
    return (arm.round * (problems + extra) + evaluations) * project.scale.throughput.tokens_per_completion


_STAGE_ORDER = (
    "prepare",
    "overlap",
    "pretrain",
    "fetch",
    "attempt",
    "resample",
    "retry",
    "repeat",
    "select",
    "train",
    "evaluate",
    "gather",
    "judge",
    "table",
    "cost",
    "report",
)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
