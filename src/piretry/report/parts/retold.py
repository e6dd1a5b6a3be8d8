"""Each question answered by what was measured: one sentence a claim, made from the judge's result alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from piretry.grid.names import State
from piretry.report.figures import series_label
from piretry.report.numbers import estimate, interval, number, sentence, with_unit
from piretry.report.parts import anchors
from piretry.report.parts.verdicts import Badge, badge, counted
from piretry.report.results import Results

_METHODS = {
    "retry": "retry",
    "rejection": "rejection sampling",
    "resample": "fresh attempts on the failed problems",
    "cross": "retries written by another model",
    "skeleton": "skeleton distillation",
    "skeleton_sft": "fine-tuning on proofs found with sub-goals",
}


@dataclass(frozen=True)
class Line:
    """One claim in one sentence."""

    anchor: str
    text: str
    badge: Badge


@dataclass(frozen=True)
class Answer:
    """A question's answer: how many of its claims have which verdict, and a sentence on each."""

    counts: list[tuple[Badge, int]]
    lines: list[Line]


def answer(results: Results, claims: Sequence[Mapping[str, Any]]) -> Answer:
    """The answer that the verdicts on `claims`, those of one question, give."""
    among = sorted({s for claim in claims for s in _series(results.declared[claim["id"]])})
    verdicts = counted([claim["verdict"] for claim in claims], results.scale["reading"])
    lines = [
        Line(
            anchors.claim(claim["id"]),
            retell(claim, results.declared[claim["id"]], among, results.scale["reading"]),
            badge(claim["verdict"]),
        )
        for claim in claims
    ]
    return Answer([(mark, amount) for mark, amount, _ in verdicts if amount], lines)


def retell(claim: Mapping[str, Any], declared: Mapping[str, Any], among: Sequence[str], reading: str) -> str:
    """What the run says of a claim, in a sentence; `among` are the cells that a reader must be able to tell apart."""
    if claim["status"] == "not_run" or not claim["tests"]:
        return sentence(f"Not run: {'; '.join(claim['reasons'])}")
    asked = [test for test in declared.get("tests", ()) if test["reading"] in ("both", reading)]
    names = _Names(among)
    said = [
        _phrase(test, spec, claim, names, reading)
        for test, spec in zip(claim["tests"], asked, strict=True)
        if test["test"] == spec["test"]
    ]
    return sentence("; ".join(said))


class _Names:
    """What the cells of a question are called: the method, and what tells it from the other cells."""

    def __init__(self, among: Sequence[str]) -> None:
        self.among = list(among)

    def of(self, series: str) -> str:
        """``retry (K=3)``, ``the large base``."""
        arm = State.of(series, 0).arm
        if arm is None:
            return f"the {series.partition('/')[0]} base"
        label = series_label(series, [*self.among, series], without=("method",))
        return _METHODS[arm.method] + (f" ({label})" if label and label != series else "")

    def quantity(self, spec: Mapping[str, Any]) -> str:
        """A quantity as the subject of a sentence."""
        heads = {"gain": "the gain of", "accuracy": "the accuracy of", "yield": "the yield of retries after"}
        heads |= {"diversity": "the diversity of", "disagreement": "the disagreement on"}
        return f"{heads[spec['measure']]} {self.of(spec['series'])}"

    def difference(self, greater: Mapping[str, Any], smaller: Mapping[str, Any]) -> str:
        """``the accuracy of the large base minus that of the small base``."""
        if greater["measure"] == "gain":
            return f"{self.of(greater['series'])} minus {self.of(smaller['series'])}"
        that = "that after" if greater["measure"] == "yield" else "that of"
        return f"{self.quantity(greater)} minus {that} {self.of(smaller['series'])}"


