"""TRL's SFTTrainer with every field stated: data, loss on the completion only, precision, processes, sharding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from piretry.engines.base import Request
from piretry.engines.rendering import prompts_of
from piretry.errors import PiretryError
from piretry.sft import SftRow

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def example_tokens(
    rows: Sequence[SftRow], tokenizer: Any, template_options: Mapping[str, Any]
) -> list[tuple[list[int], list[int]]]:
    """Token ids of each example's prompt, as the engines show it, and of its completion with the end-of-turn token.

    The chat template never sees the completion. Qwen3's takes an assistant turn apart and writes it anew: it moves
    `<think>` blocks, adds an empty one where there is none and eats line breaks, so that the model would be trained on
    contexts and tokens that no sampling shows it. It would also train the line break after the end of the turn.
    """
    prompts = prompts_of(tokenizer, [Request(row.problem_id, row.prompt, 0) for row in rows], template_options)
    completions = tokenizer([row.completion for row in rows], add_special_tokens=False)["input_ids"]
    return [
        (prompt.tokens, [*completion, tokenizer.eos_token_id])
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def to_dataset(rows: Sequence[SftRow], tokenizer: Any, template_options: Mapping[str, Any]) -> Any:
    """The examples as TRL takes them ready-made: `input_ids`, and `completion_mask` with 1 where the loss counts."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}
            for prompt, completion in example_tokens(rows, tokenizer, template_options)
        ]
    )


def in_order_of_training(rows: Sequence[SftRow], examples: int, seed: int) -> list[SftRow]:
    """`examples` rows in the order in which they are trained on: shuffled epochs, one after the other.

    The shuffles are those of accelerate's seedable sampler (epoch e is drawn from seed + e), so that several
    processes see in each step what one process sees. One process ends an epoch with a short step where the number of
    rows is no multiple of the batch size; several processes, which must all have something to do, go on into the next
    epoch instead. Up to the end of the first epoch the two are equal, and throughout if the number is a multiple.
    """
    import torch

    order: list[SftRow] = []
    epoch = 0
    while len(order) < examples:
        generator = torch.Generator().manual_seed(seed + epoch)
        order += [rows[number] for number in torch.randperm(len(rows), generator=generator).tolist()]
        epoch += 1
    return order[:examples]


