"""Retry prompts and how they are filled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.errors import PiretryError
from piretry.prompts import RetryPrompts, fill

TEMPLATES = {
    "bare": "Your previous answer was incorrect. Try again carefully.",
    "gold": "The correct answer is {gold}. Please solve the problem showing how to arrive at this answer.",
    "gibberish": "The correct answer is XYZZY. Please solve the problem.",
    "wrong": "The correct answer is {wrong}. Please solve the problem.",
}
PROMPTS = RetryPrompts(TEMPLATES)


def test_each_prompt_shows_what_it_says() -> None:
    shown = {name: PROMPTS.render(name, "7", "3") for name in PROMPTS.names}
    assert shown == {
        "bare": "Your previous answer was incorrect. Try again carefully.",
        "gold": "The correct answer is 7. Please solve the problem showing how to arrive at this answer.",
        "gibberish": "The correct answer is XYZZY. Please solve the problem.",
        "wrong": "The correct answer is 3. Please solve the problem.",
    }
    assert [PROMPTS.hinted(name, "7", "3") for name in PROMPTS.names] == [None, None, "7", "3"]
    assert PROMPTS.names == ("bare", "gibberish", "gold", "wrong")


@given(st.text(), st.text())
def test_any_answer_is_shown_as_it_is(gold: str, wrong: str) -> None:
    assert fill("<{gold}|{wrong}|{gold}>", gold=gold, wrong_answer=wrong) == f"<{gold}|{wrong}|{gold}>"


def test_an_answer_is_never_filled_again() -> None:
    assert fill("{gold} and {wrong}", gold=r"\frac{wrong}{2}", wrong_answer="{gold}") == r"\frac{wrong}{2} and {gold}"


def test_other_braces_stay() -> None:
    template = r"Box it: \boxed{}. Not \text{if}, but \frac{a}{b} = {gold}."
    prompts = RetryPrompts({"gold": template})
    assert prompts.render("gold", "1", "2") == r"Box it: \boxed{}. Not \text{if}, but \frac{a}{b} = 1."


@pytest.mark.parametrize(
    ("name", "template", "message"),
    [
        ("bare", " ", "retry.prompts.bare in the scale file is empty"),
        ("gold", "The answer is {glod}.", r"\{glod\}, which is not a placeholder.*Did you mean 'gold'"),
        ("gold", "The answer is known.", r"does not show \{gold\}"),
        ("wrong", "The answer is {gold}.", r"does not show \{wrong\}"),
    ],
)
def test_templates_that_cannot_work_are_refused(name: str, template: str, message: str) -> None:
    with pytest.raises(PiretryError, match=message):
        RetryPrompts({**TEMPLATES, name: template})


def test_an_unknown_prompt_is_named_with_the_nearest() -> None:
    with pytest.raises(PiretryError, match=r"no retry prompt 'golden'\. Did you mean 'gold'"):
        PROMPTS.render("golden", "7", "3")
