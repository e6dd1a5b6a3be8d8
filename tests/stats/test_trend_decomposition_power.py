"""Trend over the retry index, the parts of a gain, and power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from piretry.stats import (
    accuracy_components,
    assumed_components,
    complete,
    decomposition,
    design,
    mcnemar_net_needed,
    mean_estimate,
    minimum_detectable_effect,
    problems_needed,
    seeds_needed,
    trend_estimate,
)
from piretry.stats.decomposition import VERDICTS
from piretry.stats.variance import VarianceComponents

# --- trend ----------------------------------------------------------------------------------------------------------


def rows(n_problems=120, per_problem=3, seed=0, slope=0.05):
    rng = np.random.default_rng(seed)
    problem = np.repeat(np.arange(n_problems), per_problem)
    index = rng.integers(1, 6, len(problem))
    lean = np.repeat(rng.normal(0, 0.15, n_problems), per_problem)
    y = (rng.random(len(problem)) < np.clip(0.3 + slope * index + lean, 0, 1)).astype(float)
    return np.zeros(len(problem), int), problem, index, y


def test_slope_is_ordinary_least_squares_with_clustered_errors():
    sm = pytest.importorskip("statsmodels.api")

    _, problem, index, y = rows()
    reference = sm.OLS(y, sm.add_constant(index.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": problem, "use_correction": False}
    )
    found = trend_estimate(np.zeros(len(y)), problem, index, y).slope
    assert found.value == pytest.approx(reference.params[1])
    assert found.se == pytest.approx(reference.bse[1] * math.sqrt(120 / 119))


def test_shares_without_clusters_are_clopper_pearson():
    rng = np.random.default_rng(1)
    index = np.repeat([1, 2], 200)
    y = (rng.random(400) < 0.3).astype(float)
    found = trend_estimate(np.zeros(400), np.arange(400), index, y)
    for share in found.shares:
        here = y[index == share.index]
        expected = stats.binomtest(int(here.sum()), 200).proportion_ci(0.95, "exact")
        assert share.share == here.mean() and share.rows == 200
        assert share.low == pytest.approx(expected.low, abs=0.004)
        assert share.high == pytest.approx(expected.high, abs=0.004)


def test_clusters_that_repeat_themselves_count_once():
    _, problem, index, y = rows(80, 1)
    once = trend_estimate(np.zeros(80), problem, index, y)
    thrice = trend_estimate(np.zeros(240), np.repeat(problem, 3), np.repeat(index, 3), np.repeat(y, 3))
    assert thrice.slope.se == pytest.approx(once.slope.se)
    assert thrice.shares[0].high == pytest.approx(once.shares[0].high, abs=0.02)


def test_a_share_of_zero_or_one_has_an_interval():
    index = np.repeat([1, 2], 40)
    y = np.concatenate([np.zeros(40), np.tile([0.0, 1.0], 20)])
    found = trend_estimate(np.zeros(80), np.arange(80), index, y)
    assert found.shares[0].low == 0 and 0.02 < found.shares[0].high < 0.2


def test_outcomes_that_are_all_alike_bound_the_slope():
    found = trend_estimate(np.zeros(60), np.arange(60), np.repeat([1, 2, 3], 20), np.zeros(60))
    assert found.slope.value == 0
    assert found.slope.low < -0.03 and found.slope.high > 0.03
    assert found.slope.p_value > 0.9


def test_one_index_has_no_slope():
    found = trend_estimate([0, 0], [1, 2], [3, 3], [0, 1])
    assert found.slope is None and "one retry index" in found.notes[-1]


@pytest.mark.parametrize("columns", [([], [], [], []), ([0], [1], [1, 2], [0, 1]), ([0, 0], [1, 2], [1, 2], [0, 2])])
def test_wrong_rows_are_refused(columns):
    with pytest.raises(ValueError, match=r"retained retry|\[0, 1\]"):
        trend_estimate(*columns)


def test_seeds_widen_a_trend_that_differs_between_them():
    parts = [rows(60, 1, seed, slope) for seed, slope in ((0, 0.16), (1, 0.0), (2, -0.1))]
    seeds = np.repeat([0, 1, 2], 60)
    problem, index, y = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    crossed = trend_estimate(seeds, problem, index, y).slope
    ignored = trend_estimate(np.zeros(180), problem, index, y).slope
    assert crossed.value == pytest.approx(ignored.value)
    assert crossed.df < ignored.df
    assert crossed.high - crossed.low > ignored.high - ignored.low


# --- decomposition --------------------------------------------------------------------------------------------------


def verdicts(shape, shares, seed):
    return np.random.default_rng(seed).choice(VERDICTS[: len(shares)], size=shape, p=shares)


BEFORE = (0.4, 0.3, 0.2, 0.02, 0.05, 0.03)
AFTER = (0.6, 0.25, 0.05, 0.02, 0.04, 0.04)


@pytest.mark.parametrize(("n_before", "n_after"), [(1, 1), (4, 4), (1, 8)])
def test_the_parts_sum_to_the_gain(n_before, n_after):
    before, after = verdicts((3, 100, n_before), BEFORE, 0), verdicts((3, 100, n_after), AFTER, 1)
    found = decomposition(before, after)
    gain = (after == "correct").mean() - (before == "correct").mean()
    assert found.gain.value == pytest.approx(gain)
    assert sum(part.net.value for part in found.parts) == pytest.approx(gain, abs=1e-12)
    assert sum(part.arrived - part.left for part in found.parts) == pytest.approx(gain, abs=1e-12)
    assert found.answering.value + found.answers.value == pytest.approx(gain, abs=1e-12)
    assert sum(sum(row.values()) for row in found.flows.values()) == pytest.approx(1)


def test_single_samples_give_the_transitions_that_happened():
    before = np.array([["wrong", "wrong", "no_answer", "correct", "correct", "timeout"]])[..., None]
    after = np.array([["correct", "wrong", "correct", "wrong", "no_answer", "correct"]])[..., None]
    found = decomposition(before, after)
    assert found.part("wrong").arrived == found.part("wrong").left == pytest.approx(1 / 6)
    assert found.part("no_answer").arrived == found.part("no_answer").left == pytest.approx(1 / 6)
    assert found.part("other").arrived == pytest.approx(1 / 6) and found.part("other").left == 0
    assert found.flows["wrong"]["wrong"] == pytest.approx(1 / 6)


def test_a_gain_of_format_is_said_to_be_one():
    shares = (0.4, 0.2, 0.4, 0, 0, 0)
    before = verdicts((3, 200, 4), shares, 2)
    after = before.copy()
    fixed = (before == "no_answer") & (np.random.default_rng(3).random(before.shape) < 0.7)
    after[fixed] = np.random.default_rng(4).choice(["correct", "wrong"], size=int(fixed.sum()), p=[2 / 3, 1 / 3])
    found = decomposition(before, after)
    assert found.sentence.startswith("mostly format")
    assert found.answering.value > 0.9 * found.gain.value
    assert abs(found.answers.value) < 0.02


def test_a_gain_of_reasoning_is_not():
    before, after = (
        verdicts((3, 300, 2), (0.4, 0.5, 0.1, 0, 0, 0), 5),
        verdicts((3, 300, 2), (0.6, 0.3, 0.1, 0, 0, 0), 6),
    )
    found = decomposition(before, after)
    assert not found.sentence.startswith("mostly format")
    assert found.part("wrong").net.value > found.part("no_answer").net.value


def test_an_unchanged_state_has_no_net_part():
    before, after = verdicts((3, 400, 4), BEFORE, 7), verdicts((3, 400, 4), BEFORE, 8)
    found = decomposition(before, after)
    assert found.sentence.startswith("not distinguishable")
    for part in found.parts:
        assert part.net.interval(0.999)[0] < 0 < part.net.interval(0.999)[1]


def test_the_answering_split_is_the_delta_method():
    """Against the spread of the split over many resamples of problems."""
    before, after = verdicts((1, 300, 4), BEFORE, 9), verdicts((1, 300, 4), AFTER, 10)
    found = decomposition(before, after)
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(200):
        picks = rng.integers(300, size=300)
        draws.append(decomposition(before[:, picks], after[:, picks]).answering.value)
    assert found.answering.se == pytest.approx(np.std(draws), rel=0.2)


def test_a_state_that_never_answers():
    before = np.full((1, 50, 1), "no_answer")
    after = verdicts((1, 50, 1), (0.5, 0.5, 0, 0, 0, 0), 1)
    found = decomposition(before, after)
    assert found.answering.value == pytest.approx(found.gain.value)
    assert found.answers.value == 0


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (np.full((1, 2), "wrong"), np.full((1, 2), "wrong"), "shape"),
        (np.full((1, 2, 1), "wrong"), np.full((2, 2, 1), "wrong"), "share seeds"),
        (np.full((1, 2, 1), "Wrong"), np.full((1, 2, 1), "wrong"), "unknown verdicts"),
    ],
)
def test_wrong_verdicts_are_refused(before, after, words):
    with pytest.raises(ValueError, match=words):
        decomposition(before, after)


# --- power ----------------------------------------------------------------------------------------------------------


def test_mcnemar_needs_what_exact_enumeration_says():
    assert [mcnemar_net_needed(500, rate) for rate in (0.04, 0.06, 0.10, 0.15, 0.20)] == pytest.approx(
        [0.020, 0.024, 0.032, 0.038, 0.044]
    )
    assert mcnemar_net_needed(500, 0.01) is None  # 5 flips can never reach 5%


def test_power_of_one_seed_is_statsmodels():
    from statsmodels.stats.power import TTestPower

    parts = VarianceComponents(None, 0.2, None)
    plan = design(parts, 1, 400)
    for effect in (0.03, 0.05, 0.08):
        expected = TTestPower().power(effect / math.sqrt(0.2), 400, 0.05, alternative="two-sided")
        assert plan.power(effect) == pytest.approx(expected, abs=0.003)
    assert plan.power(plan.detectable()) == pytest.approx(0.8, abs=1e-6)
    assert plan.equivalence_power(plan.margin()) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_planned_power_is_the_power_of_the_run(n_seeds):
    """Normal data with known components: the plan against the share of significant results."""
    parts = VarianceComponents(0.02**2, 0.1, 0.15)
    rng = np.random.default_rng(n_seeds)
    shape = (1500, n_seeds, 200)
    values = (
        rng.normal(0, 0.02, (1500, n_seeds, 1))
        + rng.normal(0, math.sqrt(0.1), (1500, 1, 200))
        + rng.normal(0, math.sqrt(0.15), shape)
    )
    from piretry.stats import fit

    plan = design(parts, n_seeds, 200)
    effect = 2.8 * plan.se
    power = np.mean(fit(values + effect, (-math.inf, math.inf)).p_greater(0.0) < 0.025)
    assert power == pytest.approx(plan.power(effect), abs=0.05)


def test_more_of_anything_helps():
    parts = assumed_components(0.25, 0.05, between_seeds=0.3)
    by_seeds = [minimum_detectable_effect(parts, s, 500) for s in (2, 3, 5, 10)]
    by_problems = [minimum_detectable_effect(parts, 3, p) for p in (100, 300, 1000)]
    assert by_seeds == sorted(by_seeds, reverse=True)
    assert by_problems == sorted(by_problems, reverse=True)
    pooled = minimum_detectable_effect(parts, 3, 500, seed_df=16)
    assert pooled < minimum_detectable_effect(parts, 3, 500)


def test_needed_sizes_are_the_smallest_that_suffice():
    parts = assumed_components(0.25, 0.0)
    seeds = seeds_needed(0.06, parts, 500)
    assert design(parts, seeds, 500).power(0.06) >= 0.8 > design(parts, seeds - 1, 500).power(0.06)
    problems = problems_needed(0.04, parts, 5)
    assert design(parts, 5, problems).power(0.04) >= 0.8 > design(parts, 5, problems - 1).power(0.04)


def test_what_no_number_of_seeds_can_show():
    parts = VarianceComponents(0.0, 0.2, 0.05)  # the problems' own variance alone is 2 pp on 500
    assert seeds_needed(0.03, parts, 500) is None
    assert problems_needed(0.03, parts, 3) is not None
    assert problems_needed(0.001, VarianceComponents(0.03**2, 0.1, 0.1), 3) is None  # seeds alone are too noisy


def test_components_from_assumptions():
    parts = assumed_components(0.2, 0.1, seed_sd=0.01, samples=4, between_seeds=0.25)
    assert parts.problem == pytest.approx(0.25 * 0.19) and parts.error == pytest.approx(0.75 * 0.19 / 4)
    assert accuracy_components(0.5).problem == pytest.approx(0.125)
    filled = complete(VarianceComponents(None, 0.2, None), 0.01)
    assert (filled.seed, filled.problem, filled.error) == (pytest.approx(1e-4), 0.1, 0.1)
    measured = mean_estimate(np.random.default_rng(0).normal(0, 0.1, (3, 50)), bootstrap=0).components
    assert complete(measured) == measured
    for wrong in ((0.05, 0.1), (1.2, 0.0)):
        with pytest.raises(ValueError, match="impossible design"):
            assumed_components(*wrong)
    with pytest.raises(ValueError, match="between 0 and 1"):
        accuracy_components(1.5)
