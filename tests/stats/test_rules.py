"""Verdict rules: every clause of docs/statistics.md, with estimates whose interval is known."""

from __future__ import annotations

import numpy as np
import pytest

from piretry.claims.rules import (
    PER_1000,
    PERCENT,
    CountEvidence,
    EquivalenceEvidence,
    Outcome,
    RatioEvidence,
    Reading,
    SignEvidence,
    ValueEvidence,
    judge,
    judge_family,
)
from piretry.errors import PiretryError
from piretry.stats import mean_estimate, ratio_estimate

PROBLEMS = 500


def values(mean, se):
    """One seed of scores with exactly this mean and standard error (fractions)."""
    pattern = np.tile([1.0, -1.0], PROBLEMS // 2)
    return (mean + pattern * se * np.sqrt(PROBLEMS - 1))[None, :]


def at(mean_pp, se_pp=1.0, bounds=(-1, 1)):
    """An estimate in percentage points; its 95% interval is the mean +- 1.965 SE."""
    return mean_estimate(values(mean_pp / 100, se_pp / 100), bounds=bounds, bootstrap=0)


def gain(mean_pp, se_pp=1.0, published=10.0, tolerance=3.0):
    return [ValueEvidence("gain", at(mean_pp, se_pp), published, tolerance)]


def verdict(evidence, reading="paper"):
    return judge(evidence, reading).verdict


# --- value ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "se", "expected"),
    [
        (10.0, 1.0, "reproduced"),
        (12.9, 1.0, "reproduced"),
        (13.1, 1.0, "inconclusive"),  # further than the tolerance, interval still meets it
        (15.0, 1.0, "not reproduced"),  # the interval lies above the band
        (5.0, 1.0, "not reproduced"),
        (5.1, 1.2, "inconclusive"),
        (-1.0, 1.0, "not reproduced"),
        (10.0, 1.6, "inconclusive"),  # half width 3.1 exceeds the tolerance
        (2.0, 4.0, "inconclusive"),
    ],
)
def test_published_gain(mean, se, expected):
    assert verdict(gain(mean, se)) == expected


def test_a_small_published_gain_needs_its_sign():
    close = [ValueEvidence("rejection", at(1.5, 1.0), 1.4, 3.0)]
    assert verdict(close) == "inconclusive"
    assert "sign is not established" in judge(close, "paper").reason
    assert verdict([ValueEvidence("rejection", at(2.2, 1.0), 1.4, 3.0)]) == "reproduced"
    # the band is cut at 0: a significant loss refutes +1.4 although it lies within 3 pp of it
    assert verdict([ValueEvidence("rejection", at(-2.2, 0.9), 1.4, 4.0)]) == "not reproduced"


def test_a_published_loss():
    assert verdict([ValueEvidence("lean", at(-2.1, 0.9), -1.2, 3.0)]) == "reproduced"
    assert verdict([ValueEvidence("lean", at(2.1, 0.9), -1.2, 4.0)]) == "not reproduced"
    assert verdict([ValueEvidence("lean", at(-2.1, 0.9), -1.2, 3.0)], "direction") == "same direction"


@pytest.mark.parametrize(
    ("mean", "expected"),
    [(2.0, "same direction"), (30.0, "same direction"), (1.0, "inconclusive"), (-2.5, "opposite direction")],
)
def test_direction_reads_the_sign_only(mean, expected):
    assert verdict(gain(mean), "direction") == expected


def test_published_accuracy():
    base = [ValueEvidence("base", at(66.0, 1.0, (0, 1)), 68.0, 3.0, PERCENT, signed=False)]
    assert verdict(base) == "reproduced"
    far = [ValueEvidence("base", at(60.0, 1.0, (0, 1)), 68.0, 3.0, PERCENT, signed=False)]
    assert verdict(far) == "not reproduced"
    assert verdict(base, "direction") == "inconclusive"
    with_order = [*base, SignEvidence("large - small", at(5.0))]
    assert verdict(with_order, "direction") == "same direction"
    assert verdict([*base, SignEvidence("large - small", at(-5.0))], "direction") == "opposite direction"


def test_the_reason_says_whether_the_whole_interval_fits():
    assert "whole interval lies within" in judge(gain(10.0, 1.0), "paper").reason
    assert "estimate lies within" in judge(gain(12.5, 1.0), "paper").reason


