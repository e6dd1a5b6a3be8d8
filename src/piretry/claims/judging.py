"""From a claim's declaration and its files to its result: evidence, verdict, and what the report shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from piretry.claims.measure import Tables
from piretry.claims.model import (
    CONTROLS,
    AboveTest,
    Claim,
    Control,
    CountTest,
    EquivalenceTest,
    RatioTest,
    SignTest,
    Test,
    TrendTest,
    ValueTest,
)
from piretry.claims.quantify import Options, Quantities, estimate_numbers, numbers
from piretry.claims.rules import (
    PER_1000,
    PERCENT,
    PP,
    AboveEvidence,
    CountEvidence,
    Decision,
    EquivalenceEvidence,
    Evidence,
    Finding,
    Outcome,
    RatioEvidence,
    Reading,
    SignEvidence,
    Unit,
    ValueEvidence,
    judge,
    judge_family,
)
from piretry.errors import PiretryError
from piretry.stats.ratio import RatioEstimate, ratio_estimate
from piretry.stats.trend import Trend, trend_estimate

SCHEMA = 1
NOT_RUN = "not run"
TREND = Unit("pp per retry index", 100.0)
UNITS = {"gain": PP, "accuracy": PERCENT, "yield": PER_1000, "diversity": PERCENT, "disagreement": PERCENT}
OUTCOMES = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.OPEN: "undecided"}
CONTROL_VERDICTS = {Outcome.PASS: "same", Outcome.FAIL: "different", Outcome.OPEN: "inconclusive"}


@dataclass(frozen=True)
class Tested:
    """One test with the evidence that it gives and the numbers that its row shows."""

    test: Test
    evidence: Evidence
    unit: str
    estimate: dict[str, float | None]
    quantity: dict[str, Any] | None  # a described quantity that is no Quantity: a trend, a ratio, a count


class Judge:
    """Judges claims on one set of files."""

    def __init__(self, tables: Tables, options: Options, reading: str, declared_train_problems: int) -> None:
        self.tables = tables
        self.options = options
        self.reading = Reading(reading)
        self.declared = declared_train_problems
        self.quantities = Quantities(tables, options)

    def decide(self, family: Sequence[Claim]) -> dict[str, tuple[Decision, list[Tested]]]:
        """The decisions on all claims of a family, corrected together."""
        tested = {claim.id: [self.evidence(test) for test in claim.tests_for(self.reading.value)] for claim in family}
        alpha = 1 - self.options.level
        decisions = judge_family(
            {name: [item.evidence for item in items] for name, items in tested.items()}, self.reading, alpha
        )
        return {name: (decisions[name], tested[name]) for name in tested}

    def evidence(self, test: Test) -> Tested:
        """Measure what a test looks at."""
        match test:
            case ValueTest():
                return self._value(test)
            case SignTest():
                return self._sign(test)
            case RatioTest():
                return self._ratio(test)
            case EquivalenceTest():
                return self._equivalence(test)
            case AboveTest():
                return self._above(test)
            case TrendTest():
                return self._trend(test)
            case CountTest():
                return self._count(test)

    def _value(self, test: ValueTest) -> Tested:
        measured, unit = self.quantities.get(test.of), UNITS[test.of.measure]
        evidence = ValueEvidence(
            test.of.label,
            measured.estimate,
            test.published,
            test.tolerance,
            unit,
            signed=test.of.measure == "gain",
        )
        return Tested(test, evidence, unit.name, dict(numbers(measured.estimate, unit.factor)), None)

    def _sign(self, test: SignTest) -> Tested:
        estimate, _, _ = self.quantities.difference(test.greater, test.smaller)
        unit = _difference_unit(test.greater.measure)
        evidence = SignEvidence(f"{test.greater.label} − {test.smaller.label}", estimate, 1, unit)
        return Tested(test, evidence, unit.name, dict(numbers(estimate, unit.factor)), None)

    def _ratio(self, test: RatioTest) -> Tested:
        top, bottom = self.quantities.get(test.numerator), self.quantities.get(test.denominator)
        seeds = [seed for seed in top.seeds if seed in bottom.seeds]
        options = self.options
        ratio = ratio_estimate(
            top.at(seeds), bottom.at(seeds), options.level, bootstrap=options.bootstrap, seed=options.seed
        )
        difference, _, _ = self.quantities.difference(test.numerator, test.denominator)
        label = f"{test.numerator.label} ÷ {test.denominator.label}"
        evidence = RatioEvidence(label, ratio, difference, test.published, test.factor)
        return Tested(test, evidence, "x", _ratio_numbers(ratio), _ratio_quantity(label, ratio, seeds))

    def _equivalence(self, test: EquivalenceTest) -> Tested:
        unit = _difference_unit(test.of[0].measure)
        pairs = {
            f"{first.label} − {second.label}": self.quantities.difference(first, second)[0]
            for first, second in combinations(test.of, 2)
        }
        widest = max(pairs.values(), key=lambda e: max(abs(e.low), abs(e.high)))
        label = " = ".join(quantity.label for quantity in test.of)
        evidence = EquivalenceEvidence(label, pairs, test.margin, unit)
        return Tested(test, evidence, unit.name, dict(numbers(widest, unit.factor)), None)

    def _above(self, test: AboveTest) -> Tested:
        measured, unit = self.quantities.get(test.of), UNITS[test.of.measure]
        evidence = AboveEvidence(test.of.label, measured.estimate, test.threshold, unit)
        return Tested(test, evidence, unit.name, dict(numbers(measured.estimate, unit.factor)), None)

    def _trend(self, test: TrendTest) -> Tested:
        seeds = self.tables.seeds(test.series)
        rows = self.tables.repeats(test.series, seeds, test.prompt, test.k)
        if not rows:
            raise PiretryError(
                f"No retry of {test.series} with prompt {test.prompt!r} succeeded, so none can be repeated. Use more "
                "training problems or an easier training set."
            )
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        found = trend_estimate(columns[0], columns[1], columns[2], columns[3], level=self.options.level)
        if found.slope is None:
            raise PiretryError(
                f"All successful retries of {test.series} with prompt {test.prompt!r} came at one retry index, so no "
                "trend over the index can be measured. Use more training problems or a larger K."
            )
        label = f"slope of the share of {test.series} {test.prompt} retries that do not repeat, by retry index"
        evidence = SignEvidence(label, found.slope, 1, TREND)
        files = [
            self.tables.relative(f"{kind} {test.series}/s{seed} {test.prompt}")
            for seed in seeds
            for kind in ("retries", "repeats")
        ]
        quantity = _trend_quantity(label, test.series, found, seeds, files)
        return Tested(test, evidence, TREND.name, dict(numbers(found.slope, TREND.factor)), quantity)

    def _count(self, test: CountTest) -> Tested:
        summary = json.loads(self.tables.path("overlap").read_text(encoding="utf-8"))
        drawn = summary["as_drawn"]
        if test.of == "train_problems":
            measured, label = int(drawn["problems"]), "problems in the training set as drawn"
        else:
            kinds = test.kinds or list(drawn["matched"])
            measured = len({i for kind in kinds for i in drawn["matched_ids"][kind]})
            label = f"training problems as drawn that match a held-out one ({', '.join(kinds)})"
        expected = test.published
        if self.reading is Reading.DIRECTION and test.direction is not None:
            expected = self.declared if test.direction == "declared" else test.direction
        estimate: dict[str, float | None] = {"value": float(measured), "low": None, "high": None}
        quantity = {**_empty_quantity(label, "count", "count", "problems"), **estimate}
        quantity |= {"files": [self.tables.relative("overlap")], "n_problems": int(drawn["problems"])}
        return Tested(test, CountEvidence(label, measured, expected), "problems", estimate, quantity)


def claim_result(judge_: Judge, claim: Claim, family: Sequence[Claim], common: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a claim's result file."""
    head = {
        "schema": SCHEMA,
        **{
            key: getattr(claim, key)
            for key in ("id", "section", "question", "says", "published", "statistic", "family")
        },
        **common,
    }
    if claim.not_run:
        return {**head, **_nothing(NOT_RUN), "status": "not_run", "reasons": [claim.not_run]}
    decision, tested = judge_.decide(family)[claim.id]
    described = _described(judge_, tested)
    result = {**head, **_judged(decision, decision.verdict, tested, described)}
    stated = next((test.of for test in claim.tests if isinstance(test, ValueTest)), None)
    if stated is not None:
        # The claim states this number, also where the tests of this reading look at something else.
        measured, unit = judge_.quantities.get(stated), UNITS[stated.measure]
        numbers_ = numbers(measured.estimate, unit.factor)
        result["measured"] = {"label": stated.label, "measure": stated.measure, "unit": unit.name, **numbers_}
    result["variants"] = [
        {"says": variant.says, **judge_.quantities.describe(variant.of)} for variant in claim.variants
    ]
    return result


