"""Blocks of cells, as config.yaml and the scales write them."""

from __future__ import annotations

from pydantic import Field

from piretry.grid.names import NO_PROMPT, PROMPTED_METHODS, Arm
from piretry.settings.model import Settings


class GridGroup(Settings):
    """A block of cells: every combination of the listed values, at every seed of the named seed set."""

    roles: list[str] = Field(min_length=1, description="Roles whose model is trained: small, medium, large, prover.")
    methods: list[str] = Field(
        min_length=1, description="retry, rejection, resample, cross; skeleton and skeleton_sft for the prover."
    )
    tunings: list[str] = Field(min_length=1, description="Names under training.tunings of the scale.")
    k: list[int] = Field(min_length=1, description="Retries (or extra attempts) allowed for a problem.")
    prompts: list[str] = Field(
        min_length=1,
        description="Retry prompts: bare, gold, gibberish, wrong, for the prover bare, error; `none` for methods that "
        "show none.",
    )
    rounds: int = Field(ge=1, description="Cells of rounds 1 to this number.")
    seeds: str = Field(description="Name of a seed set under `seeds`.")

    def arms(self) -> list[Arm]:
        """The arms of this group, in the order of the file."""
        return [
            Arm(role, method, tuning, k, prompt if method in PROMPTED_METHODS else NO_PROMPT, round_)
            for role in self.roles
            for method in self.methods
            for tuning in self.tunings
            for k in self.k
            for prompt in self.prompts
            for round_ in range(1, self.rounds + 1)
        ]
