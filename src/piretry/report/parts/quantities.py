"""One measured number of a claim, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from piretry.report.charts.figure import Point
from piretry.report.numbers import estimate, interval, number, p_text, p_value, with_unit
from piretry.report.parts.strip import scale_of, strip

# Traffic of a gain, in the order shown, as the judge names it.
_MOVES = ("wrong->correct", "no_answer->correct", "correct->wrong", "correct->no_answer")


@dataclass(frozen=True)
class SeedRow:
    """One seed of a quantity: its value and McNemar's counts."""

    seed: int
    value: str
    gained: object
    lost: object
    p_value: str


@dataclass(frozen=True)
class Opinions:
    """The heuristic verifier against the type checker: the four counts, then the rates as (name, text)."""

    both: int
    heuristic_only: int
    checker_only: int
    neither: int
    undecided: int
    rates: list[tuple[str, str]]


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
    answering: str
    answers: str
    moves: list[tuple[str, str]]
    split: str
    split_open: bool
    mostly_format: bool
    details: list[tuple[str, str]]
    notes: list[str]
    indices: list[tuple[object, str, str, object]]
    opinions: Opinions | None
    files: bool  # whether files were read for it; else it was computed from other numbers


def quantity_views(quantities: Sequence[Mapping[str, Any]], declared: Mapping[str, Any]) -> list[QuantityView]:
    """The views of a claim's quantities; those of one unit have their strips on one scale."""
    points = [_point(quantity, declared) for quantity in quantities]
    scales = {
        unit: scale_of([p for p, q in zip(points, quantities, strict=True) if q["unit"] == unit])
        for unit in {quantity["unit"] for quantity in quantities}
    }
    return [_quantity(q, point, scales[q["unit"]]) for q, point in zip(quantities, points, strict=True)]


def span(quantity: Mapping[str, Any]) -> str:
    """The interval; for a ratio the whole set of ratios that the data allow, which may be unbounded."""
    unit, kind = quantity["unit"], quantity.get("kind")
    if kind in (None, "interval"):
        return interval(quantity.get("low"), quantity.get("high"), unit)
    if kind == "line":
        return "(unbounded: any ratio)"
    return " or ".join(interval(low, high, unit) for low, high in quantity["pieces"])


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
        (name.replace("->", " → ").replace("_", " "), with_unit(parts[name], "pp"))
        for name in _MOVES
        if parts.get(name) is not None
    ]
    value, sentence = quantity["value"], str(parts.get("sentence") or "")
    other = quantity.get("greedy") or quantity.get("sampled")
    before, after = quantity.get("before"), quantity.get("after")
    level = quantity.get("level")
    return QuantityView(
        label=quantity["label"],
        measure=quantity["measure"],
        series=quantity.get("series") or "",
        strip=strip(point, scale, unit) if scale and value is not None else Markup(""),
        value=with_unit(value, unit),
        interval=span(quantity),
        level=f"{100 * level:.0f}%" if level else "",
        before_after=f"{number(before, '%')}% → {number(after, '%')}%" if None not in (before, after) else "",
        other=estimate(other, unit) if other else "",
        mde=with_unit(quantity["mde"], unit).lstrip("+") if quantity.get("mde") is not None else "",
        p_value=p_text(quantity.get("p_value")),
        problems=quantity.get("n_problems"),
        seeds=_seeds(quantity),
        paired=bool(quantity.get("mcnemar")),
        answering=estimate(parts.get("answering"), "pp") if parts.get("answering") else "",
        answers=estimate(parts.get("answers"), "pp") if parts.get("answers") else "",
        moves=moves,
        split=sentence,
        split_open=sentence.startswith("not distinguishable"),
        mostly_format=sentence.startswith("mostly format"),
        details=_details(quantity),
        notes=list(quantity.get("notes") or ()),
        indices=_indices(quantity),
        opinions=_opinions(quantity.get("opinions")),
        files=bool(quantity.get("files")),
    )


def _opinions(found: Mapping[str, Any] | None) -> Opinions | None:
    if found is None:
        return None
    shares = (
        ("of the proofs that the checker refuses the heuristic accepts", "false_accept_rate"),
        ("of the proofs that the checker accepts the heuristic refuses", "false_reject_rate"),
        ("of what the heuristic accepts is a proof", "precision"),
    )
    rates = [(name, f"{100 * found[key]:.1f}%") for name, key in shares if found[key] is not None]
    if found["kappa"] is not None:
        rates.append(("is Cohen's kappa, agreement beyond chance", f"{found['kappa']:.2f}"))
    counts = ("both", "heuristic_only", "checker_only", "neither", "undecided")
    return Opinions(**{name: found[name] for name in counts}, rates=rates)


def _seeds(quantity: Mapping[str, Any]) -> list[SeedRow]:
    flips = {str(row["seed"]): row for row in quantity.get("mcnemar") or ()}
    values = quantity.get("per_seed") or ()
    seeds = quantity.get("seeds") or () if values or flips else ()
    rows = []
    for place, seed in enumerate(seeds):
        flip = flips.get(str(seed), {})
        value = with_unit(values[place], quantity["unit"]) if place < len(values) else ""
        p = p_value(flip["p_value"]) if "p_value" in flip else ""
        rows.append(SeedRow(seed, value, flip.get("gained", ""), flip.get("lost", ""), p))
    return sorted(rows, key=lambda row: row.seed)


def _details(quantity: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the interval was made: method, standard error, degrees of freedom, and the bootstrap beside it."""
    unit = quantity["unit"]
    found = [("interval by", quantity.get("method") or "")]
    if quantity.get("se") is not None:
        found.append(("standard error", with_unit(quantity["se"], unit).lstrip("+")))
    if quantity.get("df") is not None:
        found.append(("degrees of freedom", number(quantity["df"], digits=1)))
    bootstrap = interval(quantity.get("bootstrap_low"), quantity.get("bootstrap_high"), unit)
    if quantity.get("seed_sd") is not None:
        found.append(("standard deviation between seeds", with_unit(quantity["seed_sd"], unit).lstrip("+")))
    if bootstrap:
        found.append(("paired bootstrap", bootstrap))
    problems = quantity.get("mcnemar_combined")
    if problems:
        found.append(
            (
                "exact McNemar over all seeds",
                f"{problems['gained']} problems up, {problems['lost']} down (greedy), {p_text(problems['p_value'])}",
            )
        )
    return [(name, text) for name, text in found if text]


def _indices(quantity: Mapping[str, Any]) -> list[tuple[object, str, str, object]]:
    unit = "%"
    return [
        (row["index"], with_unit(row["value"], unit), interval(row.get("low"), row.get("high"), unit), row.get("n", ""))
        for row in quantity.get("by_index") or ()
    ]
