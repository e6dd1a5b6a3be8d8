"""The plan of a grid as text, section by section."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from piretry.grid.hours import Hours

if TYPE_CHECKING:
    from piretry.grid.plan import Plan

Row = Sequence[str]


def plan_text(plan: Plan) -> str:
    """Every section, with an empty line between them."""
    project, jobs = plan.project, sum(plan.jobs.values())
    head = f"Scale {project.scale.name}: {len(project.arms)} cells, {len(project.cells)} with their seeds, {jobs} jobs"
    sections = [
        [head],
        _stages(plan),
        _published(plan),
        _claims(plan),
        _sharing(plan),
        _wall_clock(plan),
        _disk(plan),
        _memory(plan),
        _late(plan),
        _figures(plan),
        ["Budget", *_indented([plan.verdict.text()])] if plan.verdict else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _stages(plan: Plan) -> list[str]:
    rows: list[Row] = [("stage", "jobs", "job time", "GPU-hours", "CPU-hours", "tokens (M)")]
    ledger = plan.ledger
    for stage, one in ledger.stages.items():
        rows.append((stage, f"{one.jobs}", duration(one.seconds), *_hours(one.hours), _millions(one.tokens)))
        if stage == "train":
            for kind, part in ledger.training.items():
                rows.append((f"  {kind}", f"{part.jobs}", duration(part.seconds), *_hours(part.hours), ""))
    seconds = sum(one.seconds for one in ledger.stages.values())
    rows.append(("all", f"{sum(plan.jobs.values())}", duration(seconds), *_hours(ledger.total), _millions(plan.tokens)))
    lines = ["By stage (job time: one job after another; CPU-hours: of jobs without GPU)", *_table(rows)]
    low, high = plan.range
    if ledger.total.gpu and (low, high) != (1.0, 1.0):
        lines += [
            f"  Expected between {ledger.total.gpu * low:,.0f} and {ledger.total.gpu * high:,.0f} GPU-hours: {low:g} "
            f"to {high:g} times the estimate (throughput.uncertainty)."
        ]
    return lines


def _published(plan: Plan) -> list[str]:
    stated = plan.project.scale.published_compute
    if stated is None:
        return []
    rows: list[Row] = [("part", "stated", "this plan")]
    for part in stated.parts:
        ours = plan.ledger.published(part)
        rows.append((part.says, f"{part.gpu_hours:,.1f}", "not in this grid" if ours is None else f"{ours.gpu:,.1f}"))
    parts = sum(part.gpu_hours for part in stated.parts)
    if parts < stated.gpu_hours:
        rows.append(("not said for what", f"{stated.gpu_hours - parts:,.1f}", ""))
    rows.append(("all", f"{stated.gpu_hours:,.1f}", f"{plan.ledger.total.gpu:,.1f}"))
    return [
        f"GPU-hours that the sources state ({stated.gpu}), and of the corresponding cells here, from nothing",
        *_table(rows),
        *_wrapped(f"Source: {stated.source}.".split(), " ", "  "),
        "  The two sums are not comparable: this plan has cells and seeds for which the sources state no compute.",
    ]


def _claims(plan: Plan) -> list[str]:
    found, rest = plan.ledger.portions
    gpu = plan.on_gpus
    unit = "GPU-hours" if gpu else "CPU-hours"

    total = plan.ledger.total.gpu if gpu else plan.ledger.total.cpu
    digits = 1 if total >= 1000 else 2 if total >= 1 else 4

    def hours(value: Hours) -> str:
        return f"{value.gpu if gpu else value.cpu:,.{digits}f}"

    rows: list[Row] = [("claim", "jobs", "from nothing", "with family", "only this", "share")]
    for name, one in found.items():
        family = plan.ledger.with_family(name)
        rows.append((name, f"{one.jobs}", hours(one.nothing), hours(family), hours(one.only), hours(one.share)))
    rows.append(("(no claim)", "", "", "", "", hours(rest)))
    rows.append(("all", f"{sum(plan.jobs.values())}", "", "", "", hours(plan.ledger.total)))
    return [
        f"{unit} by claim and control",
        *_table(rows),
        "  from nothing: all jobs that the claim's own numbers need, other readings of its cell included; with family:",
        "  also those of the claims that share its correction, which is what building its verdict alone runs; only",
        "  this: jobs that no other claim or control needs; share: every job divided evenly among those that need it.",
        "  The shares add up to the total; the other columns do not, because claims share jobs.",
    ]


def _sharing(plan: Plan) -> list[str]:
    saved = 1 - plan.tokens / plan.tokens_alone if plan.tokens_alone else 0.0
    return [
        f"Generated tokens: {plan.tokens:,.0f} with shared attempts and retries, {plan.tokens_alone:,.0f} with each "
        f"cell alone ({saved:.0%} saved)"
    ]


def _wall_clock(plan: Plan) -> list[str]:
    what = "GPUs" if plan.on_gpus else "cores"
    rows: list[Row] = [(what, "wall clock", "in use")]
    for one in plan.schedules:
        size = one.gpus if plan.on_gpus else one.cores
        name = f"{size}" if size else f"no limit ({one.peak})" if plan.on_gpus else "no limit"
        rows.append((name, duration(one.seconds), f"{one.used:.0%}" if one.used is not None else ""))
    ledger = plan.ledger
    chain = []
    for (stage, target), names in groupby(
        plan.critical, key=lambda name: (ledger.jobs[name].stage, ledger.jobs[name].target)
    ):
        chain.append(f"{stage} {target} ({duration(sum(plan.loads[name].seconds for name in names))})")
    longest = sum(plan.loads[name].seconds for name in plan.critical)
    return [
        "Wall clock (list scheduling of the real jobs; no queueing, no failed jobs)",
        *_table(rows),
        f"  Longest chain: {duration(longest)}, whatever the number of {what}:",
        *_wrapped(chain, " > "),
    ]


def _disk(plan: Plan) -> list[str]:
    found = plan.disk
    rows: list[Row] = [("on disk", "GB")]
    rows += [
        ("base models (those from the hub also in its cache)", _gb(found.base_models)),
        ("trained models", _gb(found.trained_models)),
        (f"checkpoints at the same time, with {_size(plan)}", _gb(found.checkpoints)),
        ("completions", _gb(found.completions)),
        ("training examples", _gb(found.examples)),
    ]
    rows += [(f"image {name}", "not built yet" if size is None else _gb(size)) for name, size in found.images.items()]
    return ["Disk", *_table([*rows, ("all", _gb(found.total))])]


def _size(plan: Plan) -> str:
    """The size of the schedule that the disk is counted for."""
    shown = plan.schedules[-1]
    size = shown.gpus if plan.on_gpus else shown.cores
    return f"{size or 'no limit on'} {'GPUs' if plan.on_gpus else 'cores'}"


def _memory(plan: Plan) -> list[str]:
    if not plan.fits:
        return []
    words = {True: "yes", False: "NO", None: "?"}
    rows: list[Row] = [("jobs of a kind", "jobs", "GPUs", "needs GB a GPU", "has", "fits")]
    for fit in plan.fits:
        has = "?" if fit.has is None else f"{fit.has / 1e9:,.0f}"
        rows.append(
            (fit.job, f"{fit.jobs or '-'}", f"{fit.gpus}", f"{fit.memory.least / 1e9:,.1f}", has, words[fit.fits])
        )
    lines = [
        "GPU memory (what a kind of job cannot do without; sampling takes more where there is more)",
        *_table(rows),
    ]
    if plan.project.site is None:
        lines += [f"  The GPUs are not known: there is no {plan.project.config.site}. `piretry init slurm` writes it."]
    for fit in plan.fits:
        if fit.refusal:
            lines += _wrapped(f"Refused: {fit.refusal}".split(), " ", "  ")
    return lines


def _late(plan: Plan) -> list[str]:
    if not plan.late:
        return []
    return [
        "Time limits that may be too short (upper end of the estimate, and 'runtime' under resources)",
        *(f"  {one.job}: {duration(one.seconds)} of {duration(one.limit)}" for one in plan.late),
    ]


def _figures(plan: Plan) -> list[str]:
    speed = plan.project.scale.throughput
    lines = [f"What this rests on (throughput of scales/{plan.project.scale.name}.yaml)"]
    for key, source in speed.sources.items():
        value = getattr(speed, key)
        shown = (
            ", ".join(f"{name} {number:g}" for name, number in value.items())
            if isinstance(value, dict)
            else f"{value:g}"
        )
        lines += [f"  {key}: {shown}", *_wrapped(source.split(), " ", "      ")]
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    """Rows in columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _wrapped(words: Iterable[str], between: str, indent: str = "    ") -> list[str]:
    lines, line = [], ""
    for word in words:
        joined = f"{line}{between}{word}" if line else word
        if len(joined) > 104 and line:
            lines.append(f"{indent}{line}{between.rstrip()}")
            line = word
        else:
            line = joined
    return [*lines, f"{indent}{line}"] if line else lines


def _indented(texts: Iterable[str]) -> list[str]:
    return [f"  {line}".rstrip() for text in texts for line in text.splitlines()]


def _hours(hours: Hours) -> tuple[str, str]:
    return (f"{hours.gpu:,.1f}" if hours.gpu else "-", f"{hours.cpu:,.3f}" if hours.cpu else "-")


def _millions(tokens: float) -> str:
    return f"{tokens / 1e6:,.1f}" if tokens else "-"


def _gb(size: float) -> str:
    gb = size / 1e9
    return f"{gb:,.0f}" if gb >= 10 else f"{gb:,.3f}"


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``8.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
