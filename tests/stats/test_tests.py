"""McNemar, TOST, Holm, orderings and the ratio of gains."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from piretry.stats import Required, holm, mcnemar, mean_estimate, ordering, outside_p, ratio_estimate, tost
from piretry.stats.mcnemar import exact_p


def binary(shape, p, seed):
    return (np.random.default_rng(seed).random(shape) < p).astype(float)


def difference(shape, up=0.3, down=0.3, seed=0):
    draw = np.random.default_rng(seed).random(shape)
    return (draw < up).astype(float) - (draw > 1 - down)


# --- McNemar --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (0, 5), (7, 3), (40, 22), (10, 10)])
def test_exact_mcnemar_is_statsmodels(won, lost):
    from statsmodels.stats.contingency_tables import mcnemar as reference

    table = [[10, lost], [won, 20]]
    expected = reference(table, exact=True).pvalue if won + lost else 1.0
    assert exact_p(won, lost) == pytest.approx(expected)


def test_mcnemar_counts_every_pair_once():
    before, after = binary((3, 200), 0.4, 0), binary((3, 200), 0.5, 1)
    found = mcnemar(before, after)
    for table, b, a in zip(found.per_seed, before, after, strict=True):
        assert table.both + table.lost + table.won + table.neither == 200
        assert table.net == a.sum() - b.sum()
        assert table.p_value == pytest.approx(stats.binomtest(table.won, table.won + table.lost).pvalue)
    assert found.pooled.net == after.sum() - before.sum()
    assert found.p_combined == pytest.approx(min(1, 2 * np.mean([t.p_value for t in found.per_seed])))
    assert found.problems_up + found.problems_down <= 200
    assert found.notes


def test_mcnemar_of_one_seed_is_that_test():
    before, after = binary(300, 0.4, 2), binary(300, 0.5, 3)
    found = mcnemar(before, after)
    assert found.p_combined == found.per_seed[0].p_value == found.pooled.p_value
    assert not found.notes


@pytest.mark.parametrize(
    ("before", "after"), [(np.zeros((2, 3)), np.zeros((2, 4))), (np.full((1, 3), 0.25), np.zeros((1, 3)))]
)
def test_mcnemar_refuses_what_is_not_a_pair_of_verdicts(before, after):
    with pytest.raises(ValueError, match=r"shape|0 or 1"):
        mcnemar(before, after)


# --- TOST -----------------------------------------------------------------------------------------------------------


def test_tost_is_statsmodels_for_one_seed():
    from statsmodels.stats.weightstats import DescrStatsW

    values = difference((1, 400), seed=4)
    found = tost(mean_estimate(values, bootstrap=0), 0.1)
    expected, _, _ = DescrStatsW(values[0]).ttost_mean(-0.1, 0.1)
    assert found.p_value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(10))
def test_tost_rejects_exactly_when_the_90_percent_interval_is_inside(seed):
    estimate = mean_estimate(difference((3, 300), 0.3, 0.27, seed), bootstrap=0)
    for margin in (0.02, 0.05, 0.08, 0.12):
        found = tost(estimate, margin)
        low, high = estimate.interval(0.90)
        assert found.equivalent == (-margin < low and high < margin)
        assert (found.p_outside < 0.05) == (estimate.low > margin or estimate.high < -margin)
        assert outside_p(estimate, -margin, margin) == found.p_outside


def test_identical_cells_are_equivalent_within_a_percentage_point():
    estimate = mean_estimate(np.zeros((3, 500)), bootstrap=0)
    assert tost(estimate, 0.01).equivalent
    assert not tost(estimate, 0.004).equivalent  # 500 problems cannot show that
    assert 0.004 < tost(estimate, 0.01).smallest_margin < 0.01


def test_a_margin_must_be_positive():
    with pytest.raises(ValueError, match="greater than 0"):
        tost(mean_estimate(difference((1, 50)), bootstrap=0), -0.03)


# --- Holm and orderings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_statsmodels(seed):
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).random(9) ** 3
    p[3] = p[5]
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_leaves_missing_tests_out():
    assert holm([0.01, None, 0.04]) == (0.02, None, 0.04)
    assert holm([]) == ()
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])


def test_an_ordering_needs_all_its_signs():
    good, bad = difference((1, 400), 0.5, 0.2), difference((1, 400), 0.2, 0.5)
    up, down = mean_estimate(good, bootstrap=0), mean_estimate(bad, bootstrap=0)
    both = ordering([Required("a", up, 1), Required("b", down, -1)])
    assert both.p_holds < 0.001 and both.p_broken == 1.0
    broken = ordering([Required("a", up, 1), Required("b", down, 1)])
    assert broken.p_holds == 1.0 and broken.p_broken < 0.001
    assert broken.p_broken == pytest.approx(2 * 2 * down.p_less(0.0))


def test_exact_ties_decide_nothing():
    tied = ordering([Required("same", mean_estimate(np.zeros((3, 500)), bootstrap=0), 1)])
    assert tied.p_holds == tied.p_broken == 1.0


# --- ratio of gains -------------------------------------------------------------------------------------------------


def paired_gains(top, bottom, seed=0, shape=(1, 400)):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.1, shape[1])
    return (
        np.clip(top + shared + rng.normal(0, 0.15, shape), -1, 1),
        np.clip(bottom + shared + rng.normal(0, 0.15, shape), -1, 1),
    )


def test_fieller_is_the_textbook_interval_for_one_seed():
    """One seed: constant degrees of freedom, so the quadratic of Fieller's theorem has a closed form."""
    top, bottom = paired_gains(0.3, 0.1)
    n = top.shape[1]
    a, b = top.mean(), bottom.mean()
    c = np.cov(top[0], bottom[0]) / n
    t2 = stats.t.ppf(0.975, n - 1) ** 2
    roots = np.roots([b * b - t2 * c[1, 1], -2 * (a * b - t2 * c[0, 1]), a * a - t2 * c[0, 0]])
    found = ratio_estimate(top, bottom, bootstrap=0)
    assert found.kind == "interval"
    assert (found.low, found.high) == (pytest.approx(min(roots)), pytest.approx(max(roots)))
    assert found.value == pytest.approx(a / b)


