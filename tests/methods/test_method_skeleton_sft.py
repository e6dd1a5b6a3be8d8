"""What method skeleton_sft keeps: correct proofs found with the sub-goals, of theorems that the bare attempt failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from piretry.completions import CompletionRow
from piretry.methods.base import Pool, build
from piretry.methods.skeleton_sft import select


@dataclass(frozen=True)
class Row:
    """The columns that a method reads."""

    problem_id: str
    sample: int
    correct: bool
    attempt: int = 0

    @property
    def completion(self) -> str:
        return f"proof {self.sample} of {self.problem_id}"


def rows(*values: tuple[str, int, bool]) -> list[CompletionRow]:
    return cast("list[CompletionRow]", [Row(*value) for value in values])


POOL = Pool(
    attempts=rows(("a", 0, True), ("b", 0, False), ("c", 0, False)),
    resamples=rows(("a", 1, True), ("b", 1, False), ("b", 2, True), ("b", 3, True), ("c", 1, False), ("c", 0, True)),
)


def kept(k: int, first: bool, cap: int = 9) -> list[tuple[Any, ...]]:
    return [(e.problem_id, e.origin, e.sample) for e in build(select, POOL, k, first, cap)]


def test_failed_theorems_alone_and_the_first_k_samples() -> None:
    assert kept(1, False) == []
    assert kept(2, False) == [("b", "skeleton", 2)]
    assert kept(3, False) == [("b", "skeleton", 2), ("b", "skeleton", 3)]
    assert kept(3, False, cap=1) == [("b", "skeleton", 2)]


def test_correct_first_attempts_come_with_the_setting() -> None:
    assert kept(3, True, cap=1) == [("a", "first", 0), ("b", "skeleton", 2)]
