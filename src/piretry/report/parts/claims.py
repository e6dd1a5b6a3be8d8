"""One claim as the page shows it; claims of the FAQ and negative controls alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from piretry.report.charts.figure import Point
from piretry.report.numbers import estimate, interval, number, p_text, p_value, with_unit
from piretry.report.parts import anchors
from piretry.report.parts.chain import Chain, chain_view
from piretry.report.parts.strip import scale_of, strip
from piretry.report.parts.verdicts import Badge, badge
from piretry.report.results import Results

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


@dataclass(frozen=True)
class TestView:
    """One test of a claim, as text."""

    kind: str
    label: str
    rule: str
    estimate: str
    pairs: list[tuple[str, str]]
    p_value: str
    p_fail: str
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
    needed: list[str]
    caveats: list[str]
    run: bool
    n: object
    seeds: list[int]
    mde: str
    other_decoding: str
    primary: str
    quantities: list[QuantityView]
    tests: list[TestView]
    variants: list[tuple[str, str, str]]
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
        measured=measured_text(claim),
        measured_label=measured_label(measured) if measured else "",
        badge=badge(claim["verdict"]),
        reasons=list(claim["reasons"]),
        needed=list(claim.get("needed") or ()),
        caveats=list(claim.get("caveats") or ()),
        run=claim["status"] != "not_run",
        n=claim.get("n"),
        seeds=sorted(claim.get("seeds") or ()),
        mde=with_unit(mde, claim.get("mde_unit") or "pp").lstrip("+") if mde is not None else "",
        primary=claim.get("primary") or "",
        other_decoding="sampled" if claim.get("primary") == "greedy" else "greedy",
        quantities=[
            _quantity(quantity, point, scales[quantity["unit"]])
            for quantity, point in zip(claim["quantities"], points, strict=True)
        ],
        tests=[_test(test, claim["reading"]) for test in claim["tests"]],
        variants=_variants(claim, declared),
        tables=list(claim.get("tables") or ()),
        command=rebuild_command(results, claim["target"]),
        target=claim["target"],
        chain=chain_view(results, path, [file for q in claim["quantities"] for file in q.get("files") or ()]),
    )


def _variants(claim: Mapping[str, Any], declared: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every declared other reading of the claim's cell: what it is, its cell, and its value (empty: not run here)."""
    measured = {variant["label"]: variant for variant in claim.get("variants") or ()}
    rows = []
    for variant in declared.get("variants") or ():
        series = variant["of"]["series"]
        found = measured.get(f"{variant['of']['measure']} {series}")
        rows.append((variant["says"], series, estimate(found, found["unit"]) if found else ""))
    return rows


def measured_text(claim: Mapping[str, Any]) -> str:
    """The claim's headline number with its interval; empty when nothing was measured."""
    measured = claim["measured"]
    if not measured:
        return ""
    for quantity in claim["quantities"]:
        if quantity["label"] == measured["label"] and quantity.get("kind"):  # a ratio, whose set may be unbounded
            return f"{with_unit(quantity['value'], quantity['unit'])} {_interval(quantity)}"
    return estimate(measured, measured["unit"])


def measured_label(measured: Mapping[str, Any]) -> str:
    """What the headline number is; for an equivalence it is the difference that decides."""
    return "the widest of the differences" if measured["measure"] == "equivalence" else str(measured["label"])


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
        interval=_interval(quantity),
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


def _interval(quantity: Mapping[str, Any]) -> str:
    """The interval; for a ratio the whole set of ratios that the data allow, which may be unbounded."""
    unit, kind = quantity["unit"], quantity.get("kind")
    if kind in (None, "interval"):
        return interval(quantity.get("low"), quantity.get("high"), unit)
    if kind == "line":
        return "(unbounded: any ratio)"
    return " or ".join(interval(low, high, unit) for low, high in quantity["pieces"])


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


def _rule(test: Mapping[str, Any], reading: str) -> str:
    """When a test passes, in a few words; docs/statistics.md has the whole rule."""
    unit = test["unit"]

    def said(key: str) -> str:
        return with_unit(test.get(key), unit).lstrip("+")

    if reading == "direction" and test["test"] == "value":
        return f"it has the sign of the published {with_unit(test['published'], unit)}"
    if reading == "direction" and test["test"] == "ratio":
        return "the first gain is the greater"
    return {
        "value": f"it is within {said('tolerance')} of {with_unit(test.get('published'), unit)}",
        "sign": "the first is the greater",
        "ratio": f"it is within a factor of {number(test.get('factor'))} of {said('published')}",
        "equivalence": f"every difference is within ± {said('margin')}",
        "above": f"it is above {said('threshold')}",
        "trend": "the share rises with the index",
        "count": "the counts agree",
    }.get(test["test"], "")


def _test(test: Mapping[str, Any], reading: str) -> TestView:
    unit = test["unit"]
    return TestView(
        kind=test["test"],
        label=test["label"],
        rule=_rule(test, reading),
        estimate=estimate(test.get("estimate"), unit),
        pairs=[(pair["label"], estimate(pair, unit)) for pair in test.get("pairs") or ()],
        p_value=p_value(test.get("p_value")),
        p_fail=p_value(test.get("p_fail")),
        p_holm=p_value(test.get("p_holm")),
        badge=badge(test["verdict"]),
        reason=test.get("reason") or "",
    )
