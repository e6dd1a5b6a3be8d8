"""Settings of the prover: the theorem generator, the making of the mini prover, and skeleton distillation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from piretry.settings.mini import Positive, PretrainLoop, Share, Weight
from piretry.settings.model import Settings


class TheoremSettings(Settings):
    """The generator: sequents of →, And, Or and equations with a proof that a bounded search finds."""

    hypotheses: dict[Annotated[int, Field(ge=1, le=6)], Weight] = Field(
        min_length=1, description="Number of hypotheses -> its relative weight. Some are not needed for the proof."
    )
    steps: dict[Annotated[int, Field(ge=1, le=12)], Weight] = Field(
        min_length=1, description="Difficulty: rule applications in the proof that the search finds -> relative weight."
    )
    nested: Share = Field(description="Probability that a hypothesis has two connectives instead of one.")
    equations: Share = Field(description="Share of theorems in which equations stand beside propositional variables.")
    numbered: Share = Field(
        description="Share of theorems whose hypotheses are called h1, h2, … instead of by their type: the harder "
        "class, in which a name that exists can still be the wrong one."
    )
    train_share: float = Field(
        gt=0,
        lt=1,
        description="Share of all theorems that belongs to the training split. A hash of the normal form decides, so "
        "the splits are disjoint up to renaming and order whatever is drawn.",
    )
    eval_share: float = Field(gt=0, lt=1, description="Share that is held out. What is left is for pretraining.")
    seed: int = Field(ge=0, description="Seed of the draws of training and held-out theorems.")

    @model_validator(mode="after")
    def _sensible(self) -> TheoremSettings:
        if self.train_share + self.eval_share >= 1:
            raise ValueError(
                f"train_share {self.train_share} and eval_share {self.eval_share} leave no theorem for pretraining: "
                "their sum must be below 1"
            )
        for name in ("hypotheses", "steps"):
            if not any(getattr(self, name).values()):
                raise ValueError(f"{name} gives every number the weight 0: at least one must be above 0")
        return self


class ProverPretrainSettings(PretrainLoop):
    """How the mini prover is made: what its dialogues are like, and how it is trained on them."""

    theorems: Positive = Field(
        description="Theorems of the pretraining split that are drawn. Each serves several dialogues, with other "
        "variables and another order of hypotheses every time."
    )
    styles: dict[Literal["nested", "flat", "direct"], Weight] = Field(
        min_length=1,
        description="Styles of the proofs, with weights: one step back at a time with `have`, all facts in order of "
        "need with `have`, or one expression. Proofs along a skeleton are `nested`, as the known proofs are.",
    )
    plain_until: Share = Field(
        description="Share of the steps in which every dialogue is a bare theorem and its proof, before retries and "
        "skeletons begin: short dialogues, and the model learns to prove sooner."
    )
    skeleton_share: Share = Field(
        description="Share of dialogues that show the proof's sub-goals: without them the model could not be a teacher."
    )
    retry_share: Share = Field(
        description="Share of dialogues that are a failed proof, a retry prompt (half of them with an error like the "
        "compiler's) and a fresh proof."
    )
    slips: Share = Field(
        description="Probability that a proof has a slip: a hypothesis in the place of another, the wrong half of a "
        "conjunction, a name that does not exist. Gives the base errors that better training can sharpen away."
    )
    slips_from: Share = Field(description="Share of the steps after which slips begin; before, proofs are right.")

    @model_validator(mode="after")
    def _sensible(self) -> ProverPretrainSettings:
        if self.skeleton_share + self.retry_share > 1:
            raise ValueError(
                f"skeleton_share {self.skeleton_share} and retry_share {self.retry_share} add up to more than 1"
            )
        if not any(self.styles.values()):
            raise ValueError("styles gives every kind the weight 0: at least one must be above 0")
        return self


class DistillSettings(Settings):
    """Skeleton distillation, beside what TuningSettings says of its steps and weights.

    The sources state the method (the model conditioned on the proof's `have` statements is the teacher, KL, on-policy,
    500 steps) and none of the following.
    """

    direction: Literal["forward", "reverse"] = Field(
        description="forward: KL(teacher || student); reverse: KL(student || teacher). Not stated by the sources."
    )
    teacher: Literal["frozen", "current"] = Field(
        description="The weights of the teacher: those that training starts from, or the student's own of each step. "
        "Not stated by the sources."
    )
    temperature: float = Field(
        gt=0, description="Divides the scores of both before they are compared. Not stated by the sources."
    )
    rollout_temperature: float = Field(
        gt=0, description="Sampling temperature of the student's rollouts. Not stated by the sources."
    )
    max_tokens: Positive = Field(
        description="Longest rollout; one that is cut off is learnt from up to there. Not stated by the sources."
    )
    chunk_tokens: Positive = Field(
        description="Positions whose scores over the whole vocabulary are in memory at once: two float32 numbers a "
        "token of the vocabulary each. Changes memory and speed, and results by rounding alone."
    )
