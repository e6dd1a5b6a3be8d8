"""The prover's prompts: the published texts, what is filled in, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from piretry.data.schema import Problem
from piretry.data.theorems.skeleton import skeleton
from piretry.errors import PiretryError
from piretry.lean_prompts import PUBLISHED, LeanPrompts, shown_error, skeleton_opening, skeletons

PROTOCOL = Path(__file__).parents[2] / "shared/docs/published-protocol.md"
PROMPTS = LeanPrompts(PUBLISHED, error_characters=60)
CHAT: dict[str, Any] = {"system": "You prove.", "instruction": "Give one term.", "template_options": {}}


@pytest.mark.skipif(not PROTOCOL.is_file(), reason="shared/docs/published-protocol.md is not there")
def test_the_texts_are_the_published_ones() -> None:
    text = " ".join(PROTOCOL.read_text(encoding="utf-8").split())
    assert PROMPTS.bare() in text
    assert PUBLISHED["error"].replace("{error}", "[ERROR MESSAGE]") in text
    assert PUBLISHED["skeleton"].replace("{subgoals}", "[have h1: ..., have h2: ...]") in text


def test_a_skeleton_stands_below_the_theorem_in_the_same_turn() -> None:
    subgoals = skeleton("have hq : q := f hp; have hr : r := g hq; h hr")
    turns = skeleton_opening(CHAT, "theorem t (p : Prop) : p", PROMPTS, subgoals)
    assert turns == (
        {"role": "system", "content": "You prove."},
        {
            "role": "user",
            "content": "theorem t (p : Prop) : p\nGive one term.\n"
            "Given these sub-goals: have hq : q, have hr : r, prove the theorem.",
        },
    )
    with pytest.raises(ValueError, match="no skeleton to show"):
        PROMPTS.skeleton(())


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Unknown identifier `hq`", "Unknown identifier `hq`"),
        ("Type mismatch\n  hq\nhas type\n  q.", "Type mismatch hq has type q"),
        ("x" * 70, "x" * 60 + " …"),
        (" \n ", "no message"),
        ("", "no message"),
        ("says {error} and {subgoals}", "says {error} and {subgoals}"),
    ],
)
def test_errors_are_shown_on_one_line_and_bounded(message: str, shown: str) -> None:
    assert shown_error(message, 60) == shown
    assert (
        PROMPTS.error(message)
        == f"Your proof failed with the following error: {shown}. Please try a different approach."
    )


@pytest.mark.parametrize(
    ("templates", "says"),
    [
        ({**PUBLISHED, "bare": " "}, "prover.prompts.bare in the scale file must hold the literal text"),
        ({k: v for k, v in PUBLISHED.items() if k != "error"}, "prover.prompts.error in the scale file must hold"),
        ({**PUBLISHED, "error": "It failed."}, r"must show exactly \{error\}"),
        ({**PUBLISHED, "bare": "Failed: {error}"}, "must show nothing in braces"),
        (
            {**PUBLISHED, "skeletn": "x"},
            "prover.prompts.skeletn in the scale file is no prompt. Did you mean 'skeleton'",
        ),
    ],
)
def test_templates_that_cannot_be_right_are_refused(templates: dict[str, str], says: str) -> None:
    with pytest.raises(PiretryError, match=says):
        LeanPrompts(templates, 60)
    with pytest.raises(PiretryError, match="must be at least 1"):
        LeanPrompts(PUBLISHED, 0)


def test_problems_without_a_proof_or_without_sub_goals_have_no_skeleton() -> None:
    proofs = {"a": "have h : p := x; h", "b": "x", "c": None}
    problems = [Problem(name, "theorem t : p", "theorem t : p", proof, "s", "train") for name, proof in proofs.items()]
    assert {name: [goal.text for goal in goals] for name, goals in skeletons(problems).items()} == {"a": ["have h : p"]}
