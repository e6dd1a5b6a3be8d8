"""One claim as the page shows it; claims of the FAQ and negative controls alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from piretry.report.charts.figure import Point
from piretry.report.numbers import estimate, interval, listed, number, p_value, plural, with_unit
from piretry.report.parts import anchors
from piretry.report.parts.chain import Chain, chain_view
from piretry.report.parts.strip import scale_of, strip
from piretry.report.parts.verdicts import Badge, badge
from piretry.report.results import Results

_RULES = {
    "value": "published {published}, tolerance ± {tolerance}",
    "sign": "the first is the greater",
    "ratio": "published {published}, within a factor of {factor}",
    "equivalence": "every difference within ± {margin}",
    "trend": "the share rises with the retry index",
    "count": "exactly {published}",
}
# Where a gain comes from, in the order shown. `format_pp` and `reasoning_pp` are their sums.
_TOTALS = ("format_pp", "reasoning_pp")


@dataclass(frozen=True)
class SeedRow:
    """One seed of a quantity: its value and McNemar's counts."""

    seed: object
    value: str
    gained: object
    lost: object
    p_value: str


@dataclass(frozen=True)
class QuantityView:
    """One measured number of a claim, as text."""

    label: str
    measure: str
    series: str
    strip: Markup
    value: str
    interval: str
    level: str
    before_after: str
    other: str
    mde: str
    p_value: str
    problems: object
    seeds: list[SeedRow]
    paired: bool
    format: str
    reasoning: str
    moves: list[tuple[str, str]]
    mostly_format: bool
    details: list[tuple[str, str]]
    notes: list[str]
    indices: list[tuple[object, str, str, object]]


@dataclass(frozen=True)
class TestView:
    """One test of a claim, as text."""

    kind: str
    label: str
    rule: str
    estimate: str
    p_value: str
    p_holm: str
    badge: Badge
    reason: str


@dataclass(frozen=True)
class ClaimView:
    """One claim, as text."""

    id: str
    anchor: str
    says: str
    published: str
    statistic: str
    family: str
    measured: str
    measured_label: str
    badge: Badge
    reasons: list[str]
    run: bool
    n: object
    seeds: list[object]
    mde: str
    other_decoding: str
    primary: str
    quantities: list[QuantityView]
    tests: list[TestView]
    tables: list[str]
    command: str
    target: str
    chain: Chain


def claim_view(results: Results, claim: Mapping[str, Any], path: str) -> ClaimView:
    """The view of a claim whose result file is `path`."""
    declared = results.declared.get(claim["id"], {})
    points = [_point(quantity, declared) for quantity in claim["quantities"]]
    scales = {
        unit: scale_of([p for p, q in zip(points, claim["quantities"], strict=True) if q["unit"] == unit])
        for unit in {quantity["unit"] for quantity in claim["quantities"]}
    }
    measured = claim["measured"]
    mde = claim.get("mde")
    return ClaimView(
        id=claim["id"],
        anchor=anchors.claim(claim["id"]),
        says=claim["says"],
        published=claim.get("published") or "",
        statistic=claim.get("statistic") or "",
        family=claim.get("family") or "",
        measured=estimate(measured, measured["unit"]) if measured else "",
        measured_label=measured["label"] if measured else "",
        badge=badge(claim["verdict"]),
        reasons=list(claim["reasons"]),
        run=claim["status"] != "not_run",
        n=claim.get("n"),
        seeds=list(claim.get("seeds") or ()),
        mde=with_unit(mde, measured["unit"] if measured else "pp").lstrip("+") if mde is not None else "",
        primary=claim.get("primary") or "",
        other_decoding="sampled" if claim.get("primary") == "greedy" else "greedy",
        quantities=[
            _quantity(quantity, point, scales[quantity["unit"]])
            for quantity, point in zip(claim["quantities"], points, strict=True)
        ],
        tests=[_test(test) for test in claim["tests"]],
        tables=list(claim.get("tables") or ()),
        command=rebuild_command(results, claim["target"]),
        target=claim["target"],
        chain=chain_view(results, path, [file for q in claim["quantities"] for file in q.get("files") or ()]),
    )


def rebuild_command(results: Results, target: str) -> str:
    """The command that builds `target` (a path from the checkout), with the scale where it is not the usual one."""
    scale = results.scale["name"]
    return f"snakemake --cores 2 {target}" + ("" if scale == "mini" else f" --config scale={scale}")


def _point(quantity: Mapping[str, Any], declared: Mapping[str, Any]) -> Point:
    published = None
    for test in declared.get("tests", ()):
        if test["test"] == "value" and _same(test["of"], quantity):
            published = test["published"]
        if test["test"] == "ratio" and quantity["measure"] == "ratio":
            published = test["published"]
    return Point(
        quantity["label"],
        quantity.get("series") or "",
        quantity["value"],
        quantity.get("low"),
        quantity.get("high"),
        published,
        tuple(quantity.get("per_seed") or ()),
    )


