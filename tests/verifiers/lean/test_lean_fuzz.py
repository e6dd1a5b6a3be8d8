"""Mutated proofs: every acceptance is confirmed by a check that shares no code with the verifier."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from lean_inputs import confirm, mutated, theorem

from piretry.verifiers.base import GradeRequest, Verdict
from piretry.verifiers.lean import LeanVerifier, Toolchain


def _requests(pairs: list[tuple[str, str]]) -> list[GradeRequest]:
    return [GradeRequest(str(number), gold, proof) for number, (gold, proof) in enumerate(pairs)]


def test_random_right_proofs_are_accepted(terms: LeanVerifier) -> None:
    grades = terms.grade(_requests([theorem(seed) for seed in range(100)]))
    assert {grade.verdict for grade in grades} == {Verdict.correct}


@pytest.mark.parametrize("number", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_accepted_mutants_are_proofs(kernel: Toolchain, terms: LeanVerifier, library: Path, number: int) -> None:
    pairs = mutated(number, seed=number)
    grades = terms.grade(_requests(pairs))
    counts = Counter(grade.verdict for grade in grades)
    assert counts[Verdict.wrong] > number / 4 and counts[Verdict.banned] > number / 50
    accepted = [pair for pair, grade in zip(pairs, grades, strict=True) if grade.verdict is Verdict.correct]
    assert len(accepted) > number / 20
    chosen = accepted[:: max(1, len(accepted) // 20)] if number < 1000 else accepted
    assert [pair for pair in chosen if not confirm(kernel, library, *pair)] == []
    refused = [pair for pair, grade in zip(pairs, grades, strict=True) if grade.verdict is Verdict.wrong]
    assert [pair for pair in refused[:: len(refused) // 8] if confirm(kernel, library, *pair)] == []


def test_batches_and_single_checks_agree(kernel: Toolchain) -> None:
    pairs = mutated(24, seed=11)
    with LeanVerifier(kernel, workers=2, timeout_s=30, batch=1) as single, LeanVerifier(kernel, timeout_s=30) as crowd:
        alone, together = single.grade(_requests(pairs)), crowd.grade(_requests(pairs))
    assert [grade.verdict for grade in alone] == [grade.verdict for grade in together]
    assert [grade.message for grade in alone] == [grade.message for grade in together]
