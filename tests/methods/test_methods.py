"""Which completions each method keeps."""

import importlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.completions import CompletionRow
from piretry.methods.base import Pool, build, counts, matched

ROW = CompletionRow(
    problem_id="p",
    attempt=0,
    sample=0,
    decoding="sampled",
    seed=1,
    prompt_digest="0" * 16,
    completion="text",
    finish_reason="stop",
    prompt_tokens=3,
    completion_tokens=5,
    answer="1",
    verdict="correct",
    second_opinion="correct",
    verifier="test",
)


def row(problem: str, verdict: str, attempt: int = 0, sample: int = 0) -> CompletionRow:
    return replace(
        ROW,
        problem_id=problem,
        verdict=verdict,
        attempt=attempt,
        sample=sample,
        completion=f"{problem}{attempt}{sample}",
    )


POOL = Pool(
    attempts=[row("a", "correct"), row("b", "wrong"), row("c", "no_answer"), row("d", "wrong")],
    retries=[
        row("b", "wrong", 1),
        row("b", "correct", 2),
        row("c", "correct", 1),
        row("d", "wrong", 1),
        row("d", "timeout", 2),
        row("d", "wrong", 3),
    ],
    resamples=[row(p, v, 0, s) for p in "abcd" for s, v in ((1, "correct"), (2, "wrong"), (3, "correct"))],
)


def keep(method: str, k: int, first: bool, cap: int = 9) -> list[tuple[str, str, int, int]]:
    select = importlib.import_module(f"piretry.methods.{method}").select
    return [(e.problem_id, e.origin, e.attempt, e.sample) for e in build(select, POOL, k, first, cap)]


def test_retry_keeps_correct_retries_up_to_k() -> None:
    assert keep("retry", 1, first=False) == [("c", "retry", 1, 0)]
    assert keep("retry", 3, first=False) == [("b", "retry", 2, 0), ("c", "retry", 1, 0)]
    assert keep("retry", 3, first=True)[0] == ("a", "first", 0, 0)


def test_rejection_keeps_fresh_attempts_on_all_problems_and_resample_on_failed_ones() -> None:
    assert {p for p, *_ in keep("rejection", 1, first=True)} == set("abcd")
    assert {p for p, *_ in keep("resample", 1, first=False)} == set("bcd")
    assert keep("rejection", 1, first=True, cap=1)[0] == ("a", "first", 0, 0)


def test_the_cap_keeps_the_earliest() -> None:
    assert keep("resample", 3, first=False, cap=1) == [(p, "fresh", 0, 1) for p in "bcd"]


@pytest.mark.parametrize("method", ["retry", "cross", "resample", "rejection"])
@given(data=st.data())
def test_a_smaller_k_is_a_subset(method: str, data: st.DataObject) -> None:
    verdicts = st.sampled_from(["correct", "wrong", "no_answer"])
    attempts = [row(p, data.draw(verdicts)) for p in "abcde"]
    retries, resamples = [], []
    for first in attempts:
        solved = first.correct
        for attempt in range(1, 6):
            resamples.append(row(first.problem_id, data.draw(verdicts), 0, attempt))
            if not solved:
                retries.append(row(first.problem_id, data.draw(verdicts), attempt))
                solved = retries[-1].correct
    pool = Pool(attempts, retries, resamples)
    select = importlib.import_module(f"piretry.methods.{method}").select
    sizes = {k: build(select, pool, k, True, 99) for k in (1, 3, 5)}
    assert set(sizes[1]) <= set(sizes[3]) <= set(sizes[5])
    if method in ("retry", "cross"):
        for k, examples in sizes.items():
            assert max((e.attempt for e in examples), default=0) <= k
            assert len({e.problem_id for e in examples}) == len(examples)


def test_matching_is_a_draw_by_seed_without_replacement() -> None:
    select = importlib.import_module("piretry.methods.rejection").select
    examples = build(select, POOL, 3, True, 9)
    chosen = matched(examples, 4, seed=1)
    assert len(chosen) == 4
    assert set(chosen) <= set(examples)
    assert matched(examples, 4, seed=1) == chosen
    assert any(matched(examples, 4, seed=other) != chosen for other in range(2, 10))
    assert matched(examples, 99, seed=1) == examples


def test_counts_add_up() -> None:
    select = importlib.import_module("piretry.methods.retry").select
    tally = counts(build(select, POOL, 3, True, 9))
    assert tally == {
        "examples_first": 1,
        "examples_retry": 2,
        "examples_fresh": 0,
        "examples": 3,
        "problems": 3,
    }
