"""The answers retold: each sentence says what the judge's result says, for every kind of test and outcome."""

from __future__ import annotations

from typing import Any

import pytest

from piretry.report.parts.retold import retell

RETRY = {"measure": "gain", "series": "small/retry-full/k3/bare/r1"}
REJECTION = {"measure": "gain", "series": "small/rejection-full/k3/none/r1"}
K1 = {"measure": "gain", "series": "small/retry-full/k1/bare/r1"}
AMONG = (RETRY["series"], REJECTION["series"])


def said(
    spec: dict[str, Any],
    verdict: str,
    estimate: tuple[float | None, float | None, float | None],
    unit: str = "pp",
    reading: str = "direction",
    among: tuple[str, ...] = AMONG,
    claim_verdict: str = "same direction",
    **quantity: Any,
) -> str:
    spec = {"reading": "both", **spec}
    found = dict(zip(("value", "low", "high"), estimate, strict=True))
    test = {"test": spec["test"], "label": "it", "unit": unit, "verdict": verdict, "estimate": found}
    claim = {
        "status": "judged", "verdict": claim_verdict, "published": "10k problems", "reasons": [],
        "tests": [test], "quantities": [{"label": "it", "unit": unit, **found, **quantity}],
    }  # fmt: skip
    return retell(claim, {"tests": [spec]}, among, reading)


def test_a_gain_beside_the_published_one() -> None:
    spec = {"test": "value", "of": RETRY, "published": 10.0}
    assert (
        said(spec, "passed", (30.12, 28.1, 32.1))
        == "Retry gained +30.1 pp [+28.1, +32.1] where +10.0 pp was published."
    )
    assert said(spec, "failed", (-1.2, -3.0, 0.5)).startswith("Retry did not gain: −1.2 pp [−3.0, +0.5] where")


def test_cells_that_differ_are_told_apart() -> None:
    spec = {"test": "value", "of": K1, "published": 8.8}
    assert said(spec, "passed", (9, 8, 10), among=(RETRY["series"], K1["series"])).startswith("Retry (K=1) gained")


@pytest.mark.parametrize(
    ("verdict", "reading", "value", "expected"),
    [
        ("undecided", "direction", (1.0, 0.8, 1.2), "is not seen: 1.0× [0.8, 1.2]; which of the two gains"),
        ("failed", "paper", (1.0, 0.8, 1.2), "is not seen: 1.0× [0.8, 1.2]."),
        ("passed", "paper", (6.8, 5.0, 9.0), "is met: 6.8× [5.0, 9.0]."),
        ("undecided", "paper", (5.0, 0.5, 9.0), "can be neither seen nor ruled out: 5.0× [0.5, 9.0]."),
        ("passed", "direction", (1.5, 1.2, 1.9), "is not seen, but the first gain is the greater: 1.5×"),
    ],
)
def test_a_ratio(verdict: str, reading: str, value: tuple[float, float, float], expected: str) -> None:
    spec = {"test": "ratio", "numerator": RETRY, "denominator": REJECTION, "published": 7.0, "factor": 1.5}
    sentence = said(spec, verdict, value, unit="x", reading=reading)
    assert sentence.startswith("The claimed 7.0× of retry over rejection sampling ") and expected in sentence


def test_an_unbounded_ratio_is_given_as_its_whole_set() -> None:
    spec = {"test": "ratio", "numerator": RETRY, "denominator": REJECTION, "published": 7.0, "factor": 1.5}
    sentence = said(spec, "undecided", (1.1, None, None), unit="x", pieces=[(None, -2.1), (0.3, None)])
    assert "can be neither seen nor ruled out: 1.1× [−∞, −2.1] or [0.3, ∞]" in sentence


@pytest.mark.parametrize(
    ("verdict", "whole", "expected"),
    [
        ("passed", "same direction", "is +2.0 pp [+1.0, +3.0], as claimed."),
        ("failed", "opposite direction", "is +2.0 pp [+1.0, +3.0], against the claim."),
        ("failed", "inconclusive", "against the claim, taken alone."),
        ("undecided", "inconclusive", "too uncertain to tell which is greater."),
    ],
)
def test_a_difference(verdict: str, whole: str, expected: str) -> None:
    spec = {"test": "sign", "greater": RETRY, "smaller": REJECTION}
    sentence = said(spec, verdict, (2, 1, 3), claim_verdict=whole)
    assert sentence.startswith("Retry minus rejection sampling ") and sentence.endswith(expected)


def test_other_kinds_of_tests() -> None:
    same = {"test": "equivalence", "of": [RETRY, REJECTION], "margin": 3.0}
    assert said(same, "passed", (1.0, -0.4, 2.3)).endswith(
        "the widest difference is +1.0 pp [−0.4, +2.3]: all within ±3.0 pp."
    )
    large = {"measure": "accuracy", "series": "large/base"}
    assert said({"test": "value", "of": large, "published": 68.0}, "passed", (70.0, 66.0, 74.0), unit="%") == (
        "The large base solves 70.0% [66.0, 74.0] where 68.0% was published."
    )
    count = {"test": "count", "of": "train_problems", "published": 10000}
    assert said(count, "failed", (80.0, None, None), unit="problems") == ("It: 80, where “10k problems” was claimed.")
    noise = {"test": "above", "of": {"measure": "disagreement", "series": "prover/base"}, "threshold": 5.0}
    assert said(noise, "failed", (1.9, 0.5, 3.0), unit="%").endswith(
        "disagree on 1.9% [0.5, 3.0] of the proofs: not more than 5.0%."
    )
    trend = {"test": "trend", "series": "small/base"}
    assert said(trend, "passed", (8.0, 2.0, 14.0), unit="pp per retry index").endswith("it rises, as claimed.")


def test_tests_of_another_reading_are_not_told() -> None:
    tests = [
        {"test": "value", "of": {"measure": "accuracy", "series": "large/base"}, "published": 68.0, "reading": "paper"},
        {"test": "sign", "greater": {"measure": "accuracy", "series": "large/base"},
         "smaller": {"measure": "accuracy", "series": "small/base"}, "reading": "direction"},
    ]  # fmt: skip
    result = {
        "test": "sign",
        "label": "x",
        "unit": "pp",
        "verdict": "passed",
        "estimate": {"value": 4, "low": 2, "high": 6},
    }
    claim = {
        "status": "judged",
        "verdict": "same direction",
        "published": "",
        "reasons": [],
        "tests": [result],
        "quantities": [],
    }
    assert retell(claim, {"tests": tests}, (), "direction") == (
        "The accuracy of the large base minus that of the small base is +4.0 pp [+2.0, +6.0], as claimed."
    )


def test_a_claim_that_was_not_run_says_why() -> None:
    claim = {"status": "not_run", "verdict": "not run", "reasons": ["no Lean kernel is installed"], "tests": []}
    assert retell(claim, {"tests": []}, (), "direction") == "Not run: no Lean kernel is installed."