def _phrase(
    test: Mapping[str, Any], spec: Mapping[str, Any], claim: Mapping[str, Any], names: _Names, reading: str
) -> str:
    """One test in words: the subject, the measured value with its interval, what was claimed, and how it came out."""
    kind, unit = test["test"], test["unit"]
    found = estimate(test.get("estimate"), unit)
    outcome = {"passed": 0, "failed": 1}.get(test["verdict"], 2)
    # A test may fail on its own where the claim, corrected for its family, stays open.
    against = "against the claim" + (", taken alone" if claim["verdict"] == "inconclusive" else "")
    if kind == "value":
        return _value(test, spec, found, names)
    if kind == "ratio":
        return _ratio(test, spec, claim, names, outcome, reading)
    if kind == "sign":
        end = ("as claimed", against, "too uncertain to tell which is greater")[outcome]
        return f"{names.difference(spec['greater'], spec['smaller'])} is {found}, {end}"
    if kind == "equivalence":
        margin = number(spec["margin"], digits=1)
        end = (f"all within ±{margin} pp", f"not all within ±{margin} pp", f"too uncertain for ±{margin} pp")[outcome]
        who = " and ".join(names.of(one["series"]) for one in spec["of"]) if len(spec["of"]) == 2 else "all prompts"
        return f"of the gains of {who} the widest difference is {found}: {end}"
    if kind == "trend":
        end = ("it rises, as claimed", "it does not rise", "too uncertain to tell whether it rises")[outcome]
        return f"the share of successes that do not repeat changes by {found}: {end}"
    if kind == "above":
        return _above(test, spec, found, names, outcome)
    if kind == "count":
        amount = number((test.get("estimate") or {}).get("value"), unit)
        return f"{test['label']}: {amount}, where “{claim['published']}” was claimed"
    return f"{test['label']}: {found}"


def _value(test: Mapping[str, Any], spec: Mapping[str, Any], found: str, names: _Names) -> str:
    of, published = spec["of"], with_unit(spec["published"], test["unit"])
    value = (test.get("estimate") or {}).get("value")
    if of["measure"] == "accuracy":
        return f"{names.of(of['series'])} solves {found} where {published} was published"
    if of["measure"] != "gain" or value is None:
        return f"{names.quantity(of)} is {found} where {published} was published"
    verb = "gained" if value > 0 else "did not gain:"
    return f"{names.of(of['series'])} {verb} {found} where {published} was published"


def _ratio(
    test: Mapping[str, Any],
    spec: Mapping[str, Any],
    claim: Mapping[str, Any],
    names: _Names,
    outcome: int,
    reading: str,
) -> str:
    quantity = next((q for q in claim["quantities"] if q["label"] == test["label"]), test["estimate"])
    value = with_unit(quantity["value"], test["unit"])
    pieces = quantity.get("pieces") or [(quantity.get("low"), quantity.get("high"))]
    span = " or ".join(interval(low, high, test["unit"]) for low, high in pieces)
    published = with_unit(spec["published"], test["unit"])
    first, second = names.of(spec["numerator"]["series"]), names.of(spec["denominator"]["series"])
    inside = any(
        (low is None or low <= spec["published"]) and (high is None or spec["published"] <= high)
        for low, high in pieces
    )
    end = "can be neither seen nor ruled out" if inside else "is not seen"
    if outcome == 0:
        end = (
            "is met"
            if reading == "paper"
            else f"{'is within the interval' if inside else end}, but the first gain is the greater"
        )
    open_ = "; which of the two gains is the greater stays open" if outcome == 2 and reading == "direction" else ""
    return f"the claimed {published} of {first} over {second} {end}: {f'{value} {span}'.strip()}{open_}"


def _above(test: Mapping[str, Any], spec: Mapping[str, Any], found: str, names: _Names, outcome: int) -> str:
    threshold = with_unit(spec["threshold"], test["unit"]).lstrip("+")
    end = (f"more than {threshold}", f"not more than {threshold}", f"too uncertain to tell from {threshold}")[outcome]
    if spec["of"]["measure"] == "disagreement":
        return f"the heuristic verifier and the type checker disagree on {found} of the proofs: {end}"
    if spec["of"]["measure"] == "gain":
        return f"{names.of(spec['of']['series'])} changed accuracy by {found}: {end}"
    return f"{names.quantity(spec['of'])} is {found}: {end}"


def _series(declared: Mapping[str, Any]) -> list[str]:
    """Every cell that the tests of a claim compare."""
    found = []
    for test in declared.get("tests", ()):
        of = test.get("of")
        sides = [*(of if isinstance(of, list) else [of])]
        sides += [test.get(side) for side in ("greater", "smaller", "numerator", "denominator")]
        found += [side["series"] for side in sides if isinstance(side, Mapping)]
    return [series for series in found if State.of(series, 0).arm is not None]
