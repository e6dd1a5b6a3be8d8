"""What a role's problems are, mathematics or theorems, and what follows from it: files, prompts, sampling, grader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from piretry.grid import paths
from piretry.grid.names import PROVER
from piretry.settings.lean import ProverSettings
from piretry.settings.sampling import ChatSettings, SamplingSettings
from piretry.settings.scale import Scale

# The package whose modules are the stages.
STAGES = "piretry.stages"
MATH_VERIFIER = "piretry.verifiers.math"
LEAN_VERIFIER = "piretry.verifiers.lean.settings"
# The dialogues of retries after proofs, which alone know what an error prompt is.
LEAN_ASKS = "piretry.lean_asks"
# The text of our own library, which decides verdicts as much as code does.
LEAN_LIBRARY = "piretry/verifiers/lean/prelude.lean"


@dataclass(frozen=True)
class Domain:
    """The world of one kind of problems.

    `train` and `eval` are the problem tables; `prompts` the retry prompts by name; `verifier` the grader's settings and
    `graders` the modules that it and the dialogues consist of.
    """

    train: str
    eval: str
    train_problems: int
    eval_problems: int
    chat: ChatSettings
    sampling: SamplingSettings
    prompts: Mapping[str, str]
    verifier: dict[str, Any]
    graders: tuple[str, ...]
    error_characters: int | None = None

    def asking(self) -> dict[str, Any]:
        """What the stages that build retry dialogues need beside the prompts; nothing for mathematics."""
        return {} if self.error_characters is None else {"error_characters": self.error_characters}


def domain(scale: Scale, role: str) -> Domain:
    """The world of the problems of `role`."""
    if role != PROVER or scale.prover is None:
        return Domain(
            train=paths.TRAIN,
            eval=paths.EVAL,
            train_problems=scale.data.train_problems,
            eval_problems=scale.data.eval_problems,
            chat=scale.chat,
            sampling=scale.attempt,
            prompts={str(name): text for name, text in scale.retry.prompts.items()},
            verifier=scale.verifier.plain(),
            graders=(MATH_VERIFIER,),
        )
    own: ProverSettings = scale.prover
    return Domain(
        train=paths.THEOREMS,
        eval=paths.THEOREMS_EVAL,
        train_problems=own.train_problems,
        eval_problems=own.eval_problems,
        chat=own.chat,
        sampling=own.attempt,
        prompts={str(name): text for name, text in own.prompts.items()},
        verifier=own.verifier.plain(),
        graders=(LEAN_VERIFIER, LEAN_ASKS, LEAN_LIBRARY),
        error_characters=own.error_characters,
    )
