"""What config.yaml says: the grid, the seeds, the scale and the statistics."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from piretry.settings.grid import GridGroup
from piretry.settings.model import Settings


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
    site: str = Field(
        description="The file with the cluster's settings, written by `piretry init slurm`. While it is not there, "
        "jobs name no account, partition or GPU model."
    )
    budget_gpu_hours: float | None = Field(
        gt=0, description="A run whose plan needs more GPU-hours is refused before its first job; null sets no limit."
    )

    @model_validator(mode="after")
    def _seed_sets(self) -> Config:
        for name, seeds in self.seeds.items():
            if len(set(seeds)) != len(seeds):
                raise ValueError(f"seeds.{name} names a seed twice: {seeds}")
        for group in self.grid:
            if group.seeds not in self.seeds:
                raise ValueError(f"a grid group uses the seed set {group.seeds!r}; defined are {', '.join(self.seeds)}")
        return self
