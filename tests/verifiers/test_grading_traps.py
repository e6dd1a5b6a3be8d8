"""The trap table: the grader's error rates on it are printed, and its known errors are exactly the marked
ones.
"""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from piretry.verifiers import Grade, MathVerifier, Verdict
from piretry.verifiers.traps import Trap, error_rate, grade_traps, load_traps, rate

TRAPS = load_traps()


@pytest.fixture(scope="module")
def grades() -> list[Grade]:
    with MathVerifier(workers=2, timeout_s=20) as verifier:
        return grade_traps(verifier)


def test_the_table_is_large_labelled_and_sourced() -> None:
    assert len(TRAPS) >= 80
    assert len({trap.request.id for trap in TRAPS}) == len(TRAPS)
    assert all(trap.source for trap in TRAPS)
    assert {trap.label for trap in TRAPS} >= {
        Verdict.correct,
        Verdict.wrong,
        Verdict.no_answer,
        Verdict.gold_unparseable,
    }
    pairs = Counter((trap.request.gold, trap.request.completion, trap.request.finish_reason) for trap in TRAPS)
    assert max(pairs.values()) == 1


@pytest.mark.parametrize("index", range(len(TRAPS)), ids=[trap.request.id for trap in TRAPS])
def test_each_case_is_graded_as_the_table_says(grades: list[Grade], index: int) -> None:
    """A case marked `graded` is a known error: mending it must be noted in the table, too."""
    trap, grade = TRAPS[index], grades[index]
    assert trap.graded != trap.label, "a known error cannot be right"
    assert grade.verdict is (trap.graded or trap.label), f"{trap.request.gold!r} against {grade.answer!r}"


def test_the_error_rates_are_printed(grades: list[Grade], capsys: pytest.CaptureFixture[str]) -> None:
    ours = rate(TRAPS, [grade.verdict for grade in grades])
    second = rate(TRAPS, [grade.second_opinion for grade in grades])
    alone = rate(TRAPS, [_math_verify_alone(trap, grade) for trap, grade in zip(TRAPS, grades, strict=True)])
    with capsys.disabled():
        print(f"\n  grader on the trap table:            {ours}")
        print(f"  the second opinion:                  {second}")
        print(f"  math-verify alone, same extraction:  {alone}")
        print(f"  the two opinions differ on {sum(grade.disagreement for grade in grades)} of {len(grades)}")
        print(
            f"  known errors: {', '.join(ours.false_positives + ours.false_negatives)}; "
            f"refused under another name: {', '.join(ours.wrong_kind)}"
        )
    known = {trap.request.id for trap in TRAPS if trap.graded is not None}
    assert {*ours.false_positives, *ours.false_negatives, *ours.wrong_kind} == known
    assert ours.false_positive_rate == len(ours.false_positives) / ours.negatives
    assert ours.false_positive_rate < alone.false_positive_rate
    assert ours.false_negative_rate < alone.false_negative_rate
    assert len(ours.false_positives) <= 2 and len(ours.false_negatives) <= 5


def _math_verify_alone(trap: Trap, grade: Grade) -> Verdict:
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    try:
        if grade.answer is None or trap.label is Verdict.gold_unparseable or grade.verdict is Verdict.timeout:
            return grade.verdict
        equal = verify(parse(f"${trap.request.gold}$"), parse(f"${grade.answer}$"))
        return Verdict.correct if equal else Verdict.wrong
    finally:
        logging.disable(logging.NOTSET)


def test_the_error_rate_is_a_function_of_the_package() -> None:
    with MathVerifier(timeout_s=20) as verifier:
        measured = error_rate(verifier)
    assert measured.cases == len(TRAPS) and measured.positives + measured.negatives == measured.cases
    assert f"{measured.cases} cases" in str(measured)
