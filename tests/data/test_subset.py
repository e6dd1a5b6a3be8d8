from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.data.schema import Problem
from piretry.data.subset import draw_subset, take
from piretry.errors import PiretryError

# Problems: a few distinct texts with many copies (spaced and cased differently), golds that parse or do not.
pools = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(["{}", " {} ", "{}.", "$ {} $"]),
        st.sampled_from(["7", "bad", "8"]),
    ),
    max_size=40,
).map(
    lambda rows: [
        Problem(f"id-{n}", style.format(f"What is {text} plus one?"), gold, None, "s", "t")
        for n, (text, style, gold) in enumerate(rows)
    ]
)
seeds = st.integers(0, 2**32)


def parses(golds: Sequence[str]) -> list[bool]:
    return [gold != "bad" for gold in golds]


def most(pool: list[Problem], seed: int) -> tuple[str, ...]:
    """The longest draw that the pool allows, found without the code under test."""
    distinct = {problem.problem.strip(" .$") for problem in pool if problem.gold != "bad"}
    return draw_subset(pool, len(distinct), seed, parses).problem_ids


@given(pools, seeds, st.randoms())
def test_the_order_of_the_pool_does_not_matter(pool: list[Problem], seed: int, rng: random.Random) -> None:
    ids = most(pool, seed)
    shuffled = pool[:]
    rng.shuffle(shuffled)
    assert draw_subset(shuffled, len(ids), seed, parses).problem_ids == ids


@given(pools, seeds, st.data())
def test_a_smaller_draw_begins_a_larger_one(pool: list[Problem], seed: int, data: st.DataObject) -> None:
    ids = most(pool, seed)
    number = data.draw(st.integers(0, len(ids)))
    assert draw_subset(pool, number, seed, parses).problem_ids == ids[:number]


@given(pools, seeds)
def test_what_is_drawn_parses_and_is_distinct_and_nothing_is_left_out(pool: list[Problem], seed: int) -> None:
    ids = most(pool, seed)
    drawn = [problem for problem in pool if problem.problem_id in ids]
    assert all(problem.gold != "bad" for problem in drawn)
    assert len({problem.problem.strip(" .$") for problem in drawn}) == len(drawn) == len(ids)
    with pytest.raises(PiretryError, match=f"only {len(ids)} can be drawn"):
        draw_subset(pool, len(ids) + 1, seed, parses)


@given(pools, seeds, st.data())
def test_a_problem_taken_from_the_pool_leaves_the_others_in_order(
    pool: list[Problem], seed: int, data: st.DataObject
) -> None:
    # All copies of one text go, as they do when a match with the held-out side is removed.
    ids = most(pool, seed)
    text = data.draw(st.integers(0, 12))
    left = [problem for problem in pool if problem.problem.strip(" .$") != f"What is {text} plus one?"]
    kept = {problem.problem_id for problem in left}
    assert most(left, seed) == tuple(problem_id for problem_id in ids if problem_id in kept)


@given(pools, seeds)
def test_the_counts_add_up(pool: list[Problem], seed: int) -> None:
    subset = draw_subset(pool, len(most(pool, seed)), seed, parses)
    texts = Counter(problem.problem.strip(" .$") for problem in pool)
    assert subset.pool == len(pool)
    assert subset.distinct == len(texts)
    assert subset.duplicates == len(pool) - len(texts)
    assert subset.examined == len(subset.problem_ids) + subset.gold_unparseable
    golds = {text: {p.gold for p in pool if p.problem.strip(" .$") == text} for text in texts}
    assert subset.conflicting == sum(len(found) > 1 for found in golds.values())


def sums(number: int) -> list[Problem]:
    return [Problem(f"p{n}", f"What is {n}+{n}?", str(2 * n), None, "s", "t") for n in range(number)]


def test_the_draw_of_a_revision_and_a_seed_is_fixed() -> None:
    # Written down: a change of the ranks changes every training set that was ever drawn.
    assert draw_subset(sums(1000), 5, 42, parses).problem_ids == ("p2", "p310", "p863", "p458", "p811")
    assert draw_subset(sums(1000), 5, 43, parses).problem_ids != draw_subset(sums(1000), 5, 42, parses).problem_ids


def test_every_distinct_problem_is_equally_likely_however_many_copies_it_has() -> None:
    pool = sums(4) + [Problem(f"copy-{n}", "what is 0 + 0", "0", None, "s", "t") for n in range(96)]
    drawn = Counter(draw_subset(pool, 1, seed, parses).problem_ids[0] for seed in range(2000))
    # 2,000 draws of 4: a share outside 0.25 ± 0.05 has a probability below 1e-6 for each.
    shares = [sum(drawn[p.problem_id] for p in pool if p.gold == gold) / 2000 for gold in ("0", "2", "4", "6")]
    assert all(abs(share - 0.25) < 0.05 for share in shares), shares


def test_golds_are_asked_about_no_further_than_needed() -> None:
    asked: list[str] = []

    def count(golds: Sequence[str]) -> list[bool]:
        asked.extend(golds)
        return [True] * len(golds)

    draw_subset(sums(30_000), 1500, 1, count)
    assert 1500 <= len(asked) <= 2000


def test_too_few_says_why() -> None:
    pool = [
        *sums(10),
        Problem("x", "WHAT IS 1+1", "2", None, "s", "t"),
        Problem("y", "Why?", "bad", None, "s", "t"),
    ]
    with pytest.raises(PiretryError) as error:
        draw_subset(pool, 50, 1, parses)
    assert "50 training problems were asked for, but only 10 can be drawn: the pool has 12, 1 are copies" in str(
        error.value
    )
    assert "the gold of 1 does not parse" in str(error.value)


def test_two_problems_with_one_id_are_refused() -> None:
    with pytest.raises(PiretryError, match="has the problem_id 'p1' twice"):
        draw_subset([*sums(2), sums(2)[1]], 1, 1, parses)


def test_take_gives_the_problems_in_the_order_of_the_draw() -> None:
    pool = sums(100)
    subset = draw_subset(pool, 20, 3, parses)
    assert tuple(problem.problem_id for problem in take(reversed(pool), subset)) == subset.problem_ids
    with pytest.raises(PiretryError, match="not in the pool"):
        take(pool[:10], subset)


def test_the_real_grader_answers_whether_golds_parse() -> None:
    from piretry.verifiers.math import MathVerifier

    pool = [*sums(3), Problem("x", "Name a colour.", r"\text{", None, "s", "t")]
    with MathVerifier() as verifier:
        golds = [problem.gold for problem in pool]
        expected = sum(verifier.gold_parses(golds))
        subset = draw_subset(pool, expected, 1, verifier.gold_parses)
    assert set(subset.problem_ids) >= {"p0", "p1", "p2"}
