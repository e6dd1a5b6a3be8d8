"""The share of distinct solutions: against brute force, its bias, who is left out, and when two solutions are one."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.stats.diversity import diversity, expected_distinct, same_math, same_proof, same_text, shared
from piretry.stats.estimate import mean_estimate


def brute_force(counts: list[int], size: int) -> float:
    """The mean over every subset of the samples."""
    samples = [kind for kind, count in enumerate(counts) for _ in range(count)]
    subsets = list(combinations(samples, size))
    return sum(len(set(subset)) for subset in subsets) / len(subsets)


@given(st.lists(st.integers(0, 4), max_size=5).filter(lambda counts: sum(counts) <= 10), st.data())
def test_expected_distinct_is_the_mean_over_all_subsets(counts: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, sum(counts)))
    assert expected_distinct(counts, size) == pytest.approx(brute_force(counts, size), abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "size", "expected"),
    [
        ([1, 1, 1, 1], 3, 3.0),
        ([9], 4, 1.0),
        ([2, 2], 2, 1 + 2 / 3),
        ([5000, 5000], 2, 1 + 5000 / 9999),  # binomials of a thousand digits
        ([0, 3, 0], 0, 0.0),
    ],
)
def test_values_that_are_known(counts: list[int], size: int, expected: float) -> None:
    assert expected_distinct(counts, size) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("counts", "size"), [([2, 1], 4), ([2, 1], -1), ([2, -1], 1)])
def test_impossible_sizes_are_refused(counts: list[int], size: int) -> None:
    with pytest.raises(ValueError, match="must lie between 0 and"):
        expected_distinct(counts, size)


def drawn(rng: random.Random, samples: int, accuracy: float) -> list[tuple[str, str, bool]]:
    """Samples of 60 problems whose correct solutions have the same three forms, with shares 0.6, 0.3 and 0.1."""
    return [
        (f"p{number}", rng.choices("abc", (0.6, 0.3, 0.1))[0], rng.random() < accuracy)
        for number in range(60)
        for _ in range(samples)
    ]


def test_neither_more_samples_nor_more_success_change_the_measure() -> None:
    """What the plain share of distinct ones does not satisfy, and why the size is fixed."""
    rng = random.Random(4)
    size, truth = 4, sum(1 - (1 - share) ** 4 for share in (0.6, 0.3, 0.1)) / 4
    plain, fixed = [], []
    for samples, accuracy in ((8, 0.6), (64, 0.6), (64, 0.95)):
        table = drawn(rng, samples, accuracy)
        found = [diversity(drawn(rng, samples, accuracy), same_text, size) for _ in range(5)]
        fixed.append(float(np.mean([each.mean() for each in found])))
        correct: dict[str, list[str]] = {}
        for name, text, right in table:
            if right:
                correct.setdefault(name, []).append(text)
        plain.append(float(np.mean([len(set(texts)) / len(texts) for texts in correct.values()])))
    # 300 problems of standard deviation about 0.2: 0.012 of standard error at the smallest number of samples
    assert all(abs(value - truth) < 0.04 for value in fixed)
    assert plain[0] > 4 * plain[1]
    assert plain[1] > 1.3 * plain[2]


def test_problems_with_too_few_correct_samples_are_left_out_and_counted() -> None:
    table = [
        *[("often", text, True) for text in "aabb"],
        *[("rarely", text, right) for text, right in (("a", True), ("b", False), ("c", False))],
        *[("never", "a", False)] * 3,
        ("often", "z", False),
    ]
    found = diversity(table, same_text, 2)
    assert dict(found.values) == {"often": pytest.approx((1 + 2 / 3) / 2)}
    assert (found.problems, found.left_out, found.unsolved) == (1, ("never", "rarely"), 1)
    assert found.mean() == found.values["often"]
    with pytest.raises(ValueError, match="'rarely' has fewer than 2 correct samples"):
        found.array(["often", "rarely"])
    with pytest.raises(ValueError, match="no problem has 5 correct samples"):
        diversity(table, same_text, 5).mean()
    with pytest.raises(ValueError, match="too small"):
        diversity(table, same_text, 1)


def test_values_go_into_the_estimators_paired_over_seeds() -> None:
    rng = random.Random(5)
    measured = [diversity(drawn(rng, 8, 0.7), same_text, 4) for _ in range(3)]
    problems = shared(measured)
    assert 20 < len(problems) < 60
    assert all(set(problems) <= set(each.values) for each in measured)
    estimate = mean_estimate(
        np.stack([each.array(problems) for each in measured]), bounds=(0.0, 1.0), null=0.5, bootstrap=0
    )
    truth = sum(1 - (1 - share) ** 4 for share in (0.6, 0.3, 0.1)) / 4
    assert estimate.n_problems == len(problems)
    assert estimate.low - 0.02 < truth < estimate.high + 0.02
    assert shared([]) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"3+0=3, 3-8=5. \boxed{5}", r"3 + 0 = 3,  3 − 8 = 5. \boxed{5}", True),
        (r"First, 3+0=3. Then 3-8=5. \boxed{5}", r"3+0=3, 3-8=5. So the answer is \boxed{5}", True),
        (r"$2 \times 3 = 6$", r"$2\cdot 3 = 6$", True),
        (r"2*3=6", r"3*2=6", False),
        (r"3+0=3, 3-8=5. \boxed{5}", r"3-8=5, 5+0=5. \boxed{5}", False),
        (r"x^2=4", r"x^3=4", False),
        ("By symmetry it is even.", "by  symmetry it is EVEN.", True),
        ("By symmetry it is even.", "It is even.", False),
    ],
)
def test_when_two_worked_solutions_are_the_same(one: str, other: str, same: bool) -> None:
    assert (same_math(one) == same_math(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("have hq : q := hpq hp; hqr hq", "have h1 : q := hpq hp;\n  hqr h1", True),
        ("hqr (hpq hp)", "have hq : q := hpq hp; hqr hq", False),
        ("fun a => hpq a", "fun (x : p) => hpq x", False),  # one states the type
        ("fun a => hpq a.left", "fun b => hpq b.left", True),
        ("fun a => hpq a.left", "fun a => hpq a.right", False),
        ("And.intro hp hq -- done", "And.intro hp\n  hq", True),
        ("intro h1 h2\nlinarith", "intro a b; linarith", True),
        ("intro h1 h2\nlinarith", "intro h1 h2\nomega", False),
        ("obtain ⟨x, hx⟩ := h\nexact hx", "obtain ⟨y, hy⟩ := h\nexact hy", True),
        ("rcases h with ⟨x, hx⟩\nexact hx", "rcases h with ⟨y, hy⟩\nexact hy", True),
        ("simp <;> ring", "simp; ring", False),
        ("have h₀ : x = 1 := by linarith\nnlinarith [h₀]", "have h₁ : x = 1 := by linarith\nnlinarith [h₁]", True),
        ("<think>by cases</think> hp", "hp", True),
        ("/- first -/ hp", "hp", True),
    ],
)
def test_when_two_proofs_are_the_same(one: str, other: str, same: bool) -> None:
    assert (same_proof(one) == same_proof(other)) is same