# --- sign, ratio, equivalence, count --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "sign", "expected"),
    [
        (2.0, 1, "reproduced"),
        (1.9, 1, "inconclusive"),
        (-2.0, 1, "not reproduced"),
        (-2.0, -1, "reproduced"),
        (2.0, -1, "not reproduced"),
    ],
)
def test_sign(mean, sign, expected):
    assert verdict([SignEvidence("K5 - K3", at(mean), sign)]) == expected


def test_identical_cells_are_inconclusive_everywhere():
    same = mean_estimate(np.zeros((3, PROBLEMS)), bootstrap=0)
    for reading in Reading:
        assert verdict([SignEvidence("tie", same)], reading) == "inconclusive"


def ratio(top_pp, bottom_pp, se_pp):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, PROBLEMS))
    noise -= noise.mean(1, keepdims=True)
    noise[1] -= noise[0] * (noise[0] @ noise[1]) / (noise[0] @ noise[0])  # uncorrelated
    noise *= se_pp / 100 * np.sqrt(PROBLEMS - 1) / noise.std(1, keepdims=True)
    top, bottom = noise + np.array([[top_pp], [bottom_pp]]) / 100
    found = ratio_estimate(top[None], bottom[None], bootstrap=0, bounds=(-9, 9))
    difference = mean_estimate((top - bottom)[None], bootstrap=0, bounds=(-9, 9))
    return [RatioEvidence("retry / rejection", found, difference, 7.0, 2.0)]


@pytest.mark.parametrize(
    ("top", "bottom", "se", "expected"),
    [
        (10.0, 1.4, 0.05, "reproduced"),
        (10.0, 1.4, 1.0, "inconclusive"),
        (10.0, 5.0, 0.3, "not reproduced"),
        (10.0, -2.0, 0.3, "not reproduced"),
        (1.0, 0.2, 2.0, "inconclusive"),
    ],
)
def test_ratio(top, bottom, se, expected):
    evidence = ratio(top, bottom, se)
    found = evidence[0].ratio
    assert verdict(evidence) == expected
    # the verdict is what the 95% Fieller set says of the band 3.5 to 14
    assert (expected == "reproduced") == found.inside(3.5, 14.0)
    assert (expected == "not reproduced") == found.outside(3.5, 14.0)


def test_ratio_direction_is_the_difference():
    assert verdict(ratio(10.0, 5.0, 0.3), "direction") == "same direction"
    assert verdict(ratio(3.0, 5.0, 0.3), "direction") == "opposite direction"
    assert "unbounded" in judge(ratio(10.0, 1.4, 1.0), "direction").reason


def pairs(means, se=1.0, margin=3.0):
    return [EquivalenceEvidence("prompts", {f"pair {i}": at(m, se) for i, m in enumerate(means)}, margin)]


@pytest.mark.parametrize(
    ("means", "se", "expected"),
    [
        ([0.0, 1.0, -1.0], 1.0, "reproduced"),
        ([0.0, 1.5, -1.0], 1.0, "inconclusive"),
        ([0.0, 0.0, 6.0], 1.0, "not reproduced"),
        ([0.0, 0.0, 5.1], 1.0, "inconclusive"),  # outside alone (p = 0.036), not among three pairs
        ([5.1], 1.0, "not reproduced"),
        ([0.0], 3.0, "inconclusive"),
    ],
)
def test_equivalence(means, se, expected):
    assert verdict(pairs(means, se)) == expected


def test_an_open_equivalence_says_which_margin_could_have_been_shown():
    decision = judge(pairs([0.5], 3.0), "direction")
    assert decision.verdict == "inconclusive"
    assert decision.mde == pytest.approx(0.03 * (1.648 + 1.283), rel=0.01)
    assert "smallest margin" in decision.reason


@pytest.mark.parametrize(
    ("measured", "expected", "at_most", "outcome"),
    [
        (10_000, 10_000, False, Outcome.PASS),
        (9_999, 10_000, False, Outcome.FAIL),
        (0, 0, False, Outcome.PASS),
        (3, 5, True, Outcome.PASS),
        (6, 5, True, Outcome.FAIL),
    ],
)
def test_count(measured, expected, at_most, outcome):
    decision = judge([CountEvidence("overlap", measured, expected, at_most)], "paper")
    assert decision.outcome is outcome
    assert f"{measured:,} counted" in decision.reason
    assert decision.p_pass is None and decision.mde is None


# --- conjunctions and families --------------------------------------------------------------------------------------


