"""Which text of a completion is its answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.verifiers.extract import extract_answer, last_box


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (r"\boxed{5}", "5"),
        (r"first \boxed{4}, then \boxed{7}.", "7"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed  { 5 }", "5"),
        ("\\boxed{\n5\n}", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"\boxed{a \\{b}}", r"a \\{b}"),  # a new row, then a group
        (r"\boxed{x = \boxed{5}}", "5"),
        (r"\boxed{4} and \boxed{5", "4"),  # the last one that is closed
        (r"} { \boxed{5} } {{{", "5"),
        (r"\boxed{}", None),
        (r"\boxed{  }", None),
        (r"\boxed 5", None),
        (r"\boxedx{5}", None),
        (r"\\boxed{5}", None),  # a line break and a word
        ("the answer is 5", None),
        ("", None),
        (r"<think>\boxed{4}</think> \boxed{5}", "5"),
        (r"<think>\boxed{4}</think> five", None),
        (r"<think>\boxed{4}", None),
        (r"\boxed{4}</think>\boxed{5}", "5"),  # templates open the thought in the prompt
        (r"<think>a</think> \boxed{4} <think> \boxed{5}", None),
        (r"<think>a</think> b</think> \boxed{5}", "5"),
    ],
)
def test_the_answer_of_a_completion(completion: str, answer: str | None) -> None:
    assert extract_answer(completion) == answer


@pytest.mark.parametrize("reason", ["length", "abort", "", "STOP"])
def test_only_a_normal_end_has_an_answer(reason: str) -> None:
    assert extract_answer(r"\boxed{5}", reason) is None


@pytest.mark.parametrize(
    "unit", ["\\boxed{", "{", "}", "\\boxed", "\\boxed ", "\\", "\\boxed{1}", "<think>", "</think>", "\x00", "\ud800"]
)
def test_a_megabyte_is_scanned_once(unit: str) -> None:
    """A quadratic scan would need minutes; the limit is far above what one pass takes on a busy machine."""
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    extract_answer(text)
    assert time.process_time() - start < 20


_PIECES = st.lists(
    st.sampled_from(["\\boxed{", "\\fbox {", "{", "}", "\\", "a", "\\{", "<think>", "</think>"]), max_size=60
)


@given(_PIECES.map("".join))
def test_the_box_is_balanced_and_last(text: str) -> None:
    box = last_box(text)
    if box is not None:
        assert box in text
        depth, position = 0, 0
        while position < len(box):
            position += box[position] == "\\"  # the next character is escaped
            depth += {"{": 1, "}": -1}.get(box[position : position + 1], 0) * (
                box[position - 1 : position] != "\\" or position == 0
            )
            assert depth >= 0
            position += 1
        assert depth == 0
    assert last_box(text + r" \boxed{the end}") == "the end"
