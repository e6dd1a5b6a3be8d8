"""The dialogues of a prover's retries: the bare prompt, or the one that shows what the type checker said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from piretry.completions import CompletionRow
from piretry.data.schema import Problem
from piretry.dialogue import retry_dialogue
from piretry.lean_prompts import LeanPrompts, skeleton_opening, skeletons, with_error
from piretry.sampling import Ask, seed_of


class LeanRetryAsks:
    """Builds the dialogues of retries from the training theorems and the job's settings.

    `settings` holds `template` of the prompt, `history` and `error_characters`, among those of every sampling job.
    """

    def __init__(self, settings: Mapping[str, Any], problems: Sequence[Problem]) -> None:
        self.settings = settings
        self.problems = {problem.problem_id: problem for problem in problems}

    def ask(self, problem_id: str, failures: Sequence[CompletionRow], attempt: int, sample: int, kind: str) -> Ask:
        """One retry of a theorem after its `failures` (oldest first); `kind` keeps the seeds of stages apart."""
        settings, problem = self.settings, self.problems[problem_id]
        prompts = [with_error(settings["template"], row.message, settings["error_characters"]) for row in failures]
        proofs = [row.completion for row in failures]
        return Ask(
            problem_id=problem_id,
            gold=problem.gold,
            messages=retry_dialogue(settings["chat"], problem.problem, proofs, prompts, settings["history"]),
            attempt=attempt,
            sample=sample,
            seed=seed_of(settings, f"{kind}/{settings['prompt']}", problem_id, attempt, sample),
        )


def skeleton_asks(
    settings: Mapping[str, Any], problems: Sequence[Problem], failed: set[str], samples: range
) -> list[Ask]:
    """The theorems of `failed` with the sub-goals of their known proof, those that have any; `samples` times each."""
    prompts = LeanPrompts(settings["prompts"], settings["error_characters"])
    known = skeletons(problems)
    return [
        Ask(
            problem_id=problem.problem_id,
            gold=problem.gold,
            messages=skeleton_opening(settings["chat"], problem.problem, prompts, known[problem.problem_id]),
            attempt=0,
            sample=sample,
            seed=seed_of(settings, "skeleton", problem.problem_id, 0, sample),
        )
        for problem in problems
        if problem.problem_id in failed and problem.problem_id in known
        for sample in samples
    ]
