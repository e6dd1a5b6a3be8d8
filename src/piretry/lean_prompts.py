"""What a prover is asked: the bare theorem, a retry, a retry with the compiler's error, the theorem with a skeleton.

The templates are literal and come from the scale file; the sources' own are in `PUBLISHED`. Where the sources print
``[ERROR MESSAGE]`` and ``[have h1: ..., have h2: ...]`` the brackets mark what is filled in, as in their ``[GOLD]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from piretry.data.schema import Problem
from piretry.data.theorems.skeleton import SubGoal, skeleton
from piretry.dialogue import opening
from piretry.engines.base import Message
from piretry.errors import PiretryError, nearest

# The prover's prompts, and the placeholder that each must show.
SHOWN: Mapping[str, str | None] = {"bare": None, "error": "error", "skeleton": "subgoals"}
PUBLISHED: Mapping[str, str] = {
    "bare": "Your proof failed to type-check. Please try again with a different approach.",
    "error": "Your proof failed with the following error: {error}. Please try a different approach.",
    "skeleton": "Given these sub-goals: {subgoals}, prove the theorem.",
}
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")


@dataclass(frozen=True)
class LeanPrompts:
    """The prover's prompts of a scale, name -> template, and how much of an error is shown.

    `error_characters`: longest error text; a longer one is cut off, and says so. Not stated by the sources.

    Raises PiretryError for a prompt that is missing, blank or unknown, and for wrong placeholders.
    """

    templates: Mapping[str, str]
    error_characters: int

    def __post_init__(self) -> None:
        for name in self.templates:
            if name not in SHOWN:
                raise PiretryError(f"prover.prompts.{name} in the scale file is no prompt.{nearest(name, SHOWN)}")
        for name, shown in SHOWN.items():
            where = f"prover.prompts.{name} in the scale file"
            template = self.templates.get(name, "")
            if not template.strip():
                raise PiretryError(f"{where} must hold the literal text of the prompt, such as {PUBLISHED[name]!r}.")
            found, wanted = set(_PLACEHOLDER.findall(template)), {shown} - {None}
            if found != wanted:
                need = f"exactly {{{shown}}}" if shown else "nothing"
                raise PiretryError(f"{where} must show {need} in braces: {template!r}.")
        if self.error_characters < 1:
            raise PiretryError(
                f"prover.error_characters in the scale file is {self.error_characters}; it must be at least 1."
            )

    def bare(self) -> str:
        """The retry prompt that says no more than that the proof failed."""
        return self.templates["bare"]

    def error(self, message: str) -> str:
        """The retry prompt with the compiler's message, which may be of any length and hold anything."""
        return with_error(self.templates["error"], message, self.error_characters)

    def skeleton(self, subgoals: Sequence[SubGoal]) -> str:
        """The prompt that shows a proof's sub-goals; ValueError when there are none."""
        if not subgoals:
            raise ValueError("a proof without sub-goals has no skeleton to show")
        return self.templates["skeleton"].replace("{subgoals}", ", ".join(goal.text for goal in subgoals))


def with_error(template: str, message: str, characters: int) -> str:
    """A retry prompt with the compiler's message where the template shows it."""
    return template.replace("{error}", shown_error(message, characters))


def shown_error(message: str, characters: int) -> str:
    """A compiler's message as a prompt shows it: on one line, without its full stop, cut after `characters`."""
    line = " ".join(message.split()).rstrip(".")
    if not line:
        return "no message"
    return line if len(line) <= characters else f"{line[:characters].rstrip()} …"


def skeleton_opening(
    chat: Mapping[str, Any], problem: str, prompts: LeanPrompts, subgoals: Sequence[SubGoal]
) -> tuple[Message, ...]:
    """The first turns where the sub-goals are shown: those of the bare theorem, with the skeleton below it."""
    *before, asked = opening(chat, problem)
    return (*before, {"role": asked["role"], "content": f"{asked['content']}\n{prompts.skeleton(subgoals)}"})


def skeletons(problems: Sequence[Problem]) -> dict[str, tuple[SubGoal, ...]]:
    """The sub-goals of each problem's known proof, by problem id; problems without any are left out.

    They alone can be asked with a skeleton, or distilled from.
    """
    found = {problem.problem_id: skeleton(problem.solution or "") for problem in problems}
    return {problem_id: subgoals for problem_id, subgoals in found.items() if subgoals}
