"""Which charts a question gets: one for each measure that its claims compare, made from what claims.yaml declares."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from piretry.grid.names import NO_PROMPT, State
from piretry.report.charts.figure import Band, Figure, Point
from piretry.report.charts.intervals import columns_figure, rows_figure
from piretry.report.numbers import number
from piretry.report.results import Results

_AXES = {
    "gain": "gain, percentage points",
    "accuracy": "accuracy, %",
    "yield": "fail, then succeed, per 1,000 problems",
    "diversity": "distinct among correct samples, %",
}
_UNITS = {"gain": "pp", "accuracy": "%", "yield": "per 1,000", "diversity": "%"}
_MARKS = "Dots are measured values, lines their {level} intervals, small ticks single seeds"
_PUBLISHED = "; diamonds are the published figures"


@dataclass(frozen=True)
class Asked:
    """A quantity that the claims of a question name, with the figure published for it."""

    measure: str
    series: str
    label: str
    published: float | None


def question_figures(results: Results, claims: Sequence[dict[str, Any]], slug: str) -> list[Figure]:
    """The charts of one question; ids start with ``fig-`` and `slug`. A measure with one value gets one only where the
    question has no other.
    """
    declared = [results.declared[claim["id"]] for claim in claims]
    asked = _asked(declared, results.settings["scale"]["reading"], list(results.declared.values()))
    figures: list[Figure | None] = []
    by_measure = {measure: [entry for entry in asked if entry.measure == measure] for measure in _AXES}
    few = 1 if all(len(wanted) < 2 for wanted in by_measure.values()) else 2
    for measure, wanted in by_measure.items():
        if len(wanted) >= few and any(results.quantity(w.measure, w.series, w.label) for w in wanted):
            figures.append(_measure_figure(results, wanted, f"fig-{slug}-{measure}", _equivalence(declared)))
    figures += [_differences(results, claims, f"fig-{slug}-differences")] if _equivalence(declared) else []
    for claim in claims:
        for quantity in claim["quantities"]:
            if quantity["measure"] == "trend" and quantity.get("by_index"):
                figures.append(_trend(results, quantity, f"fig-{slug}-trend"))
    return [figure for figure in figures if figure is not None]


def overview_figure(results: Results) -> Figure | None:
    """Every claim with a published gain: published against measured, in one picture."""
    points = []
    for name in results.claims:
        for test in results.declared[name]["tests"]:
            if test["test"] != "value" or test["of"]["measure"] != "gain":
                continue
            found = results.quantity("gain", test["of"]["series"])
            if found is not None:
                points.append(_point(name, test["of"]["series"], found, test["published"]))
            break
    if len(points) < 2:
        return None
    level = _level(results)
    return rows_figure(
        "fig-overview",
        "Published and measured gains",
        _MARKS.format(level=level) + _PUBLISHED + ". A line that crosses zero cannot tell the gain from none.",
        _AXES["gain"],
        "pp",
        points,
        results.settings["statistics"]["level"],
    )


def series_label(series: str, among: Sequence[str], without: Collection[str] = ()) -> str:
    """What tells `series` from the others: the words in which they differ, e.g. ``K=3`` or ``medium, lora``.

    Words for what is in `without` (method, tuning, k, prompt, round) are left out: they are said elsewhere.
    """
    parsed = [State.of(name, 0) for name in among]
    state = State.of(series, 0)
    words = []
    if len({other.role for other in parsed}) > 1:
        words.append(state.role)
    arm = state.arm
    if arm is None:
        if any(other.arm is not None for other in parsed):
            words.append("base")
        return ", ".join(words) or state.series
    arms = [other.arm for other in parsed if other.arm is not None]
    spelled = {
        "method": arm.method,
        "tuning": arm.tuning,
        "k": f"K={arm.k}",
        "prompt": "" if arm.prompt == NO_PROMPT else arm.prompt,
        "round": f"round {arm.round}",
    }
    varying = [name for name in spelled if len({getattr(other, name) for other in arms}) > 1]
    if "method" in varying:  # methods without a retry turn have no prompt, which says nothing more
        varying = [name for name in varying if name != "prompt" or len({a.prompt for a in arms} - {NO_PROMPT}) > 1]
    if not varying and len(parsed) > len(arms):  # one cell among bases
        varying = ["round"]
    words += [spelled[name] for name in varying if spelled[name] and name not in without]
    return ", ".join(words) or state.series


def _asked(declared: Sequence[dict[str, Any]], reading: str, every: Sequence[dict[str, Any]]) -> list[Asked]:
    """Every quantity of the claims' tests, each once, in their order; a published figure wins over none.

    Where these claims publish no figure for a quantity, that of another of `every` claim stands in.
    """
    found: dict[tuple[str, str, str], Asked] = {}
    for claim in declared:
        for test in claim["tests"]:
            if test["reading"] not in ("both", reading):
                published_only = test["test"] == "value" and (test["of"]["measure"], test["of"]["series"])
                _publish(found, published_only, test.get("published"))
                continue
            of = test.get("of") if isinstance(test.get("of"), list) else [test.get("of")]
            sides = (test.get(side) for side in ("greater", "smaller", "numerator", "denominator"))
            for quantity in (entry for entry in (*of, *sides) if isinstance(entry, dict)):
                key = _key(quantity)
                published = test["published"] if test["test"] == "value" else None
                held = found.get(key)
                if held is None or (held.published is None and published is not None):
                    found[key] = Asked(*key, published)
    for claim in (*declared, *every):
        for test in claim["tests"]:
            if test["test"] == "value":
                _publish(found, (test["of"]["measure"], test["of"]["series"]), test["published"])
    return sorted(found.values(), key=_order)


def _publish(found: dict[tuple[str, str, str], Asked], which: Any, published: float | None) -> None:
    """Give a published figure to a quantity that is measured, even where this scale does not test against it."""
    for key, asked in found.items():
        if which and key[:2] == which and asked.published is None:
            found[key] = Asked(*key, published)


def _key(quantity: dict[str, Any]) -> tuple[str, str, str]:
    tail = f" {quantity['prompt']} k{quantity['k']}" if quantity["measure"] == "yield" else ""
    label = f"{quantity['measure']} {quantity['series']}{tail}"
    return quantity["measure"], quantity["series"], label


def _order(asked: Asked) -> tuple[int, int, int]:
    """Bases first, by role; then by K and round. Equal ones keep the order of claims.yaml."""
    state = State.of(asked.series, 0)
    role = ("small", "medium", "large", "prover").index(state.role)
    return (role, 0, 0) if state.arm is None else (role, state.arm.round, state.arm.k)


def _measure_figure(results: Results, wanted: Sequence[Asked], name: str, equivalence: dict[str, Any] | None) -> Figure:
    measure = wanted[0].measure
    unit = _UNITS[measure]
    series = [entry.series for entry in wanted]
    points = []
    for entry in wanted:
        found = results.quantity(entry.measure, entry.series, entry.label)
        points.append(_point(series_label(entry.series, series), entry.series, found, entry.published))
    caption = _MARKS.format(level=_level(results))
    caption += _PUBLISHED + "." if any(point.published is not None for point in points) else "."
    band = None
    if equivalence is not None and measure == "gain":
        band = _margin_band(results, equivalence)
        if band is not None:
            caption += f" The shaded range is {band.meaning}."
    if len(points) == 1:
        title, level = f"{measure.capitalize()}, published and measured", results.settings["statistics"]["level"]
        return rows_figure(name, title, caption, _AXES[measure], unit, points, level, band)
    return columns_figure(
        name,
        f"{measure.capitalize()} by {_what_varies(series)}",
        caption,
        _AXES[measure],
        unit,
        points,
        results.settings["statistics"]["level"],
        band,
        from_zero=measure != "gain",
    )


def _margin_band(results: Results, equivalence: dict[str, Any]) -> Band | None:
    """The first quantity of an equivalence test, give or take the margin."""
    reference = equivalence["of"][0]
    found = results.quantity("gain", reference["series"])
    if found is None or found["value"] is None:
        return None
    margin = equivalence["margin"]
    arm = State.of(reference["series"], 0).arm
    who = f"the {arm.prompt} prompt's" if arm is not None else "the first"
    meaning = f"{who} gain ± the margin of {number(margin, digits=1)} pp that was declared for “the same gain”"
    return Band(found["value"] - margin, found["value"] + margin, meaning)


def _equivalence(declared: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    tests = [test for claim in declared for test in claim["tests"] if test["test"] == "equivalence"]
    return tests[0] if tests else None


def _differences(results: Results, claims: Sequence[dict[str, Any]], name: str) -> Figure | None:
    """The differences that the equivalence tests judge, against their margin."""
    pairs: dict[str, dict[str, Any]] = {}
    margins = []
    for claim in claims:
        for test in claim["tests"]:
            if test["test"] == "equivalence":
                margins.append(test["margin"])
                for pair in test["pairs"]:
                    pairs.setdefault(pair["label"], pair)
    if not pairs:
        return None
    sides = {label: [side.split()[1] for side in label.split(" − ")] for label in pairs}
    among = [series for both in sides.values() for series in both]
    points = []
    for label, pair in pairs.items():
        first, second = (series_label(series, among) for series in sides[label])
        points.append(Point(f"{first} − {second}", label, pair["value"], pair["low"], pair["high"]))
    margin, level = min(margins), results.settings["statistics"]["level"]
    band = Band(-margin, margin, "differences that count as none, by the margin declared before the run")
    return rows_figure(
        name,
        "Differences between the gains, and the margin",
        # Two one-sided tests at 5% are the same as a 90% interval within the margin.
        f"Lines are {_level(results)} intervals. Two gains are called the same if their {100 * (2 * level - 1):.0f}% "
        f"interval, a little shorter, lies within the shaded range: {band.meaning}.",
        "difference of gains, percentage points",
        "pp",
        points,
        level,
        band,
    )


def _trend(results: Results, quantity: dict[str, Any], name: str) -> Figure:
    points = [
        Point(
            f"retry {entry['index']}",
            f"{quantity['series']} retry {entry['index']}",
            entry["value"],
            entry["low"],
            entry["high"],
        )
        for entry in quantity["by_index"]
    ]
    sizes = ", ".join(f"{entry['n']:,}" for entry in quantity["by_index"] if entry.get("n") is not None)
    counted = f" Successes behind the points: {sizes}." if sizes else ""
    return columns_figure(
        name,
        "Lucky share by retry index",
        "Of the retries that succeeded, the share whose success did not repeat when the same dialogue was sampled once "
        f"more; lines are {_level(results)} intervals.{counted}",
        "share that did not repeat, %",
        "%",
        points,
        results.settings["statistics"]["level"],
        from_zero=True,
    )


def _point(label: str, series: str, found: dict[str, Any] | None, published: float | None) -> Point:
    if found is None:
        return Point(label, series, None, None, None, published)
    seeds = tuple(found.get("per_seed") or ())
    return Point(label, series, found["value"], found["low"], found["high"], published, seeds)


def _what_varies(series: Sequence[str]) -> str:
    states = [State.of(name, 0) for name in series]
    arms = [state.arm for state in states if state.arm is not None]
    roles = len({state.role for state in states}) > 1
    if roles and len({arm.tuning for arm in arms}) > 1:
        return "scale and tuning"
    if roles:
        return "role"
    if len({arm.round for arm in arms}) > 1 or len(arms) < len(states):
        return "round"
    for name, word in (
        ("method", "method"),
        ("k", "number of retries"),
        ("prompt", "retry prompt"),
        ("tuning", "tuning"),
    ):
        if len({getattr(arm, name) for arm in arms}) > 1:
            return word
    return "cell"


def _level(results: Results) -> str:
    return f"{100 * results.settings['statistics']['level']:.0f}%"
