"""What config.yaml says: the grid, the seeds, the scale and the statistics."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from piretry.grid.names import NO_PROMPT, PROMPTED_METHODS, Arm
from piretry.settings.model import Settings


class GridGroup(Settings):
    """A block of cells: every combination of the listed values, at every seed of the named seed set."""

    roles: list[str] = Field(min_length=1, description="Roles whose model is trained: small, medium, large, prover.")
    methods: list[str] = Field(min_length=1, description="retry, rejection, resample, cross.")
    tunings: list[str] = Field(min_length=1, description="Names under training.tunings of the scale.")
    k: list[int] = Field(min_length=1, description="Retries (or extra attempts) allowed for a problem.")
    prompts: list[str] = Field(
        min_length=1,
        description="Retry prompts: bare, gold, gibberish, wrong; `none` for methods that show none.",
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


class StatisticsSettings(Settings):
    """Fixed before a run, never after."""

    level: float = Field(gt=0.5, lt=1, description="Confidence level of intervals, e.g. 0.95.")
    bootstrap: int = Field(ge=200, description="Bootstrap draws.")
    seed: int = Field(ge=0, description="Seed of the bootstrap.")


class Config(Settings):
    """The whole of config.yaml."""

    scale: str = Field(description="Which file of scales/ to run: mini, paper.")
    results: str = Field(description="Folder of results; each scale has its own folder in it.")
    claims: str = Field(description="The file of claims.")
    seeds: dict[str, Annotated[list[int], Field(min_length=1)]] = Field(
        description="Named seed sets. A seed drives sampling, selection and training of a cell."
    )
    teachers: dict[str, str] = Field(
        description="Method cross: which role's model writes the retries for a student role."
    )
    grid: list[GridGroup] = Field(min_length=1, description="The cells.")
    statistics: StatisticsSettings = Field(description="Settings of intervals and tests.")

    @model_validator(mode="after")
    def _seed_sets(self) -> Config:
        for name, seeds in self.seeds.items():
            if len(set(seeds)) != len(seeds):
                raise ValueError(f"seeds.{name} names a seed twice: {seeds}")
        for group in self.grid:
            if group.seeds not in self.seeds:
                raise ValueError(f"a grid group uses the seed set {group.seeds!r}; defined are {', '.join(self.seeds)}")
        return self