def test_all_parts_must_pass_and_any_may_fail():
    good, bad, open_ = SignEvidence("a", at(5)), SignEvidence("b", at(-5)), SignEvidence("c", at(0.5))
    assert verdict([good, good]) == "reproduced"
    assert verdict([good, open_]) == "inconclusive"
    assert verdict([good, bad]) == "not reproduced"
    assert verdict([open_, bad]) == "not reproduced"
    assert verdict([good, CountEvidence("n", 1, 2)]) == "not reproduced"
    assert verdict([good, CountEvidence("n", 2, 2)]) == "reproduced"
    open_decision = judge([good, open_], "paper")
    assert open_decision.reason.endswith(").") and "C: its sign is not established" in open_decision.reason


def test_parts_that_fail_share_their_error():
    """p for a wrong sign is 0.036 alone: not enough among two parts."""
    edge = SignEvidence("edge", at(-2.1))
    assert verdict([edge]) == "not reproduced"
    assert verdict([edge, SignEvidence("other", at(0.5))]) == "inconclusive"


def test_a_family_is_corrected_by_holm():
    edge = [SignEvidence("edge", at(2.2))]  # p = 0.028
    alone = judge_family({"a": edge}, "direction")["a"]
    assert alone.verdict == "same direction" and alone.family_size == 1
    crowd = judge_family({"a": edge, "b": gain(0.1), "c": gain(0.2)}, "direction")
    assert crowd["a"].verdict == "inconclusive"
    assert crowd["a"].p_pass_adjusted == pytest.approx(3 * alone.p_pass)
    assert "not after the correction" in crowd["a"].reason
    assert crowd["a"].mde > alone.mde  # the strictest level of three


def test_claims_without_a_test_do_not_count_in_the_family():
    edge = [SignEvidence("edge", at(2.2))]
    family = {"a": edge, "n": [CountEvidence("n", 1, 1)]}
    assert judge_family(family, "paper")["a"].verdict == "reproduced"
    assert judge_family(family, "paper")["a"].family_size == 1


def test_confirming_and_refuting_are_corrected_separately():
    many = {f"fine {i}": gain(10.0) for i in range(5)}
    found = judge_family({**many, "bad": gain(4.0, 1.0), "edge": gain(4.5, 1.0)}, "paper")
    assert found["bad"].verdict == "not reproduced"
    assert found["bad"].p_fail_adjusted == pytest.approx(7 * found["bad"].p_fail)
    assert found["edge"].p_fail < 0.05 < found["edge"].p_fail_adjusted
    assert found["edge"].verdict == "inconclusive"
    assert all(found[name].verdict == "reproduced" for name in many)


def test_a_decision_carries_what_a_reader_needs():
    decision = judge([SignEvidence("K5 - K3", at(-0.5), -1)], "direction")
    assert decision.verdict == "inconclusive"
    assert "one training seed" in decision.caveats[0]
    assert decision.mde == pytest.approx(0.028, abs=0.0003)
    assert "could have seen 2.8 pp" in decision.reason
    assert "problems with 3 seeds" in decision.needed[0] or "no number" in decision.needed[0]


def test_needed_names_a_size_that_would_do():
    rng = np.random.default_rng(5)
    noisy = (rng.random((3, 200)) < 0.4).astype(float) - (rng.random((3, 200)) < 0.38)
    decision = judge([SignEvidence("difference", mean_estimate(noisy, bootstrap=0), 1, published=4.6)], "paper")
    assert decision.verdict == "inconclusive"
    assert decision.needed[0].startswith("difference: to see +4.6 pp with 80% power")


def test_units_are_those_of_the_claim():
    estimate = mean_estimate(np.repeat([[1.0, 0.0, 0.0, 0.0]], 100, axis=0).reshape(1, 400), bounds=(0, 1), bootstrap=0)
    text = judge([SignEvidence("yield", estimate, 1, PER_1000)], "paper").reason
    assert "+250.0 per 1,000" in text


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (ValueEvidence("gain", at(1), 10.0, -3.0), "tolerance must be greater than 0"),
        (ValueEvidence("gain", at(1), 0.0, 3.0), "equivalence test"),
        (SignEvidence("d", at(1), 2), "sign is 1 or -1"),
        (EquivalenceEvidence("p", {"x": at(0)}, 0.0), "margin must be greater than 0"),
        (EquivalenceEvidence("p", {}, 3.0), "at least two cells"),
    ],
)
def test_impossible_claims_are_refused(evidence, words):
    with pytest.raises(PiretryError, match=words):
        judge([evidence], "paper")


def test_an_impossible_ratio_is_refused():
    (evidence,) = ratio(10.0, 1.4, 1.0)
    with pytest.raises(PiretryError, match="factor above 1"):
        judge([RatioEvidence("r", evidence.ratio, evidence.difference, 7.0, 1.0)], "paper")
