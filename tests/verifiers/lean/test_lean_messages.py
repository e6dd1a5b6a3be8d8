"""Lean's own words: JSON lines, axioms, error texts; and the message that claims no axioms for a refused theorem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from piretry.verifiers.lean.batch import Bench, Limits, check_entries
from piretry.verifiers.lean.messages import MAX_ERROR_CHARS, Message, error_text, parse_axioms, parse_message
from piretry.verifiers.lean.pool import LeanPool
from piretry.verifiers.lean.sandbox import detect_sandbox
from piretry.verifiers.lean.sheet import Entry
from piretry.verifiers.lean.toolchain import Toolchain


def _message(data: str, severity: str = "error", line: int = 3, column: int = 0, kind: str = "x") -> Message:
    return Message(severity, line, column, kind, data)


@pytest.mark.parametrize(
    "line",
    [
        *("", "hello", "[]", "7", "null", "{}", '{"severity": "error"}', "[" * 100_000, "{" * 5000, "\ufffd"),
        '{"severity":"error","pos":null,"kind":"x","data":"y"}',
        '{"severity":"error","pos":{"line":"one","column":0},"kind":"x","data":"y"}',
    ],
)
def test_what_is_no_message(line: str) -> None:
    assert parse_message(line) is None


def test_a_message_is_read() -> None:
    row = {
        "severity": "warning",
        "pos": {"line": 4, "column": 8},
        "kind": "hasSorry",
        "data": "declaration uses `sorry`",
    }
    message = parse_message(json.dumps(row))
    assert message == Message("warning", 4, 8, "hasSorry", "declaration uses `sorry`")
    assert message.is_sorry and not message.is_error


@pytest.mark.parametrize(
    ("data", "severity", "axioms"),
    [
        ("'t1' does not depend on any axioms", "information", ()),
        ("'t1' depends on axioms: [propext]", "information", ("propext",)),
        ("'t1' depends on axioms: [propext,\n Classical.choice,\n Quot.sound]", "information", None),
        ("'t2' does not depend on any axioms", "information", None),
        ("'t1' does not depend on any axioms", "warning", None),
        ("'t1' does not depend on any axioms, says the proof", "information", None),
        ("x 't1' does not depend on any axioms", "information", None),
    ],
)
def test_axioms(data: str, severity: str, axioms: tuple[str, ...] | None) -> None:
    expected = axioms if "\n" not in data else ("propext", "Classical.choice", "Quot.sound")
    assert parse_axioms(_message(data, severity), "t1") == expected


def test_an_error_text_is_bounded_and_has_no_control_characters() -> None:
    many = [_message(f"\x1b[31mt_0a1b\u202e is wrong {number} " + "x" * 600, line=5 + number) for number in range(9)]
    text = error_text(many, first_line=5, names=[("t_0a1b", "the theorem")])
    assert len(text) <= MAX_ERROR_CHARS and text.startswith("line 1: [31mthe theorem is wrong 0 ")
    assert not set(text) & {"\x1b", "\u202e", "\x00"}
    assert "(5 more errors)" in error_text([_message("no", line=5)] * 9, 5)


def _bench(kernel: Toolchain, library: Path, scratch: Path, timeout_s: float = 30) -> Bench:
    return Bench(kernel, LeanPool(1), detect_sandbox(), Limits(timeout_s, 4096), scratch, library)


def test_a_refused_theorem_can_claim_to_have_no_axioms(kernel: Toolchain, library: Path, tmp_path: Path) -> None:
    """Lean answers "does not depend on any axioms" for a theorem that it has just refused: errors decide first."""
    big = "(Nat.rec (motive := fun _ => Nat) 0 (fun _ k => Nat.succ k) 40000)"
    entry = Entry("", f" : Eq {big} {big.replace('40000', '40001')}", "Eq.refl _")
    right = Entry("", " (p : Prop) (h : p) : p", "h")
    first, second = check_entries(_bench(kernel, library, tmp_path), [entry, right], 2)
    assert first.errors and first.axioms == ()
    assert not second.errors and second.axioms == () and not second.clean
