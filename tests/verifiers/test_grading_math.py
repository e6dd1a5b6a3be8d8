"""The verifier as a whole: rules of precedence, repetition, threads, processes, and hostile completions."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from grading_inputs import GOLDS, changes, rewritings
from hostile_inputs import hostile

from piretry.errors import PiretryError
from piretry.verifiers import Grade, GradeRequest, MathVerifier, Verdict, Verifier
from piretry.verifiers.rewrite import rewrite


def _requests(*pairs: tuple[str, str]) -> list[GradeRequest]:
    return [GradeRequest(str(number), gold, completion) for number, (gold, completion) in enumerate(pairs)]


MIXED = _requests(
    (r"\frac{1}{2}", r"so \boxed{0.5}"),
    (r"\frac{1}{2}", r"so \boxed{0.6}"),
    (r"\frac{1}{2}", "so 0.5"),
    ("3 4", r"so \boxed{7}"),
    ("3 4", "so 7"),
    ("12", r"\boxed{12}"),
    ("12", r"\boxed{ 012 }"),
    ("12", r"\boxed{13}"),
    ("x+1", r"\boxed{" + "x" * 5000 + "}"),
)
EXPECTED = [
    "correct",
    "wrong",
    "no_answer",
    "gold_unparseable",
    "gold_unparseable",
    "correct",
    "correct",
    "wrong",
    "wrong",
]


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    with MathVerifier(workers=2, timeout_s=5) as shared:
        yield shared


def _verdicts(grades: list[Grade]) -> list[str]:
    return [str(grade.verdict) for grade in grades]


def test_verdicts_in_the_order_of_the_requests(verifier: MathVerifier) -> None:
    as_verifier: Verifier = verifier
    grades = as_verifier.grade(MIXED)
    assert _verdicts(grades) == EXPECTED
    assert [grade.id for grade in grades] == [request.id for request in MIXED]
    assert [grade.answer for grade in grades[:3]] == ["0.5", "0.6", None]
    assert {grade.verifier for grade in grades} == {verifier.version}
    assert _verdicts(verifier.grade(MIXED[::-1])) == EXPECTED[::-1]
    assert verifier.grade([]) == []


def test_the_version_names_packages_and_rules(verifier: MathVerifier) -> None:
    from importlib.metadata import version

    for short, name in (
        ("math-verify", "math-verify"),
        ("latex2sympy2_extended", "latex2sympy2_extended"),
        ("sympy", "sympy"),
        ("antlr4", "antlr4-python3-runtime"),
    ):
        assert f"{short} {version(name)}" in verifier.version
    assert "; rules " in verifier.version


def test_a_completion_that_was_cut_off_has_no_answer(verifier: MathVerifier) -> None:
    request = GradeRequest("a", "5", r"\boxed{5}", "length")
    assert verifier.grade([request])[0] == Grade("a", None, Verdict.no_answer, verifier.version, Verdict.no_answer)


def test_which_references_parse(verifier: MathVerifier) -> None:
    assert verifier.gold_parses([r"\frac{1}{2}", "", "3 4", "204_5", "1:2", r"\frac{"]) == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_disagreement_is_between_correct_and_not_correct() -> None:
    def disagreement(first: Verdict, second: Verdict) -> bool:
        return Grade("", "", first, "", second).disagreement

    assert disagreement(Verdict.correct, Verdict.wrong) and disagreement(Verdict.timeout, Verdict.correct)
    assert not disagreement(Verdict.timeout, Verdict.wrong) and not disagreement(Verdict.correct, Verdict.correct)


def test_plain_integers_need_no_worker() -> None:
    with MathVerifier() as verifier:
        assert _verdicts(verifier.grade(_requests(("7", r"\boxed{7}"), ("7", r"\boxed{-7}"), ("7", "7")))) == [
            "correct",
            "wrong",
            "no_answer",
        ]
        assert verifier._pool.started == 0


def test_integers_without_a_worker_are_graded_as_by_a_worker() -> None:
    from piretry.verifiers.compare import compare
    from piretry.verifiers.math import decide_directly

    for job in (
        ("7", "007"),
        ("0", "-0"),
        ("-3", "3"),
        ("12", "12"),
        ("12", "21"),
        ("10", None),
        ("123456789012345678", "123456789012345679"),
    ):
        assert decide_directly(job) is compare(*job)
    assert (
        decide_directly(("７", "7")) is None
        and decide_directly(("7", "7.0")) is None
        and decide_directly(("", "7")) is None
    )


def test_equal_pairs_are_graded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with MathVerifier() as verifier:
        seen: list[int] = []
        run = verifier._pool.run
        monkeypatch.setattr(verifier._pool, "run", lambda jobs: seen.append(len(jobs)) or run(jobs))
        verifier.grade(_requests(*[(r"\frac{1}{2}", rf"\boxed{{{number % 3}/2}}") for number in range(300)]))
        verifier.grade(_requests((r"\frac{1}{2}", r"again \boxed{1/2}")))
        assert seen == [3]


def test_rewritten_answers_are_correct_and_changed_ones_wrong(verifier: MathVerifier) -> None:
    """Labelled by construction: 20 rewritings and some changes of 25 references of many kinds."""
    right = [(gold, name, text) for gold in GOLDS for name, text in rewritings(gold, 20, seed=0)]
    wrong = [(gold, name, text) for gold in GOLDS for name, text in changes(gold, seed=0)]
    assert len(right) == 20 * len(GOLDS)
    grades = verifier.grade(_requests(*[(gold, rf"\boxed{{{text}}}") for gold, _, text in right + wrong]))
    refused = [case for case, grade in zip(right, grades, strict=False) if grade.verdict is not Verdict.correct]
    passed = [case for case, grade in zip(wrong, grades[len(right) :], strict=True) if grade.verdict is Verdict.correct]
    assert refused == [] and passed == []


def test_several_threads_share_a_verifier(verifier: MathVerifier) -> None:
    results: dict[int, list[str]] = {}

    def work(number: int) -> None:
        results[number] = _verdicts(
            verifier.grade([*MIXED, GradeRequest("own", r"\frac{1}{2}", rf"\boxed{{{number}/20}}")])
        )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [*EXPECTED, "correct" if number == 10 else "wrong"] for number in range(8, 12)}


def _grade_in_child(verifier: MathVerifier | None, queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    if verifier is None:
        verifier = MathVerifier()
    queue.put(_verdicts(verifier.grade([*MIXED, GradeRequest("own", r"\frac{1}{3}", r"\boxed{2/6}")])))
    verifier.close()


@pytest.mark.parametrize("inherited", [False, True])
def test_a_daemonic_process_can_grade(verifier: MathVerifier, inherited: bool) -> None:
    """Daemonic processes may not have multiprocessing children; a forked one must not touch its parent's
    workers.
    """
    verifier.grade(MIXED)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_grade_in_child, args=(verifier if inherited else None, queue), daemon=True)
    process.start()
    assert queue.get(timeout=60) == [*EXPECTED, "correct"]
    process.join(timeout=60)
    assert process.exitcode == 0
    assert _verdicts(verifier.grade([GradeRequest("after", r"\frac{1}{3}", r"\boxed{3/9}")])) == ["correct"]


def test_a_verifier_can_be_used_again_after_close() -> None:
    verifier = MathVerifier()
    for denominator in (4, 6):
        assert _verdicts(
            verifier.grade(_requests((r"\frac{1}{2}", rf"\boxed{{{denominator // 2}/{denominator}}}")))
        ) == ["correct"]
        verifier.close()
        verifier.close()


def test_hostile_completions_pass_through(verifier: MathVerifier) -> None:
    """A sample of what benchmarks/grading.py does with 10,000: nothing hangs, and a known pair is still
    right.
    """
    requests = [
        GradeRequest(name, "5", text)
        for name, text in hostile(150, seed=5)
        if name not in ("power", "analysis", "nested", "list")
    ]
    grades = verifier.grade([*requests, GradeRequest("check", r"\frac{1}{2}", r"\boxed{0.5}")])
    assert grades[-1].verdict is Verdict.correct
    passed = {grade.answer for grade in grades[:-1] if grade.verdict is Verdict.correct}
    assert {rewrite(str(answer)) for answer in passed} == {
        "5"
    }  # the frame's own answer, or control characters around it


def test_strings_that_no_encoding_takes(verifier: MathVerifier) -> None:
    texts = ["\ud800", "\x00", "5\x00", "\udcff\udcfe", "\U0010ffff", "x" * 10**6, "\n" * 10**6]
    grades = verifier.grade(
        _requests(*[(text, rf"\boxed{{{text}}}") for text in texts], *[("x+1", rf"\boxed{{{text}}}") for text in texts])
    )
    assert len(grades) == 2 * len(texts)
    assert Verdict.error not in {grade.verdict for grade in grades}


def test_a_verdict_does_not_depend_on_what_was_graded_before() -> None:
    pairs = [
        (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}"),
        (r"\tan^2(y)+1", r"\sec^2(y)"),
        ("x^2=4", "2x^2=8"),
        ("1,2,3", "3,1,2"),
    ]
    requests = _requests(*[(gold, rf"\boxed{{{answer}}}") for gold, answer in pairs])
    with MathVerifier() as first, MathVerifier(recycle_after=1) as second:  # here each child grades one pair
        assert _verdicts(first.grade(requests)) == _verdicts(second.grade(requests[::-1]))[::-1] == ["correct"] * 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 0), ("timeout_s", 0), ("timeout_s", float("inf")), ("memory_mb", 10), ("recycle_after", 0)],
)
def test_a_setting_out_of_range_is_named(name: str, value: float) -> None:
    with pytest.raises(PiretryError, match=f"`{name}` is {value}"):
        MathVerifier(**{name: value})


def test_importing_the_verifiers_loads_neither_sympy_nor_math_verify() -> None:
    code = "import sys, piretry.verifiers; sys.exit(bool({'sympy', 'math_verify', 'torch'} & sys.modules.keys()))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_a_module_in_the_current_folder_cannot_replace_the_graders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sympy.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    with MathVerifier() as verifier:
        assert _verdicts(verifier.grade(MIXED[:1])) == ["correct"]
