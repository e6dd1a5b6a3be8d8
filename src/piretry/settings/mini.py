"""Settings of the mini scale's own world: the problem generator, and base models that are pretrained from nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from piretry.settings.model import Settings

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[int, Field(ge=1)]


class ChainSettings(Settings):
    """The generator: chains of additions, subtractions and multiplications modulo 10."""

    operations: dict[Annotated[int, Field(ge=1, le=8)], Weight] = Field(
        min_length=1,
        description="Difficulty: number of operations of a chain -> its relative weight, e.g. {2: 1, 3: 1, 4: 1}.",
    )
    train_share: float = Field(
        gt=0,
        lt=1,
        description="Share of all possible problems that belongs to the training split. A hash of the problem decides, "
        "so the splits are disjoint whatever is drawn.",
    )
    eval_share: float = Field(
        gt=0,
        lt=1,
        description="Share of all possible problems that is held out. What is left is for pretraining.",
    )
    seed: int = Field(ge=0, description="Seed of the draws of training and held-out problems.")

    @model_validator(mode="after")
    def _sensible(self) -> ChainSettings:
        if self.train_share + self.eval_share >= 1:
            raise ValueError(
                f"train_share {self.train_share} and eval_share {self.eval_share} leave no problem for pretraining: "
                "their sum must be below 1"
            )
        if not any(self.operations.values()):
            raise ValueError("operations gives every length the weight 0: at least one must be above 0")
        return self


class ModelShape(Settings):
    """A Qwen3 architecture. The embedding is tied to the output layer, as in Qwen3-1.7B."""

    hidden_size: Positive = Field(description="Width of the residual stream.")
    layers: Positive = Field(description="Transformer blocks.")
    heads: Positive = Field(description="Query heads.")
    kv_heads: Positive = Field(description="Key and value heads; divides heads. 1 makes sampling fastest.")
    head_dim: Annotated[int, Field(ge=2, multiple_of=2)] = Field(description="Width of a head; even, for RoPE.")
    intermediate_size: Positive = Field(description="Width of the gated feed-forward layer.")
    rope_theta: float = Field(gt=1, description="Base of the rotary positions. Dialogues are short: small is better.")
    max_positions: Positive = Field(description="Longest dialogue in tokens.")
    vocabulary: Annotated[int, Field(ge=259, le=512)] = Field(
        description="Upper limit of the tokenizer's size: 256 bytes, 3 special tokens, and merges."
    )
    initial_std: float = Field(gt=0, description="Standard deviation of the initial weights.")

    @model_validator(mode="after")
    def _grouped(self) -> ModelShape:
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        return self


class PretrainLoop(Settings):
    """What every pretraining run is told, whatever its dialogues are about."""

    seed: int = Field(ge=0, description="Seed of the initial weights and of the dialogues.")
    steps: Positive = Field(description="Optimizer steps.")
    batch_size: Positive = Field(description="Dialogues a step.")
    row_tokens: Positive = Field(description="Dialogues of a step are packed into rows of up to so many tokens.")
    histories: dict[Literal["last", "all", "none"], Weight] = Field(
        min_length=1,
        description="What retry dialogues show of the failures, with weights, as retry.history of the scale: the last "
        "one, two of them (all), or none.",
    )
    learning_rate: float = Field(gt=0, description="Peak learning rate of Muon, for the matrices.")
    embedding_learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW, for embedding and norms.")
    weight_decay: float = Field(ge=0, description="Weight decay of the matrices.")
    warmup_steps: int = Field(ge=0, description="Steps of linear warm-up.")
    final_learning_rate: Share = Field(
        description="Where the linear decay of both learning rates ends, as a share of the peak."
    )
    checkpoint_every: Positive = Field(description="Steps between checkpoints, from which a killed run goes on.")

    @model_validator(mode="after")
    def _runs(self) -> PretrainLoop:
        if not any(self.histories.values()):
            raise ValueError("histories gives every kind the weight 0: at least one must be above 0")
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be below steps {self.steps}")
        return self


class PretrainSettings(PretrainLoop):
    """How a base model is made: what its dialogues are like, and how it is trained on them."""

    step_noise: Share = Field(
        description="Probability that a worked step states a random wrong result (the error is carried on): slips, "
        "which better training can sharpen away."
    )
    noise_from: Share = Field(
        description="Share of the steps after which step_noise begins; before, the model sees no slips and learns to "
        "calculate in a fraction of the time."
    )
    misconceptions: Share = Field(
        description="Share of the 300 facts `a op b = c` that this model has learnt wrong: for each there is one wrong "
        "result. Gives a base model errors that repeat, so that greedy decoding has headroom too."
    )
    misconception_rate: Share = Field(
        description="Probability that such a fact is stated wrong, at every step of the training."
    )
    retry_share: Share = Field(
        description="Share of dialogues that are a wrong answer, a retry prompt and a fresh answer."
    )
    hint_following: Share = Field(
        description="Probability that the answer after a prompt that shows an answer (gold, wrong) bends its last step "
        "to end there."
    )
