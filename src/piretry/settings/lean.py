"""What a scale file says of its prover: theorems, prompts, the checker of proofs, and how the base is made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from piretry.errors import nearest
from piretry.settings.data import FileDataset, HubDataset
from piretry.settings.mini import ModelShape, Positive
from piretry.settings.model import Settings
from piretry.settings.prover import DistillSettings, ProverPretrainSettings, TheoremSettings
from piretry.settings.sampling import ChatSettings, SamplingSettings

PROMPT_FIELDS = {"bare": None, "error": "{error}", "skeleton": "{subgoals}"}
# Formats of data sets that hold theorems.
THEOREM_FORMATS = ("minif2f", "numina-lean", "fields")
# Where the Lean image has its Lake project. A scale that names this folder needs no Lean on the submit host.
IMAGE_PROJECT = "/opt/lean/project"


class PretrainProverRole(Settings):
    """The prover, pretrained by the workflow itself on theorems of its generator, from a seed."""

    source: Literal["pretrain_prover"] = Field(description="`pretrain_prover`: made in the workflow, no download.")
    shape: ModelShape = Field(description="Architecture of the model.")
    pretrain: ProverPretrainSettings = Field(description="How the model is pretrained.")


class TheoremsDataset(Settings):
    """Theorems from the built-in generator; `prover.theorems` says how they are made."""

    kind: Literal["theorems"] = Field(description="`theorems`: made by the workflow, no download.")
    name: str = Field(description="The dataset's name in records.")
    split: Literal["train", "eval"] = Field(description="Which of the generator's disjoint splits.")


ProverDataset = Annotated[TheoremsDataset | HubDataset | FileDataset, Field(discriminator="kind")]


class LeanSettings(Settings):
    """The checker of proofs and its limits."""

    toolchain: Literal["kernel", "command", "lake"] = Field(
        description="`kernel`: the Lean of the optional extra `lean`, with a small library of our own. `command`: a "
        "`lean` command. `lake`: the Lean of a Lake project, with what it depends on (Mathlib)."
    )
    command: list[str] | None = Field(min_length=1, description="The `lean` command and its options; null with others.")
    project: str | None = Field(
        description="Folder of the built Lake project; null with the others. `/opt/lean/project` is that of the Lean "
        "image, in which the jobs that check proofs then run."
    )
    proofs: Literal["term", "file"] = Field(
        description="What a completion is: one proof term, or Lean text of any kind (tactics, a whole file)."
    )
    workers: Positive = Field(description="Lean processes of one job at a time.")
    timeout_s: float = Field(ge=0.1, description="Wall-clock seconds for one proof.")
    memory_mb: Annotated[int, Field(ge=1024)] = Field(
        description="Address space of one process, MB, mapped modules included (Mathlib's have some 6 GB)."
    )
    batch: Positive = Field(description="Proof terms that one process checks; anything else has its own.")

    @model_validator(mode="after")
    def _consistent(self) -> LeanSettings:
        for key, value in (("command", self.command), ("project", self.project)):
            needed = self.toolchain == {"command": "command", "project": "lake"}[key]
            if needed != (value is not None):
                need = f"given with toolchain: {self.toolchain}" if needed else f"null with toolchain: {self.toolchain}"
                raise ValueError(f"{key} must be {need}")
        return self

    @property
    def in_image(self) -> bool:
        """Whether the checker is the one of the Lean image, and none is looked for on this machine."""
        return self.toolchain == "lake" and self.project == IMAGE_PROJECT


class ProverSettings(Settings):
    """The prover's own world: what is a setting of all roles beside it stands at the top of the scale file."""

    theorems: TheoremSettings | None = Field(description="The built-in generator's settings; null where not used.")
    train: ProverDataset = Field(description="The theorems that training theorems are drawn from.")
    eval: ProverDataset = Field(description="The held-out theorems.")
    train_problems: Positive = Field(description="Training theorems, generated or drawn.")
    eval_problems: Positive = Field(description="How many held-out theorems there must be.")
    seed: Annotated[int, Field(ge=0)] = Field(description="Seed of the draw from a larger dataset.")
    chat: ChatSettings = Field(description="Prompt format.")
    attempt: SamplingSettings = Field(description="Sampling of attempts and retries (T=0.7 in the sources).")
    prompts: dict[Literal["bare", "error", "skeleton"], str] = Field(
        description="The literal prompts: a bare retry, a retry with the type checker's {error}, and the theorem with "
        "the {subgoals} of a known proof."
    )
    error_characters: Positive = Field(description="Longest error that a prompt shows. Not stated by the sources.")
    verifier: LeanSettings = Field(description="The checker of proofs.")
    distill: DistillSettings = Field(description="Method skeleton, beside what its tuning says.")

    @model_validator(mode="after")
    def _consistent(self) -> ProverSettings:
        uses = "theorems" in (self.train.kind, self.eval.kind)
        if uses != (self.theorems is not None):
            raise ValueError(
                "theorems must be given: a dataset is of kind theorems"
                if uses
                else "theorems must be null: no dataset uses it"
            )
        for key in ("train", "eval"):
            dataset = getattr(self, key)
            if dataset.kind != "theorems" and dataset.format not in THEOREM_FORMATS:
                raise ValueError(
                    f"{key}.format is {dataset.format!r}, which holds no theorems: expected one of "
                    f"{', '.join(THEOREM_FORMATS)}"
                )
        for name, shown in PROMPT_FIELDS.items():
            template = self.prompts.get(name, "")  # type: ignore[call-overload]
            if not template.strip():
                raise ValueError(f"prompts has no text for {name!r}.{nearest(name, self.prompts)}")
            if shown and shown not in template:
                raise ValueError(f"prompts.{name} must show {shown}: {template!r}")
        return self