def control_result(judge_: Judge, control: Control, common: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a negative control's result file: each pair of seeds of one series against each other."""
    seeds = judge_.tables.seeds(control.series)
    arrays = {seed: judge_.tables.accuracy(control.series, [seed], judge_.options.primary) for seed in seeds}
    pairs = {
        f"seed {first} − seed {second}": judge_.options.estimate(arrays[first] - arrays[second], (-1.0, 1.0))
        for first, second in combinations(seeds, 2)
    }
    decision = judge(
        [EquivalenceEvidence(control.series, pairs, control.margin, PP)],
        judge_.reading,
        1 - judge_.options.level,
    )
    quantities = [
        {
            **_empty_quantity(label, "difference", control.series, "pp"),
            **estimate_numbers(estimate, 100.0),
            "seeds": [int(seed) for seed in label.replace("seed ", "").split(" − ")],
            "files": [judge_.tables.relative(f"eval {control.series}/s{seed}") for seed in seeds],
            "covers_zero": estimate.low <= 0 <= estimate.high,
        }
        for label, estimate in pairs.items()
    ]
    covered = sum(bool(quantity["covers_zero"]) for quantity in quantities)
    head = {
        "schema": SCHEMA,
        "id": control.id,
        "section": CONTROLS,
        "question": "Does the pipeline see an effect where there is none?",
        "says": control.says,
        "published": "no difference",
        "statistic": "differences between seeds",
        "family": control.id,
        **common,
    }
    test = EquivalenceTest.model_construct(test="equivalence", of=[], margin=control.margin, reading="both")
    widest = max(pairs.values(), key=lambda e: max(abs(e.low), abs(e.high)))
    tested = [
        Tested(
            test,
            EquivalenceEvidence(control.series, pairs, control.margin, PP),
            "pp",
            dict(numbers(widest, 100)),
            None,
        )
    ]
    judged = _judged(decision, CONTROL_VERDICTS[decision.outcome], tested, quantities)
    judged["reasons"].append(f"{covered} of {len(quantities)} intervals cover 0.")
    return {**head, **judged, "seeds": list(seeds)}


def _described(judge_: Judge, tested: Sequence[Tested]) -> list[dict[str, Any]]:
    """Every quantity of the tests, each once, the headline number first."""
    found: dict[str, dict[str, Any]] = {}
    for item in tested:
        if item.quantity is not None:
            found.setdefault(item.quantity["label"], item.quantity)
        for quantity in quantities_of(item.test):
            if quantity.label not in found:
                found[quantity.label] = judge_.quantities.describe(quantity)
    return list(found.values())


def quantities_of(test: Test) -> list[Any]:
    """The quantities that a test compares, in its own order."""
    match test:
        case ValueTest() | AboveTest():
            return [test.of]
        case SignTest():
            return [test.greater, test.smaller]
        case RatioTest():
            return [test.numerator, test.denominator]
        case EquivalenceTest():
            return list(test.of)
        case _:
            return []


def _judged(
    decision: Decision, verdict: str, tested: Sequence[Tested], described: list[dict[str, Any]]
) -> dict[str, Any]:
    first = tested[0]
    seeds = list(dict.fromkeys(seed for quantity in described for seed in quantity["seeds"]))
    factor = _factor(first)
    return {
        "status": "judged",
        "verdict": verdict,
        "reasons": list(decision.reasons),
        "needed": list(decision.needed),
        "caveats": list(decision.caveats),
        "measured": {
            "label": first.evidence.label,
            "measure": first.test.test,
            "unit": first.unit,
            **first.estimate,
        },
        "quantities": described,
        "tests": [_test_row(item, finding, decision) for item, finding in zip(tested, decision.findings, strict=True)],
        "p_pass": decision.p_pass,
        "p_fail": decision.p_fail,
        "p_pass_holm": decision.p_pass_adjusted,
        "p_fail_holm": decision.p_fail_adjusted,
        "alpha": decision.alpha,
        "family_size": decision.family_size,
        "n": max((quantity["n_problems"] or 0 for quantity in described), default=0) or None,
        "seeds": seeds,
        "mde": None if decision.mde is None else decision.mde * factor,
        "mde_unit": "pp" if isinstance(first.test, RatioTest) else first.unit,  # a ratio is seen as a difference
    }


def _test_row(item: Tested, finding: Finding, decision: Decision) -> dict[str, Any]:
    test = item.test
    outcome = _outcome(finding, decision.alpha)
    row: dict[str, Any] = {
        "test": test.test,
        "label": finding.label,
        "unit": item.unit,
        "verdict": OUTCOMES[outcome],
        "reason": finding.measured,
        "p_value": finding.p_pass,
        "p_fail": finding.p_fail,
        "p_holm": decision.p_pass_adjusted,
        "estimate": item.estimate,
    }
    for key in ("published", "tolerance", "margin", "factor", "threshold"):
        if hasattr(test, key):
            row[key] = getattr(test, key)
    if isinstance(item.evidence, EquivalenceEvidence):
        unit = item.evidence.unit
        row["pairs"] = [
            {"label": label, **numbers(estimate, unit.factor)} for label, estimate in item.evidence.pairs.items()
        ]
    return row


def _outcome(finding: Finding, alpha: float) -> Outcome:
    """One test alone, before the correction over its family."""
    if finding.ruled_out or (finding.p_fail is not None and finding.p_fail < alpha):
        return Outcome.FAIL
    if finding.applies and finding.met and (finding.p_pass is None or finding.p_pass < alpha):
        return Outcome.PASS
    return Outcome.OPEN


def _factor(item: Tested) -> float:
    unit = getattr(item.evidence, "unit", None)
    return unit.factor if isinstance(unit, Unit) else 100.0


def _difference_unit(measure: str) -> Unit:
    """Differences of gains and of accuracies are percentage points."""
    return PER_1000 if measure == "yield" else PP


def _nothing(verdict: str) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "needed": [],
        "caveats": [],
        "measured": None,
        "quantities": [],
        "tests": [],
        "variants": [],
        "n": None,
        "seeds": [],
        "mde": None,
        "mde_unit": None,
    }


