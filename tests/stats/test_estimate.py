"""Means over problems and seeds: against scipy, statsmodels and exact computations."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from piretry.stats import assumed_seed_variance, fit, linearised_estimate, mean_estimate, pool_seed_variance
from piretry.stats.bootstrap import bootstrap_means
from piretry.stats.estimate import independent_difference
from piretry.stats.variance import MeanSquares, components, mean_squares, variance_of_mean


def binary(shape, p=0.4, seed=0):
    return (np.random.default_rng(seed).random(shape) < p).astype(float)


def gains(shape=(3, 400), seed=0):
    return binary(shape, 0.5, seed) - binary(shape, 0.4, seed + 1)


def test_one_seed_is_the_t_interval_of_scipy():
    values = gains((1, 400))
    found = mean_estimate(values, bootstrap=0)
    expected = stats.ttest_1samp(values[0], 0.0)
    low, high = expected.confidence_interval(0.95)
    assert found.low == pytest.approx(low) and found.high == pytest.approx(high)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.df == 399
    assert "one training seed" in found.notes[0]


def test_mean_squares_are_those_of_a_two_way_anova():
    pd = pytest.importorskip("pandas")
    formula_api = pytest.importorskip("statsmodels.formula.api")
    from statsmodels.stats.anova import anova_lm

    values = gains((4, 25), 3) + np.random.default_rng(1).normal(size=(4, 25))
    seeds, problems = np.meshgrid(np.arange(4), np.arange(25), indexing="ij")
    frame = pd.DataFrame({"y": values.ravel(), "s": seeds.ravel(), "p": problems.ravel()})
    table = anova_lm(formula_api.ols("y ~ C(s) + C(p)", data=frame).fit())
    squares = mean_squares(values)
    assert float(squares.seeds) == pytest.approx(table["mean_sq"]["C(s)"])
    assert float(squares.problems) == pytest.approx(table["mean_sq"]["C(p)"])
    assert float(squares.errors) == pytest.approx(table["mean_sq"]["Residual"])


def test_the_variance_estimate_is_unbiased_for_binary_scores():
    """Enumerate the expectation: the three mean squares combine to the true variance of the mean."""
    rng = np.random.default_rng(0)
    chance = np.clip(0.5 + rng.normal(0, 0.2, (20_000, 1, 8)) + rng.normal(0, 0.15, (20_000, 3, 1)), 0, 1)
    values = (rng.random(chance.shape) < chance).astype(float)
    squares = mean_squares(values)
    estimate = (squares.seeds + squares.problems - squares.errors) / 24
    assert estimate.mean() == pytest.approx(values.mean((1, 2)).var(), rel=0.05)


def test_variance_and_degrees_of_freedom_by_hand():
    squares = MeanSquares(*(np.asarray(x) for x in (0.1, 1.8, 4.0, 1.0)), n_seeds=3, n_problems=10)
    variance, df = variance_of_mean(squares)
    assert float(variance) == pytest.approx((1.8 - 1 + 4) / 30)
    assert float(df) == pytest.approx(4.8**2 / (3 * 1.3**2 / 2 + 4**2 / 9))
    loud = MeanSquares(*(np.asarray(x) for x in (0.1, 40.0, 4.0, 1.0)), n_seeds=3, n_problems=10)
    assert float(variance_of_mean(loud)[1]) == 2  # never fewer than the seeds have
    quiet = MeanSquares(*(np.asarray(x) for x in (0.1, 0.2, 2.0, 1.0)), n_seeds=3, n_problems=10)
    assert float(variance_of_mean(quiet)[0]) == pytest.approx(2 / 30)  # a negative component is cut at 0
    assert float(variance_of_mean(quiet)[1]) == pytest.approx(9)


@pytest.mark.parametrize("n_seeds", [1, 2, 3, 5])
def test_interval_and_p_value_agree(n_seeds):
    for seed in range(30):
        values = gains((n_seeds, 60), seed)
        found = mean_estimate(values, bootstrap=0)
        assert (found.low > 0 or found.high < 0) == (found.p_value < 0.05)
        level = 1 - found.p_value  # the interval at this level ends at 0
        low, high = found.interval(level)
        assert min(abs(low), abs(high)) < 1e-9
        assert found.p_greater(0.0) + found.p_less(0.0) == pytest.approx(1.0)


def test_more_seeds_with_the_same_scores_do_not_shorten_the_interval():
    """Identical seeds carry no new information about problems."""
    once = gains((1, 300))
    single, triple = mean_estimate(once, bootstrap=0), mean_estimate(np.repeat(once, 3, 0), bootstrap=0)
    assert triple.se == pytest.approx(single.se)
    assert (triple.low, triple.high) == (pytest.approx(single.low), pytest.approx(single.high))


def test_a_common_shift_moves_the_interval():
    values = gains((3, 200)) * 0.5
    plain, moved = mean_estimate(values, bootstrap=0), mean_estimate(values + 0.25, null=0.25, bootstrap=0)
    assert moved.low == pytest.approx(plain.low + 0.25)
    assert moved.p_value == pytest.approx(plain.p_value)


def test_batches_give_what_single_arrays_give():
    values = np.stack([gains((3, 80), seed) for seed in range(12)])
    values[0] = 0.0
    together = fit(values)
    low, high = together.interval(0.95)
    for index, array in enumerate(values):
        alone = mean_estimate(array, bootstrap=0)
        assert (alone.low, alone.high) == (low[index], high[index])
        assert alone.p_value == together.p_value(0.0)[index]


# --- rare departures and degenerate input ---------------------------------------------------------------------------


def test_no_change_at_all_is_not_a_proof_of_zero():
    found = mean_estimate(np.zeros((3, 500)))
    bound = stats.binomtest(0, 500).proportion_ci(0.95, "exact").high
    assert (found.low, found.high) == (pytest.approx(-bound), pytest.approx(bound))
    assert found.p_value == 1.0
    assert found.mde > 0
    assert "exact bounds" in found.method
    assert (found.bootstrap_low, found.bootstrap_high) == (0.0, 0.0)  # what the plain bootstrap would have said


def test_all_correct_gives_the_clopper_pearson_bound():
    found = mean_estimate(np.ones((1, 300)), bounds=(0, 1), null=0.5, bootstrap=0)
    assert found.low == pytest.approx(stats.binomtest(300, 300).proportion_ci(0.95, "exact").low)
    assert found.high == 1.0
    assert found.p_value == pytest.approx(2 * 0.5**300)


def test_few_departures_use_exact_bounds_and_the_sign_test():
    values = np.zeros((1, 500))
    values[0, :4] = 1.0
    values[0, 4] = -1.0
    found = mean_estimate(values, bootstrap=0)
    assert found.high == pytest.approx(stats.binomtest(4, 500).proportion_ci(0.95, "exact").high)
    assert found.low == pytest.approx(-stats.binomtest(1, 500).proportion_ci(0.95, "exact").high)
    assert found.p_value == pytest.approx(stats.binomtest(4, 5, 0.5).pvalue)
    assert found.low < found.value < found.high


def test_exact_p_values_are_the_inverse_of_the_exact_interval():
    values = np.zeros((1, 400))
    values[0, :3] = 1.0
    found = mean_estimate(values, bootstrap=0)
    assert found.p_less(found.high) == pytest.approx(0.025)
    assert found.p_greater(found.low) == pytest.approx(0.025)
    assert found.p_less(0.0) == 1.0
    assert found.p_greater(0.0) == pytest.approx(0.5**3)


def test_six_departures_return_to_t():
    values = np.zeros((1, 500))
    values[0, :6] = 1.0
    found = mean_estimate(values, bootstrap=0)
    assert found.low == pytest.approx(stats.ttest_1samp(values[0], 0).confidence_interval(0.95).low)
    assert any("only 6 of 500" in note for note in found.notes)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 2), (5, 2)])
def test_hardly_any_problems_give_finite_wide_intervals(shape):
    found = mean_estimate(np.full(shape, 0.3), bootstrap=10)
    assert -1 <= found.low < -0.3 and 0.6 < found.high <= 1
    assert found.p_value == 1.0
    assert np.isfinite([found.se, found.df, found.mde]).all()


def test_one_problem_with_differing_seeds_is_not_significant():
    found = mean_estimate([[0.5], [0.75], [1.0]], bootstrap=0)
    assert found.low < 0 < found.high


def test_intervals_never_leave_the_bounds():
    values = np.ones((1, 40))
    values[0, :8] = 0.0
    found = mean_estimate(values, bounds=(0, 1), level=0.9999, bootstrap=0)
    assert 0 <= found.low <= found.high <= 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[np.nan, 1.0]], "NaN"),
        (np.zeros((2, 3, 4)), "shape"),
        (np.zeros((0, 4)), "shape"),
        ([[2.0, 0.0]], "must lie in"),
    ],
)
def test_wrong_arrays_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        mean_estimate(values)


# --- bootstrap ------------------------------------------------------------------------------------------------------


def test_bootstrap_is_reproducible_and_stacks():
    values = gains((3, 50))
    first = bootstrap_means(values, 300, 5)
    assert np.array_equal(first, bootstrap_means(values, 300, 5))
    assert not np.array_equal(first, bootstrap_means(values, 300, 6))
    both = bootstrap_means(np.stack([values, 2 * values]), 300, 5)
    assert np.allclose(both[:, 0], first) and np.allclose(both[:, 1], 2 * first)


def test_bootstrap_variance_is_the_pigeonhole_one():
    """Its exact variance: sum over the two-way table of covariances of the multinomial counts."""
    values = gains((3, 40), 4)
    n_seeds, n_problems = values.shape
    grand = values.mean()
    by_seed = ((values.mean(1) - grand) ** 2).mean() / n_seeds
    by_problem = ((values.mean(0) - grand) ** 2).mean() / n_problems
    rest = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + grand
    exact = by_seed + by_problem + (rest**2).mean() / (n_seeds * n_problems)
    assert bootstrap_means(values, 20_000, 0).var() == pytest.approx(exact, rel=0.05)


# --- seed variance from elsewhere -----------------------------------------------------------------------------------


def test_pooled_seed_variance_is_the_weighted_mean_of_the_cells():
    rng = np.random.default_rng(2)
    arrays = [rng.normal(0, 1, (s, 60)) + rng.normal(0, 0.5, (s, 1)) for s in (3, 3, 5)]
    pool = pool_seed_variance([*arrays, rng.normal(size=(1, 60))])
    expected = [(a.shape[0] - 1, a) for a in arrays]
    value = sum(d * float(mean_squares(a).seeds - mean_squares(a).errors) / 60 for d, a in expected) / 8
    assert pool.variance == pytest.approx(value)
    assert pool.df == 8
    assert pool.times(2).variance == pytest.approx(2 * pool.variance)
    assert pool.mean_square > pool.variance


def test_a_cell_that_sticks_out_makes_the_pool_unusable():
    rng = np.random.default_rng(3)
    alike = [rng.normal(0, 1, (3, 80)) + rng.normal(0, 0.1, (3, 1)) for _ in range(8)]
    assert pool_seed_variance(alike).usable
    alike[2] = alike[2] + np.array([[-2.0], [0.0], [2.0]])
    broken = pool_seed_variance(alike)
    assert broken.heterogeneity_p < 0.001 and not broken.usable
    assert not pool_seed_variance(alike[3:5]).usable  # 4 degrees of freedom


def test_pooling_needs_two_seeds_somewhere():
    with pytest.raises(ValueError, match="two seeds"):
        pool_seed_variance([gains((1, 30))])


def test_an_assumed_seed_variance_widens_one_seed_by_its_square():
    values = gains((1, 400))
    plain = mean_estimate(values, bootstrap=0)
    wider = mean_estimate(values, bootstrap=0, seed_variance=assumed_seed_variance(0.02))
    assert wider.se == pytest.approx(np.hypot(plain.se, 0.02))
    assert wider.df > 399  # an assumption has no uncertainty of its own
    assert "assumed" in wider.method
    assert not any("one training seed" in note for note in wider.notes)
    assert wider.components.seed == pytest.approx(0.0004)


def test_components_of_a_known_table():
    squares = MeanSquares(*(np.asarray(x) for x in (0.0, 7.0, 5.0, 1.0)), n_seeds=2, n_problems=3)
    found = components(squares)
    assert (found.seed, found.problem, found.error) == (pytest.approx(2.0), pytest.approx(2.0), 1.0)
    assert components(mean_squares(gains((1, 30)))).seed is None


# --- the rest -------------------------------------------------------------------------------------------------------


def test_linearised_ratio_of_means_matches_the_delta_method():
    rng = np.random.default_rng(0)
    x, y = rng.normal(2, 1, (1, 400)), rng.normal(4, 1, (1, 400))
    ratio = x.mean() / y.mean()
    influence = (x - ratio * y) / y.mean()
    found = linearised_estimate(ratio, influence)
    assert found.se == pytest.approx(influence.std(ddof=1) / 20)
    assert found.low < ratio < found.high


def test_as_dict_is_json():
    text = json.dumps(mean_estimate(gains(), seed_variance=assumed_seed_variance()).as_dict(), allow_nan=False)
    assert json.loads(text)["n_seeds"] == 3


def test_mde_has_the_power_it_promises():
    found = mean_estimate(gains((1, 300)), bootstrap=0)
    power = 1 - stats.nct.cdf(stats.t.ppf(0.975, found.df), found.df, found.mde / found.se)
    assert power == pytest.approx(0.8, abs=1e-4)
    assert found.mde_at(0.005) > found.mde


def test_importing_the_rules_needs_no_scipy():
    """A judging job starts in the time that numpy needs."""
    code = "import sys, piretry.claims.rules; sys.exit(any(m in sys.modules for m in ('scipy', 'pandas', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_independent_means_are_compared_as_welch_does() -> None:
    draw = np.random.default_rng(5)
    first, second = draw.normal(0.1, 0.2, (1, 80)), draw.normal(0.0, 0.4, (1, 30))
    unbounded = (-math.inf, math.inf)
    one, two = (mean_estimate(values, bounds=unbounded, bootstrap=0) for values in (first, second))
    found = independent_difference(one, two, bounds=unbounded)
    welch = stats.ttest_ind(first[0], second[0], equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.p_value == pytest.approx(welch.pvalue)
    assert found.df == pytest.approx(welch.df)


def test_a_difference_of_independent_means_is_no_surer_than_its_parts() -> None:
    rare = np.zeros((3, 100))
    rare[0, 0] = 1.0  # one departure: exact bounds
    one = mean_estimate(rare, bounds=(0.0, 1.0), bootstrap=0)
    two = mean_estimate(np.zeros((3, 100)), bounds=(0.0, 1.0), bootstrap=0)
    assert one.sparse and two.sparse
    found = independent_difference(one, two)
    assert found.high - found.low > one.high - one.low