def common_arguments(settings: Mapping[str, Any], checkpoints: Path, processes: int) -> dict[str, Any]:
    """What every training tells transformers' Trainer: the tuning's steps and optimizer, checkpoints, and silence."""
    cpu = settings["device"] == "cpu"
    return {
        "output_dir": str(checkpoints),
        "max_steps": settings["steps"],
        "per_device_train_batch_size": settings["micro_batch_size"],
        "gradient_accumulation_steps": settings["batch_size"] // (settings["micro_batch_size"] * processes),
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": settings["schedule"],
        "warmup_steps": settings["warmup_steps"],
        "weight_decay": settings["weight_decay"],
        "max_grad_norm": settings["max_grad_norm"],
        # The fused form needs no temporary copies, which are a sixth of an 8B model's memory.
        "optim": "adamw_torch" if cpu else "adamw_torch_fused",
        "seed": settings["seed"],
        "data_seed": settings["seed"],
        "use_cpu": cpu,
        "bf16": settings["dtype"] == "bfloat16",
        "gradient_checkpointing": settings["gradient_checkpointing"],
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": not cpu,
        "save_strategy": "steps",
        "save_steps": settings["checkpoint_steps"],
        "save_total_limit": 1,
        "logging_strategy": "steps",
        "logging_steps": max(1, settings["steps"] // 20),
        "report_to": [],
        "disable_tqdm": True,
    }


def make_trainer(
    network: Any,
    tokenizer: Any,
    rows: Sequence[SftRow],
    settings: Mapping[str, Any],
    checkpoints: Path,
    progress: Progress,
) -> Any:
    """The configured SFTTrainer. Every field that TRL or transformers would choose for us is stated.

    The loss is TRL's fused one: it projects to the vocabulary in tiles and never holds all logits. `packing` is TRL's
    padding-free batch: the examples of a micro batch stand in one row without padding, positions start anew with each
    and attention stays within each, so that a step has the same examples, loss and gradient as without. (TRL's own
    `packing` fills rows up to max_length instead: a step of `batch_size` rows would then hold an unknown number of
    examples.)
    """
    from trl import SFTConfig, SFTTrainer

    processes = settings["processes"]
    if processes > 1:
        rows = in_order_of_training(rows, settings["steps"] * settings["batch_size"], settings["seed"])
    arguments = SFTConfig(
        **common_arguments(settings, checkpoints, processes),
        # Too long examples were refused before; TRL allows no length beside padding_free.
        max_length=None if settings["packing"] else settings["max_length"],
        padding_free=settings["packing"],
        completion_only_loss=True,
        packing=False,
        # The mean over the tokens of a step does not depend on how they are divided over micro batches and processes.
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        train_sampling_strategy="random" if processes == 1 else "sequential",
    )
    trainer = SFTTrainer(
        model=network,
        args=arguments,
        train_dataset=to_dataset(rows, tokenizer, settings["template_options"]),
        processing_class=tokenizer,
        peft_config=lora_config(settings) if settings["kind"] == "lora" else None,
    )
    _require_processes(trainer.accelerator, settings)
    if trainer.is_fsdp_enabled:
        _sum_gradients_in_full(trainer.accelerator.state.fsdp_plugin, settings)
    trainer.add_callback(progress_callback(progress))
    return trainer


def longest_example(rows: Sequence[SftRow], tokenizer: Any, template_options: Mapping[str, Any]) -> int:
    """Tokens of the longest example."""
    return max(len(prompt) + len(text) for prompt, text in example_tokens(rows, tokenizer, template_options))


def lora_config(settings: Mapping[str, Any]) -> Any:
    """peft's configuration of the tuning's LoRA adapter."""
    from peft import LoraConfig

    attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    return LoraConfig(
        r=settings["lora_rank"],
        lora_alpha=settings["lora_alpha"],
        lora_dropout=settings["lora_dropout"],
        target_modules="all-linear" if settings["lora_targets"] == "all-linear" else attention,
        bias="none",
        task_type="CAUSAL_LM",
    )


def _require_processes(accelerator: Any, settings: Mapping[str, Any]) -> None:
    """Refuse to train in another way than was asked for: accelerate falls back to a plainer one in silence.

    On CPU, for example, it drops FSDP, and each process would train a whole copy.
    """
    if settings["processes"] == 1:
        asked = {"NO"}
    elif settings["fsdp"]:
        asked = {"FSDP"}
    else:
        asked = {"MULTI_CPU" if settings["device"] == "cpu" else "MULTI_GPU"}
    found = accelerator.distributed_type.value
    if found not in asked or accelerator.num_processes != settings["processes"]:
        raise PiretryError(
            f"The training was to run in {settings['processes']} process(es) as {' or '.join(asked)}, but accelerate "
            f"set up {accelerator.num_processes} as {found}. Sharding (fsdp: true) and several processes need as many "
            "visible GPUs (CUDA_VISIBLE_DEVICES, the GPUs of the job in the scale file's resources)."
        )


def _sum_gradients_in_full(plugin: Any, settings: Mapping[str, Any]) -> None:
    """Compute in `dtype`, but add up the gradients of the processes in float32; accelerate would do both in `dtype`.

    The sharded weights themselves are float32 where they are trained (accelerate raises them), so that a step of
    2e-5, which is less than bfloat16 can add to most weights, is not lost.
    """
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy

    plugin.mixed_precision_policy = MixedPrecisionPolicy(
        param_dtype=getattr(torch, settings["dtype"]), reduce_dtype=torch.float32
    )


def progress_callback(progress: Progress) -> Any:
    """A trainer callback that moves a progress display by the steps done."""
    from transformers import TrainerCallback

    class Steps(TrainerCallback):
        """Moves the progress display by the steps done."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.display = progress(state.max_steps)
            self.advance = self.display.__enter__()
            self.advance(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.advance(1)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.display.__exit__(None, None, None)

    return Steps()