def _empty_quantity(label: str, measure: str, series: str, unit: str) -> dict[str, Any]:
    nothing = (
        "value",
        "low",
        "high",
        "level",
        "se",
        "df",
        "p_value",
        "mde",
        "n_problems",
        "n_seeds",
        "method",
        "bootstrap_low",
        "bootstrap_high",
        "greedy",
        "mcnemar",
        "decomposition",
        "before",
        "after",
    )
    head = {"label": label, "measure": measure, "series": series, "unit": unit}
    return {**head, **dict.fromkeys(nothing), "seeds": [], "per_seed": [], "notes": [], "files": []}


def _ratio_numbers(ratio: RatioEstimate) -> dict[str, float | None]:
    plain = ratio.as_dict()
    return {key: plain[key] for key in ("value", "low", "high")}  # type: ignore[misc]


def _ratio_quantity(label: str, ratio: RatioEstimate, seeds: Sequence[int]) -> dict[str, Any]:
    plain = ratio.as_dict()
    return {
        **_empty_quantity(label, "ratio", "", "x"),
        **{key: plain[key] for key in ("value", "low", "high", "level", "n_problems", "n_seeds", "notes")},
        **{key: plain[key] for key in ("bootstrap_low", "bootstrap_high", "kind", "pieces")},
        "seeds": list(seeds),
        "method": "Fieller's set",
    }


def _trend_quantity(label: str, series: str, found: Trend, seeds: Sequence[int], files: list[str]) -> dict[str, Any]:
    assert found.slope is not None  # the caller has refused a trend without one
    return {
        **_empty_quantity(label, "trend", series, TREND.name),
        **estimate_numbers(found.slope, TREND.factor),
        "seeds": list(seeds),
        "files": files,
        "by_index": [_share(share) for share in found.shares],
    }


def _share(share: Any) -> dict[str, Any]:
    return {
        "index": share.index,
        "n": share.rows,
        "value": 100 * share.share,
        "low": 100 * share.low,
        "high": 100 * share.high,
    }
