"""The table of labelled proofs and attacks against the real kernel: no false acceptance, every verdict as labelled."""

from __future__ import annotations

from collections import Counter

import pytest

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean import LeanVerifier, Toolchain
from piretry.verifiers.lean.cases import load_cases

CASES = load_cases()
KINDS = {
    *("right", "right file", "wrong", "sorry", "own axiom", "weaker statement", "notation and macros", "unicode"),
    *("instance override", "shadowed names", "huge term", "endless elaboration", "IO during elaboration"),
    *("skipped kernel", "silenced warnings", "faked output", "neighbours", "faulty problem"),
}


def test_the_table_is_large_and_covers_every_kind() -> None:
    assert len(CASES) >= 60 and len({case.request.id for case in CASES}) == len(CASES)
    counts = Counter(case.kind for case in CASES)
    assert set(counts) == KINDS
    attacks = [case for case in CASES if case.label is not Verdict.correct]
    assert len(attacks) > len(CASES) / 2


@pytest.mark.parametrize("proofs", ["term", "file"])
def test_every_case_gets_its_verdict(kernel: Toolchain, proofs: str) -> None:
    cases = [case for case in CASES if case.proofs == proofs]
    with LeanVerifier(kernel, proofs, workers=2, timeout_s=4) as verifier:
        grades = verifier.grade([case.request for case in cases])
    accepted = {case.request.id for case, grade in zip(cases, grades, strict=True) if grade.verdict is Verdict.correct}
    assert accepted == {case.request.id for case in cases if case.label is Verdict.correct}
    assert {grade.id: grade.verdict for grade in grades} == {case.request.id: case.label for case in cases}
    for case, grade in zip(cases, grades, strict=True):
        silent = (Verdict.correct, Verdict.no_answer)
        assert bool(grade.message) is (case.label not in silent), case.request.id
        assert len(grade.message) <= 1500 and "\x00" not in grade.message


def test_a_proof_is_judged_alike_alone_and_among_attacks(kernel: Toolchain) -> None:
    """Each case checked in a process of its own gets the verdict that it gets in the crowd."""
    cases = [case for case in CASES if case.proofs == "term" and case.kind in ("neighbours", "unicode", "own axiom")]
    with LeanVerifier(kernel, "term", workers=2, timeout_s=30, batch=1) as verifier:
        grades = verifier.grade([case.request for case in cases])
    assert [grade.verdict for grade in grades] == [case.label for case in cases]