@pytest.mark.parametrize(("top", "bottom"), [(0.3, 0.1), (0.1, 0.012), (0.1, 0.0), (0.0, 0.0), (-0.1, 0.05)])
@pytest.mark.parametrize("n_seeds", [1, 3])
def test_the_set_holds_exactly_the_ratios_that_are_not_rejected(top, bottom, n_seeds):
    first, second = paired_gains(top, bottom, 3, (n_seeds, 300))
    found = ratio_estimate(first, second, bootstrap=0)
    for ratio in np.tan(np.linspace(-1.55, 1.55, 61)):
        contrast = mean_estimate(first - ratio * second, bounds=(-math.inf, math.inf), bootstrap=0)
        assert found.covers(ratio) == (contrast.p_value >= 0.05), ratio
        assert found.p_greater(ratio) == pytest.approx(contrast.p_greater(0.0), abs=1e-9)


def test_a_denominator_near_zero_gives_an_unbounded_set():
    first, second = paired_gains(0.1, 0.002, 1)
    found = ratio_estimate(first, second)
    assert found.kind == "rays"
    assert (found.low, found.high) == (-math.inf, math.inf)
    (_, below), (above, _) = found.pieces
    assert below < above
    assert not found.covers((below + above) / 2)
    assert not found.inside(-1e9, 1e9)
    assert found.outside(below + 1e-6, above - 1e-6)
    assert any("unbounded" in note for note in found.notes)


def test_two_gains_near_zero_exclude_nothing():
    first, second = paired_gains(0.0, 0.0, 6)
    found = ratio_estimate(first - first.mean(), second - second.mean(), bootstrap=0)
    assert found.kind == "line"
    assert not found.inside(0, 10) and not found.outside(0, 10)


def test_a_denominator_without_any_gain_leaves_every_ratio_open():
    top = difference((3, 400), 0.4, 0.2)
    found = ratio_estimate(top, np.zeros_like(top), bootstrap=50)
    assert found.value is None and found.kind == "line"
    assert found.p_greater(5.0) == found.p_less(5.0) == 1.0
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["low"] is None


def test_a_gain_against_itself_is_one():
    top = difference((3, 400), 0.5, 0.1)
    found = ratio_estimate(top, top, bootstrap=100)
    assert found.value == 1.0
    assert found.low == pytest.approx(1.0, abs=1e-9) and found.high == pytest.approx(1.0, abs=1e-9)


def test_the_inverse_ratio_has_the_inverse_set():
    first, second = paired_gains(0.3, 0.15, 2, (3, 300))
    one, two = ratio_estimate(first, second, bootstrap=0), ratio_estimate(second, first, bootstrap=0)
    assert one.low == pytest.approx(1 / two.high, rel=1e-6)
    assert one.high == pytest.approx(1 / two.low, rel=1e-6)


def test_shapes_must_agree():
    for one, two in itertools.permutations([np.zeros((1, 3)), np.zeros((2, 3))]):
        with pytest.raises(ValueError, match="one shape"):
            ratio_estimate(one, two)
