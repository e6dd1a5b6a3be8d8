"""What `piretry plan` estimates with: a scale's speeds, lengths and accuracies, and the compute that sources state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from piretry.errors import nearest
from piretry.grid.names import PROMPTS, ROLES, Arm
from piretry.settings.model import Settings

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Uncertainty(Settings):
    """How far the hours may be off: factors on the estimate."""

    low: float = Field(gt=0, le=1, description="The least that a run is expected to take, as a share of the estimate.")
    high: float = Field(ge=1, description="The most that a run is expected to take, as a multiple of the estimate.")


class ThroughputSettings(Settings):
    """What `piretry plan` estimates time with."""

    sources: dict[str, str] = Field(
        description="Where the figures come from: a sentence for each key of this table that holds figures, as "
        "`measured`, `stated by the sources` or `assumed`, and how."
    )
    job_start_s: float = Field(ge=0, description="Start-up of one job: interpreter, imports, loading the model.")
    light_job_s: float = Field(ge=0, description="A whole job of a stage without a model.")
    sample_tokens_per_s: dict[str, Rate] = Field(
        description="Generated tokens per second of one GPU (of one job where jobs have no GPU), by role."
    )
    train_examples_per_s: dict[str, Rate] = Field(
        description="Training examples per second of one GPU (of one job where jobs have no GPU), by role (`small`) or "
        "role and tuning (`small.lora`); the more specific entry counts. `prover.distill`: rollouts per second of a "
        "distillation."
    )
    pretrain_s: dict[str, float] = Field(description="Seconds to pretrain the base of a role.")
    tokens_per_completion: float = Field(gt=0, description="Mean length of a completion.")
    tokens_per_completion_by_role: dict[str, Rate] = Field(
        default={}, description="Roles that depart from tokens_per_completion."
    )
    first_attempt_accuracy: dict[str, Share] = Field(
        description="Expected accuracy of first attempts on the training problems by role: decides how many retries "
        "there will be."
    )
    retry_success: dict[str, Share] = Field(
        description="Expected share of retries that succeed, by role (`small`) or role and prompt (`small.gold`); the "
        "more specific entry counts. A role without an entry is taken to succeed as often as at first."
    )
    uncertainty: Uncertainty | None = Field(description="Range shown around the hours; null shows none.")

    @field_validator("sample_tokens_per_s", "pretrain_s", "first_attempt_accuracy", "tokens_per_completion_by_role")
    @classmethod
    def _by_role(cls, value: dict[str, float]) -> dict[str, float]:
        _known(value, ROLES, "role")
        return value

    @field_validator("train_examples_per_s", "retry_success")
    @classmethod
    def _by_role_or_more(cls, value: dict[str, float]) -> dict[str, float]:
        _known([key.partition(".")[0] for key in value], ROLES, "role")
        return value

    @model_validator(mode="after")
    def _sourced(self) -> ThroughputSettings:
        _known([key.partition(".")[2] for key in self.retry_success if "." in key], PROMPTS, "retry prompt")
        figures = [name for name in type(self).model_fields if name not in ("sources", "uncertainty")]
        _known(self.sources, figures, "key of the throughput table")
        empty = [name for name in figures if getattr(self, name) == {}]
        lacking = [name for name in figures if name not in self.sources and name not in empty]
        if lacking:
            raise ValueError(f"sources says nothing about {', '.join(lacking)}: every figure needs its source")
        return self

    def completion_tokens(self, role: str) -> float:
        """Mean length of a completion by a model of `role`."""
        return self.tokens_per_completion_by_role.get(role, self.tokens_per_completion)


class PublishedPart(Settings):
    """A part of the published compute, and what of this project's grid it stands beside."""

    says: str = Field(description="What the sources ran, in a few words.")
    gpu_hours: float = Field(gt=0, description="GPU-hours that the sources state for it, all seeds together.")
    series: list[str] = Field(description="The cells that correspond; empty where this project has none.")
    seeds: int = Field(ge=1, description="Seeds that the stated hours cover.")

    @field_validator("series")
    @classmethod
    def _arms(cls, value: list[str]) -> list[str]:
        for name in value:
            Arm.parse(name)
        return value


class PublishedCompute(Settings):
    """The GPU-hours that the sources state, beside which a plan is shown."""

    gpu: str = Field(description="Their GPU.")
    gpu_hours: float = Field(gt=0, description="GPU-hours in all, as far as stated.")
    source: str = Field(description="Where that is said.")
    parts: list[PublishedPart] = Field(description="Parts that are stated one by one; they need not add up.")


def _known(given: Iterable[str], choices: Iterable[str], what: str) -> None:
    known = list(choices)
    for name in given:
        if name not in known:
            raise ValueError(f"{name!r} is no {what}.{nearest(name, known)}")
