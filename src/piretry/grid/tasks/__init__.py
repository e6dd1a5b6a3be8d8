"""The wiring: for each stage, the task that makes a target. Inputs, outputs and settings, and nothing that runs.

A builder takes the project and the wildcards of the rule; the modules here go by what they make, as the files of rules
do. Stages never import this package, so that an edit to the grid or the claims changes no code digest.
"""

from __future__ import annotations

from collections.abc import Callable

from piretry.grid.names import DISTILLED, PROVER, State
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.grid.tasks.data import fetch, fetched_splits, overlap, prepare, pretrain, theorems
from piretry.grid.tasks.judge import cost, evidence, judge, report, table
from piretry.grid.tasks.sample import (
    asks,
    attempt,
    divided,
    evaluate,
    gather,
    repeat,
    resample,
    retry,
    sampling,
    shard,
    skeleton,
)
from piretry.grid.tasks.train import distill, select, train

__all__ = ["BUILDERS", "all_tasks", "asks", "evidence", "sampling"]

BUILDERS: dict[str, Callable[..., Task]] = {
    "prepare": prepare,
    "theorems": theorems,
    "overlap": overlap,
    "pretrain": pretrain,
    "fetch": fetch,
    "attempt": attempt,
    "resample": resample,
    "retry": retry,
    "repeat": repeat,
    "skeleton": skeleton,
    "select": select,
    "train": train,
    "distill": distill,
    "evaluate": evaluate,
    "shard": shard,
    "gather": gather,
    "judge": judge,
    "table": table,
    "cost": cost,
    "report": report,
}


def all_tasks(project: Project) -> list[Task]:
    """Every task of the whole grid, each once, walked back from the report as Snakemake does."""
    found: dict[tuple[str, str], Task] = {}
    producers = {path: task for task in _every_producer(project) for path in task.outputs.values()}
    waiting = [report(project, project.scale.name)]
    while waiting:
        task = waiting.pop()
        key = (task.stage, ",".join(sorted(task.outputs.values())))
        if key not in found:
            found[key] = task
            waiting.extend(producers[path] for path in task.inputs.values())
    return list(found.values())


def _every_producer(project: Project) -> list[Task]:
    name = project.scale.name
    tasks = [*(fetch(project, split) for split in fetched_splits(project)), prepare(project, name)]
    tasks.append(overlap(project, name))
    if PROVER in project.roles:
        tasks.append(theorems(project, name))
    for role in project.roles:
        binding = project.scale.roles[role]  # type: ignore[index]
        tasks.append(fetch(project, role) if binding.source == "hub" else pretrain(project, role))
    states = [
        *project.cells,
        *(State(role, s) for role in project.roles for s in project.seeds(f"{role}/base")),
    ]
    for state in states:
        tasks += [attempt(project, state.name), evaluate(project, state.name)]
        if state.series in project.resample_max:
            tasks.append(resample(project, state.name))
        if state.series in project.skeleton_max:
            tasks.append(skeleton(project, state.name))
        if state.arm is not None and state.arm.method == DISTILLED:
            tasks.append(distill(project, state.name))
        elif state.arm is not None:
            tasks += [select(project, state.name), train(project, state.name)]
        for writer, prompts in project.retry_jobs(state.series):
            tasks.append(retry(project, state.name, "+".join(prompts), writer))
            if writer == state.role:
                tasks += [repeat(project, state.name, prompt) for prompt in prompts]
    judged = [*project.claims.ids, *(control.id for control in project.claims.controls)]
    tasks += [judge(project, claim) for claim in judged]
    tasks += [table(project, entry) for entry in project.claims.tables]
    tasks.append(cost(project, name))
    return [part for task in tasks for part in divided(project, task)]
