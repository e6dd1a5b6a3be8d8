"""How a problem, a failed answer and a retry prompt become the turns that a model sees."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from piretry.engines.base import Message


def opening(chat: Mapping[str, Any], problem: str) -> tuple[Message, ...]:
    """The first turns: the system turn where one is set, and the problem with the instruction after it."""
    turns: list[Message] = []
    if chat["system"] is not None:
        turns.append({"role": "system", "content": str(chat["system"])})
    text = f"{problem}\n{chat['instruction']}" if chat["instruction"] else problem
    turns.append({"role": "user", "content": text})
    return tuple(turns)


def retry_dialogue(
    chat: Mapping[str, Any], problem: str, failures: Sequence[str], prompt: str | Sequence[str], history: str
) -> tuple[Message, ...]:
    """The turns before a retry.

    Args:
        chat: the scale's chat settings.
        problem: the problem's text.
        failures: the failed answers so far, oldest first, at least one.
        prompt: the retry prompt, filled in; or one for each failure, where it says something of it.
        history: `last` shows the last failed answer, `all` every one with its own retry prompt, `none` only the
            problem, with the retry prompt below it in the same turn.
    """
    first = opening(chat, problem)
    prompts = [prompt] * len(failures) if isinstance(prompt, str) else prompt
    if history == "none":
        asked = first[-1]["content"]
        return (*first[:-1], {"role": "user", "content": f"{asked}\n{prompts[-1]}"})
    shown = list(zip(failures, prompts, strict=True))
    turns = list(first)
    for failure, asked_again in shown if history == "all" else shown[-1:]:
        turns.append({"role": "assistant", "content": failure})
        turns.append({"role": "user", "content": asked_again})
    return tuple(turns)


def other_answer(problem_id: str, gold: str, golds: Sequence[tuple[str, str]], seed: int) -> str:
    """The gold answer of another random problem that differs from `gold`: what the `wrong` prompt shows.

    Args:
        problem_id: the problem that is retried.
        gold: its gold answer.
        golds: (problem_id, gold) of all problems, in a fixed order.
        seed: the run's seed.
    """
    start = int(hashlib.sha256(f"{seed}/{problem_id}/wrong".encode()).hexdigest(), 16) % len(golds)
    for step in range(len(golds)):
        other_id, other = golds[(start + step) % len(golds)]
        if other_id != problem_id and other != gold:
            return other
    raise ValueError("every problem has the same gold answer: there is no wrong one to show")
