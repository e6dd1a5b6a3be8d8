"""What the run cost, by stage, from the records; and what was saved by computing nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from piretry.report.parts import anchors, hours
from piretry.report.results import Results

_STAGES = (
    *("prepare", "overlap", "theorems", "fetch", "pretrain", "attempt", "resample", "retry", "repeat"),
    *("skeleton", "gather", "select", "train", "distill", "evaluate", "judge", "table", "cost"),
)


@dataclass(frozen=True)
class StageCost:
    """The jobs of one stage, added up: seconds and tokens."""

    stage: str
    jobs: int
    wall: float
    cpu: float
    gpu: float
    prompt_tokens: float
    completion_tokens: float


def view(results: Results) -> dict[str, Any]:
    """Costs by stage, their sum, the elapsed time, the sharing, and the hours by stage and by claim."""
    costs: dict[str, StageCost] = {}
    jobs = results.records.jobs()
    for record in jobs:
        old = costs.get(record.stage, StageCost(record.stage, 0, 0, 0, 0, 0, 0))
        cost = record.cost
        costs[record.stage] = StageCost(
            record.stage,
            old.jobs + 1,
            old.wall + cost.wall_seconds,
            old.cpu + cost.cpu_seconds,
            old.gpu + cost.gpu_seconds,
            old.prompt_tokens + cost.counters.get("prompt_tokens", 0),
            old.completion_tokens + cost.counters.get("completion_tokens", 0),
        )
    order = [stage for stage in (*_STAGES, *sorted(set(costs) - set(_STAGES))) if stage in costs]
    return {
        "stages": [costs[stage] for stage in order],
        "sum": _sum(list(costs.values())),
        "elapsed": _elapsed([(record.cost.started, record.cost.finished) for record in jobs]),
        "sharing": _sharing(results),
        "hours": hours.view(results, _STAGES),
    }


def _sharing(results: Results) -> dict[str, Any]:
    """Generated tokens of all cells together, against each of them run alone; counted by stage cost."""
    cost = results.cost
    return {
        "cells": len(cost["alone_by_cell"]),
        "together": cost["completion_tokens"],
        "alone": cost["completion_tokens_each_cell_alone"],
        "saved": cost["saved_share"],
        "record": anchors.record(results.inputs["cost"]),
        "path": results.inputs["cost"],
    }


def _sum(costs: list[StageCost]) -> StageCost:
    names = ("jobs", "wall", "cpu", "gpu", "prompt_tokens", "completion_tokens")
    return StageCost("all stages", *(sum(getattr(cost, name) for cost in costs) for name in names))


def _elapsed(spans: list[tuple[str, str]]) -> float:
    """Seconds in which at least one job was running: pauses between two runs of the workflow do not count."""
    total, end = 0.0, None
    for start_text, finish_text in sorted(spans):
        start, finish = datetime.fromisoformat(start_text), datetime.fromisoformat(finish_text)
        if end is None or start > end:
            total += (finish - start).total_seconds()
            end = finish
        elif finish > end:
            total += (finish - end).total_seconds()
            end = finish
    return total
