"""GPU-hours and CPU-hours that the run took, by stage and by claim, beside what a plan would have said.

The rule by which shared jobs are told apart is that of `piretry plan`: see `piretry.grid.hours`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from piretry.grid.estimates import cores, estimate
from piretry.grid.hours import Hours, portions
from piretry.provenance.model import Record
from piretry.report.numbers import NOTHING, duration
from piretry.report.parts import anchors
from piretry.report.results import Results
from piretry.settings.scale import Scale


@dataclass(frozen=True)
class StageHours:
    """Hours of the recorded jobs of a stage, and those that the throughput table of the scale gives the same jobs."""

    stage: str
    jobs: int
    estimated: Hours
    actual: Hours


@dataclass(frozen=True)
class ClaimHours:
    """Hours of a claim or control, as text in the page's unit."""

    name: str
    anchor: str
    jobs: int
    nothing: str
    family: str
    only: str
    share: str


@dataclass(frozen=True)
class HoursByClaim:
    """Hours by claim in `unit`, those of jobs that no claim needs, and the sum."""

    unit: str
    rows: dict[str, ClaimHours]
    rest: str
    total: str
    words: dict[str, str]


_GPU, _CPU = "GPU-hours", "CPU-hours"


def view(results: Results, order: Sequence[str]) -> dict[str, Any]:
    """`stages`: rows in `order`, the sum last; `claims`: rows in the FAQ's order; what no claim needs; the unit."""
    claims = by_claim(results)
    return {
        "unit": claims.unit,
        "stages": [_stage_row(row) for row in by_stage(results, order)],
        "claims": list(claims.rows.values()),
        "rest": claims.rest,
        "total": claims.total,
        "gpu": claims.unit == _GPU,
    }


@functools.lru_cache(maxsize=1)
def by_claim(results: Results) -> HoursByClaim:
    """The hours of every claim and control; computed once for a page, which shows them in two places."""
    costs = {record.job: actual(record) for record in results.records.jobs()}
    needs = {name: _jobs(results, _files(results, name)) for name in (*results.claims, *results.controls)}
    found, rest = portions(costs, needs)
    total = Hours.sum(costs.values())
    on_gpus = total.gpu > 0
    digits = digits_for(total.gpu if on_gpus else total.cpu)

    def text(hours: Hours) -> str:
        return f"{hours.gpu if on_gpus else hours.cpu:,.{digits}f}"

    def whole(name: str) -> Hours:
        return Hours.sum(costs[job] for job in _jobs(results, _files(results, name)[:1]))

    rows = {
        name: ClaimHours(
            name,
            anchors.claim(name),
            portion.jobs,
            text(portion.nothing),
            text(whole(name)),
            text(portion.only),
            text(portion.share),
        )
        for name, portion in found.items()
    }

    def words(hours: Hours) -> str:
        return f"{text(hours)} {_GPU}" if on_gpus else f"{duration(3600 * hours.cpu)} of CPU time"

    said = {name: f"{words(part.nothing)}; {words(part.only)} for it alone" for name, part in found.items()}
    return HoursByClaim(_GPU if on_gpus else _CPU, rows, text(rest), text(total), said)


def in_words(results: Results, name: str) -> str:
    """What a claim cost: from nothing, and what of it no other claim needs."""
    return by_claim(results).words[name]


def actual(record: Record) -> Hours:
    """The hours that a job held its GPUs, or its cores where it had none."""
    seconds, gpus = record.cost.wall_seconds, len(record.machine.gpus)
    return Hours(record.cost.gpu_seconds / 3600, 0.0) if gpus else Hours.of(seconds, 0, cores(record))


def by_stage(results: Results, order: Sequence[str]) -> list[StageHours]:
    """Estimated and actual hours of each stage in `order` (others after it), and of all of them together."""
    scale = Scale.model_validate(results.scale)
    jobs = results.records.jobs()
    asked = {
        (record.settings["state"], prompt): int(one["k"])
        for record in jobs
        if record.stage == "retry" and record.settings["writer"] == record.settings["state"]
        for prompt, one in record.settings["prompts"].items()
    }
    groups: dict[str, list[tuple[Hours, Hours]]] = {}
    for record in jobs:
        expected = estimate(scale, record, lambda state, prompt: asked[state, prompt]).hours
        groups.setdefault(record.stage, []).append((expected, actual(record)))
    stages = [*(stage for stage in order if stage in groups), *sorted(set(groups) - set(order))]
    rows = [_summed(stage, groups[stage]) for stage in stages]
    return [*rows, _summed("all stages", [pair for pairs in groups.values() for pair in pairs])]


def digits_for(total: float) -> int:
    """Decimals of hours such that a hundredth of a total like this one can be told."""
    return 1 if total >= 1000 else 2 if total >= 1 else 4


def _summed(stage: str, pairs: list[tuple[Hours, Hours]]) -> StageHours:
    return StageHours(stage, len(pairs), Hours.sum(e for e, _ in pairs), Hours.sum(a for _, a in pairs))


def _stage_row(row: StageHours) -> dict[str, Any]:
    """One stage as text: estimate, actual and their ratio, for GPUs and for CPUs."""

    def cells(expected: float, found: float) -> tuple[str, str, str]:
        if not expected and not found:
            return NOTHING, NOTHING, NOTHING
        ratio = f"{found / expected:.2f}×" if expected else NOTHING
        digits = digits_for(max(expected, found))
        return f"{expected:,.{digits}f}", f"{found:,.{digits}f}", ratio

    gpu, cpu = cells(row.estimated.gpu, row.actual.gpu), cells(row.estimated.cpu, row.actual.cpu)
    return {"stage": row.stage, "jobs": row.jobs, "gpu": gpu, "cpu": cpu}


def _files(results: Results, name: str) -> list[str]:
    """The verdict's file and the files that the claim's own numbers were computed from."""
    claim = results.claims.get(name) or results.controls[name]
    shown = [*claim["quantities"], *(claim.get("variants") or ())]
    own = [file for quantity in shown for file in quantity.get("files") or ()]
    return [results.inputs[f"claim:{name}"], *own]


def _jobs(results: Results, files: list[str]) -> set[str]:
    """The jobs that made `files` from nothing; of a verdict that has files of its own beside it only its own job."""
    records = results.records
    top, *own = files
    nodes = records.chain(own) if own else records.chain([top])
    found = {node.record.job for node in nodes if node.record is not None}
    verdict = records.by_path.get(top)
    return found | ({verdict.job} if verdict is not None else set())
