"""What a scale file (scales/mini.yaml, scales/paper.yaml) says: what the roles are bound to, and how.

Keys that the published sources do not fix have no default: the scale file must state them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from piretry.grid.names import MATH_PROMPTS, METHODS, PROVER, PROVER_METHODS
from piretry.settings.compute import PublishedCompute, ThroughputSettings
from piretry.settings.data import FileDataset, HubDataset, OverlapSettings, SubsetSettings
from piretry.settings.grid import GridGroup
from piretry.settings.lean import PretrainProverRole, ProverSettings
from piretry.settings.mini import ChainSettings, ModelShape, PretrainSettings
from piretry.settings.model import Settings
from piretry.settings.sampling import ChatSettings, SamplingSettings

Positive = Annotated[int, Field(ge=1)]


class HubShape(Settings):
    """The architecture of a downloaded model, as its config.json has it: what memory estimates start from."""

    layers: Positive = Field(description="Transformer layers.")
    hidden_size: Positive = Field(description="Width of the residual stream.")
    intermediate_size: Positive = Field(description="Width of the feed-forward layer.")
    heads: Positive = Field(description="Attention heads.")
    kv_heads: Positive = Field(description="Key and value heads.")
    head_dim: Positive = Field(description="Width of a head.")
    vocabulary: Positive = Field(description="Tokens of the embedding, padding included.")


class PretrainedRole(Settings):
    """A role whose base model is downloaded (or lies in a local folder) at a pinned revision."""

    source: Literal["hub"] = Field(description="`hub`: a model repository or a local folder.")
    model: str = Field(description="Hub id (`Qwen/Qwen3-1.7B`) or path of a local folder with safetensors.")
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = Field(
        description="Commit of the hub repository, 40 hex digits; null for a local folder."
    )
    parameters: Positive = Field(description="Number of parameters, for plans and memory estimates.")
    shape: HubShape = Field(description="Architecture, for memory estimates before the model is here.")


class PretrainRole(Settings):
    """A role whose base model is pretrained by the workflow itself, from a seed."""

    source: Literal["pretrain"] = Field(description="`pretrain`: made in the workflow, no download.")
    shape: ModelShape = Field(description="Architecture of the model.")
    pretrain: PretrainSettings = Field(description="How the model is pretrained.")


class ChainsDataset(Settings):
    """Problems from the built-in generator; `data.chains` says how they are made."""

    kind: Literal["chains"] = Field(description="`chains`: made by the workflow, no download.")
    name: str = Field(description="The dataset's name in records.")
    split: Literal["train", "eval"] = Field(description="Which of the generator's disjoint splits.")
    problems: Positive = Field(description="How many problems are generated.")


Dataset = Annotated[ChainsDataset | HubDataset | FileDataset, Field(discriminator="kind")]


class DataSettings(Settings):
    """Training pool, held-out problems, and the draw of the training set from the pool."""

    train: Dataset = Field(description="The pool that training problems are drawn from.")
    eval: Dataset = Field(description="The held-out problems.")
    chains: ChainSettings | None = Field(description="The built-in generator's settings; null where it is not used.")
    subset: SubsetSettings = Field(description="The draw of the training problems.")
    overlap: OverlapSettings = Field(description="Which pool problems count as held-out ones, and which are removed.")
    eval_problems: Positive = Field(description="How many held-out problems there must be (500 in the sources).")

    @model_validator(mode="after")
    def _generator(self) -> DataSettings:
        uses = "chains" in (self.train.kind, self.eval.kind)
        if uses != (self.chains is not None):
            raise ValueError(
                "chains must be given: a dataset is of kind chains"
                if uses
                else "chains must be null: no dataset uses it"
            )
        if self.train.kind == "chains" and self.train.problems < self.subset.problems:
            raise ValueError(
                f"subset.problems {self.subset.problems} is more than the {self.train.problems} of train.problems"
            )
        return self

    @property
    def train_problems(self) -> int:
        """How many problems are drawn for training."""
        return self.subset.problems


Role = Annotated[PretrainedRole | PretrainRole | PretrainProverRole, Field(discriminator="source")]


class VllmSettings(Settings):
    """What the vLLM engine needs beside what every engine does."""

    gpu_memory_utilization: float = Field(gt=0, le=1, description="Share of the GPU's memory that the engine takes.")
    max_model_len: Positive | None = Field(
        description="Longest prompt and completion together, in tokens; null takes the model's own limit."
    )
    max_num_batched_tokens: Positive = Field(description="Tokens that one step of the engine processes at most.")
    enforce_eager: bool = Field(description="No CUDA graphs: slower, starts faster. true on CPU.")
    prefix_caching: bool = Field(description="Keep the key-value cache of prompt prefixes: retries share theirs.")
    batch_invariant: bool = Field(
        description="Kernels whose results do not depend on the batch (Hopper GPUs); slower, reproducible to the token."
    )
    cpu_kvcache_gb: float | None = Field(description="Cache of the CPU build, GB; null on GPUs.")
    lora: Literal["merged", "adapter"] = Field(
        description="How a LoRA-trained state is sampled: with merged weights, or its base with the adapter."
    )


class EngineSettings(Settings):
    """How completions are generated."""

    backend: Literal["transformers", "vllm"] = Field(description="The engine that samples.")
    dtype: Literal["float32", "bfloat16"] = Field(
        description="Weights and arithmetic. Text is reproducible across batch sizes in float32 only."
    )
    device: Literal["cpu", "cuda"] = Field(description="Where the model runs.")
    threads: Positive = Field(description="CPU threads of a model job. Part of the result: sums are ordered by it.")
    batch_size: Positive = Field(description="Prompts in flight at once.")
    vllm: VllmSettings | None = Field(description="Settings of the vLLM engine; null with backend: transformers.")

    @model_validator(mode="after")
    def _backend(self) -> EngineSettings:
        if (self.backend == "vllm") != (self.vllm is not None):
            need = "given with backend: vllm" if self.backend == "vllm" else f"null with backend: {self.backend}"
            raise ValueError(f"vllm must be {need}")
        return self


class RetrySettings(Settings):
    """The retry dialogue."""

    history: Literal["last", "all", "none"] = Field(
        description="What the model sees of its failed answers when it retries: the last one, all, or none. "
        "Not stated by the sources."
    )
    prompts: dict[Literal["bare", "gold", "gibberish", "wrong"], str] = Field(
        description="The literal retry prompts. {gold} and {wrong} are filled in."
    )

    @model_validator(mode="after")
    def _all_prompts(self) -> RetrySettings:
        missing = [name for name in MATH_PROMPTS if name not in self.prompts]
        if missing:
            raise ValueError(f"retry prompts without a text: {', '.join(missing)}")
        return self


class SelectionSettings(Settings):
    """Which completions of a method become training examples."""

    include_correct_first: bool = Field(
        description="Whether correct first attempts are trained on too. Stated by the sources for retry "
        "(yes) and for double-sample (no)."
    )
    cap_per_problem: Positive = Field(description="Training examples kept of one problem, the earliest first.")
    match_examples_to: Literal["retry"] | None = Field(
        description="Cut the set, by seed, to the number of examples that retry has at the same K with the "
        "bare prompt; null keeps all. Separates the effect of the method from that of more data."
    )


class TuningSettings(Settings):
    """One way of training on the selected completions."""

    kind: Literal["full", "lora"] = Field(description="All weights, or a low-rank adapter.")
    learning_rate: float = Field(gt=0, description="Peak learning rate.")
    learning_rate_by_role: dict[str, float] = Field(description="Roles that depart from learning_rate.")
    steps: Positive = Field(description="Optimizer steps (500 in the sources).")
    batch_size: Positive = Field(description="Examples a step, over all processes (32 in the sources).")
    micro_batch_size: Positive = Field(description="Examples a process sees at once.")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        description="Learning-rate schedule. Not stated by the sources."
    )
    warmup_steps: int = Field(ge=0, description="Warm-up. Not stated by the sources.")
    weight_decay: float = Field(ge=0, description="AdamW's weight decay. Not stated by the sources.")
    max_grad_norm: float = Field(gt=0, description="Gradient clipping. Not stated by the sources.")
    max_length: Positive = Field(description="Longest example in tokens; longer ones are an error.")
    packing: bool = Field(
        description="Lay the examples of a micro batch end to end without padding, without attention across them; the "
        "examples of a step stay the same."
    )
    gradient_checkpointing: bool = Field(description="Compute activations again instead of keeping them: less memory.")
    checkpoint_steps: Positive = Field(description="Steps between the checkpoints that a killed job resumes from.")
    fsdp: bool = Field(
        description="Shard weights, gradients and optimizer over the GPUs of the job (FSDP); false: each has a copy."
    )
    lora_rank: Positive | None = Field(description="LoRA rank (16 in the sources); null with full.")
    lora_alpha: Positive | None = Field(description="LoRA alpha (32 in one place); null with full.")
    lora_dropout: float | None = Field(description="LoRA dropout. Not stated by the sources; null with full.")
    lora_targets: Literal["all-linear", "attention"] | None = Field(
        description="Modules that get an adapter. Not stated by the sources; null with full."
    )

    @model_validator(mode="after")
    def _consistent(self) -> TuningSettings:
        lora = {name: getattr(self, name) for name in ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets")}
        wrong = [name for name, value in lora.items() if (value is None) == (self.kind == "lora")]
        if wrong:
            need = "a value with kind: lora" if self.kind == "lora" else "null with kind: full"
            raise ValueError(f"{', '.join(wrong)} must be {need}")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class TrainingSettings(Settings):
    """How the next model is made from the selected completions."""

    start_from: Literal["previous", "base"] = Field(
        description="Where the training of round r starts: the model of round r-1 (as in the sources) or the base."
    )
    tunings: dict[str, TuningSettings] = Field(
        description="Named ways of training; a cell names one (`retry-full`, `retry-lora`)."
    )


class EvaluationSettings(Settings):
    """How a state is scored on the held-out problems."""

    primary: Literal["sampled", "greedy"] = Field(
        description="The decoding that claims are judged on. The sources say 'pass@1' and no more."
    )
    samples: Positive = Field(description="Sampled completions of each held-out problem.")


class VerifierSettings(Settings):
    """Limits of the grading workers."""

    workers: Positive = Field(description="Worker processes of one grading job.")
    timeout_s: float = Field(gt=0, description="Wall-clock seconds for one answer.")
    memory_mb: Positive = Field(description="Address space of one worker, MB.")


class ResourceSettings(Settings):
    """What one job of a stage asks of the scheduler."""

    mem_mb: Positive = Field(description="Memory, MB.")
    runtime: Positive = Field(description="Time limit, minutes.")
    gpus: int = Field(ge=0, description="GPUs.")


class Scale(Settings):
    """A binding of the grid's words to real models, data, engines and hyper-parameters."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="The scale's name and its folder under results/.")
    description: str = Field(description="What this scale is and is not; shown on top of the report.")
    reading: Literal["direction", "paper"] = Field(
        description="`paper`: verdicts on the published figures. `direction`: only whether an effect points the same "
        "way."
    )
    roles: dict[Literal["small", "medium", "large", "prover"], Role] = Field(
        description="What each role is. Claims on a role that is absent are `not run`."
    )
    data: DataSettings = Field(description="Training pool and held-out problems.")
    engine: EngineSettings = Field(description="The sampling engine.")
    chat: ChatSettings = Field(description="Prompt format.")
    shards: Positive = Field(
        description="Jobs over which each sampling stage of a state is divided, by problem, and gathered. Batches "
        "differ with it, so that it is part of the result in every arithmetic that batches change."
    )
    attempt: SamplingSettings = Field(description="Sampling of attempts and retries (T=0.7 in the sources).")
    retry: RetrySettings = Field(description="The retry dialogue.")
    selection: dict[Literal["retry", "rejection", "resample", "cross", "skeleton_sft"], SelectionSettings] = Field(
        description="What each method keeps for training."
    )
    prover: ProverSettings | None = Field(description="The prover's own settings; null where the scale has no prover.")
    training: TrainingSettings = Field(description="Training.")
    evaluation: EvaluationSettings = Field(description="Evaluation.")
    verifier: VerifierSettings = Field(description="Grading.")
    share_engine_start: bool = Field(
        description="One job samples the retries of a state with all its prompts, so that the model is loaded once. "
        "false: a job for each prompt, so that one prompt can be made or changed without the others."
    )
    resources: dict[str, ResourceSettings] = Field(
        description="Scheduler requests by stage (`train`), stage and role (`train.medium`), or stage, role and tuning "
        "(`train.medium.lora`); the most specific entry counts, and `default` serves the stages that are not named."
    )
    resource_growth: float = Field(
        ge=1, description="Factor on memory and time at each retry of a job that Slurm ended (profile key `retries`)."
    )
    variants: list[GridGroup] = Field(
        description="Cells of this scale beside the grid of config.yaml: readings on which the sources contradict "
        "themselves. Claims show them as variants."
    )
    throughput: ThroughputSettings = Field(description="Figures for `piretry plan`.")
    published_compute: PublishedCompute | None = Field(
        description="GPU-hours that the sources state, shown beside those of the plan; null where none correspond."
    )

    @model_validator(mode="after")
    def _complete(self) -> Scale:
        if "default" not in self.resources:
            raise ValueError("resources has no entry 'default'")
        for key in self.resources:
            _, *parts = key.split(".")
            if parts and parts[0] not in self.roles:
                raise ValueError(f"resources.{key}: {parts[0]!r} is not a role of this scale")
            if parts[1:] and parts[1] not in self.training.tunings:
                raise ValueError(f"resources.{key}: {parts[1]!r} is not a tuning of this scale")
            if len(parts) > 2:
                raise ValueError(f"resources.{key}: write stage, stage.role or stage.role.tuning")
        self._check_prover()
        needed = [m for m in METHODS if m not in PROVER_METHODS or (self.prover is not None and m == "skeleton_sft")]
        lacking = [method for method in needed if method not in self.selection]
        if lacking:
            raise ValueError(f"selection has no entry for {', '.join(lacking)}")
        return self

    def _check_prover(self) -> None:
        if (PROVER in self.roles) != (self.prover is not None):
            raise ValueError(
                "prover must be null: roles has no prover"
                if self.prover is not None
                else "prover must be given: roles has a prover, whose theorems, prompts and checker it states"
            )
        for role, binding in self.roles.items():
            if binding.source == ("pretrain" if role == PROVER else "pretrain_prover"):
                fit = "pretrain_prover or hub" if role == PROVER else "pretrain or hub"
                raise ValueError(f"roles.{role}.source is {binding.source!r}, but must be {fit}")
            if binding.source == "pretrain_prover" and self.prover is not None and self.prover.theorems is None:
                raise ValueError("prover.theorems must be given: the prover is pretrained on theorems of the generator")

    def asks(self, stage: str, role: str | None = None, tuning: str | None = None) -> ResourceSettings:
        """What a job of `stage` asks of the scheduler, for `role` and (training only) `tuning`."""
        keys = [f"{stage}.{role}.{tuning}", f"{stage}.{role}", stage, "default"]
        return next(self.resources[key] for key in keys if key in self.resources)