def _same(of: Mapping[str, Any], quantity: Mapping[str, Any]) -> bool:
    return of["measure"] == quantity["measure"] and of["series"] == quantity.get("series")


def _quantity(quantity: Mapping[str, Any], point: Point, scale: tuple[float, float] | None) -> QuantityView:
    unit = quantity["unit"]
    parts = quantity.get("decomposition") or {}
    moves = [
        (name.replace("->", " → ").replace("_", " "), with_unit(value, "pp"))
        for name, value in parts.items()
        if name not in _TOTALS and value is not None
    ]
    value, of_format = quantity["value"], parts.get("format_pp")
    before, after = quantity.get("before"), quantity.get("after")
    level = quantity.get("level")
    return QuantityView(
        label=quantity["label"],
        measure=quantity["measure"],
        series=quantity.get("series") or "",
        strip=strip(point, scale, unit) if scale and value is not None else Markup(""),
        value=with_unit(value, unit),
        interval=interval(quantity.get("low"), quantity.get("high"), unit),
        level=f"{100 * level:.0f}%" if level else "",
        before_after=f"{number(before, '%')}% → {number(after, '%')}%" if None not in (before, after) else "",
        other=estimate(quantity.get("greedy"), unit) if quantity.get("greedy") else "",
        mde=with_unit(quantity["mde"], unit).lstrip("+") if quantity.get("mde") is not None else "",
        p_value=p_value(quantity.get("p_value")),
        problems=quantity.get("n_problems"),
        seeds=_seeds(quantity),
        paired=bool(quantity.get("mcnemar")),
        format=with_unit(of_format, "pp") if of_format is not None else "",
        reasoning=with_unit(parts["reasoning_pp"], "pp") if parts.get("reasoning_pp") is not None else "",
        moves=moves,
        mostly_format=bool(value and of_format and value * of_format > 0 and abs(of_format) > abs(value) / 2),
        details=_details(quantity),
        notes=list(quantity.get("notes") or ()),
        indices=_indices(quantity),
    )


def _seeds(quantity: Mapping[str, Any]) -> list[SeedRow]:
    flips = {str(row["seed"]): row for row in quantity.get("mcnemar") or ()}
    values = quantity.get("per_seed") or ()
    seeds = quantity.get("seeds") or ()
    rows = []
    for place, seed in enumerate(seeds):
        flip = flips.get(str(seed), {})
        value = with_unit(values[place], quantity["unit"]) if place < len(values) else ""
        p = p_value(flip["p_value"]) if "p_value" in flip else ""
        rows.append(SeedRow(seed, value, flip.get("gained", ""), flip.get("lost", ""), p))
    return rows


def _details(quantity: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the interval was made: method, standard error, degrees of freedom, and the bootstrap beside it."""
    unit = quantity["unit"]
    found = [("interval by", quantity.get("method") or "")]
    if quantity.get("se") is not None:
        found.append(("standard error", with_unit(quantity["se"], unit).lstrip("+")))
    if quantity.get("df") is not None:
        found.append(("degrees of freedom", number(quantity["df"], digits=1)))
    bootstrap = interval(quantity.get("bootstrap_low"), quantity.get("bootstrap_high"), unit)
    if bootstrap:
        found.append(("paired bootstrap", bootstrap))
    return [(name, text) for name, text in found if text]


def _indices(quantity: Mapping[str, Any]) -> list[tuple[object, str, str, object]]:
    unit = "%"
    return [
        (row["index"], with_unit(row["value"], unit), interval(row.get("low"), row.get("high"), unit), row.get("n", ""))
        for row in quantity.get("by_index") or ()
    ]


def _test(test: Mapping[str, Any]) -> TestView:
    unit = test.get("unit") or (test.get("estimate") or {}).get("unit") or _unit_of(test)
    words = {
        "published": with_unit(test.get("published"), unit) if test.get("published") is not None else "",
        "tolerance": with_unit(test.get("tolerance"), unit).lstrip("+") if test.get("tolerance") is not None else "",
        "margin": with_unit(test.get("margin"), unit).lstrip("+") if test.get("margin") is not None else "",
        "factor": number(test.get("factor")),
    }
    return TestView(
        kind=test["test"],
        label=test["label"],
        rule=_RULES.get(test["test"], "").format(**words),
        estimate=estimate(test.get("estimate"), unit),
        p_value=p_value(test.get("p_value")),
        p_holm=p_value(test.get("p_holm")),
        badge=badge(test["verdict"]),
        reason=test.get("reason") or "",
    )


def _unit_of(test: Mapping[str, Any]) -> str:
    return {"ratio": "x", "count": "", "trend": ""}.get(test["test"], "pp")


def seeds_text(seeds: list[object]) -> str:
    """``3 seeds (42, 123 and 456)``."""
    return f"{plural(len(seeds), 'seed')} ({listed(seeds)})" if seeds else ""
