"""Supervised fine-tuning by TRL: full weights or LoRA, loss on the completion only, resumable, deterministic."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.sft import SftRow

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Outcome:
    """What a training run reports: counters for the provenance record, and the logged losses as (step, loss)."""

    counters: dict[str, float] = field(default_factory=dict)
    losses: list[tuple[int, float]] = field(default_factory=list)


def to_dataset(rows: Sequence[SftRow], template_options: Mapping[str, Any]) -> Any:
    """The examples as a conversational prompt/completion dataset, the form whose loss TRL can mask by turn."""
    from datasets import Dataset

    options = {"chat_template_kwargs": dict(template_options)} if template_options else {}
    return Dataset.from_list(
        [
            {
                "prompt": list(row.prompt),
                "completion": [{"role": "assistant", "content": row.completion}],
                **options,
            }
            for row in rows
        ]
    )


def fine_tune(
    model: Path,
    rows: Sequence[SftRow],
    settings: Mapping[str, Any],
    target: Path,
    checkpoints: Path,
    progress: Progress,
) -> Outcome:
    """Fine-tune the model in folder `model` on `rows` and save model and tokenizer to the folder `target`.

    Args:
        model: folder of the starting weights.
        rows: the training examples.
        settings: a resolved tuning (see TuningSettings), with seed, threads, dtype and device.
        target: folder to write.
        checkpoints: folder of this job's checkpoints; a run that finds one there continues from it.
        progress: opens a progress display for a number of steps.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(int(settings["threads"]))
    # Sums in a fixed order: with the seed and the thread count this makes the weights reproducible to the byte.
    torch.use_deterministic_algorithms(True, warn_only=settings["device"] != "cpu")
    # Deterministic mode also fills every new buffer, which is for debugging and cost half of a step here.
    torch.utils.deterministic.fill_uninitialized_memory = False
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    network = AutoModelForCausalLM.from_pretrained(
        model, dtype=getattr(torch, settings["dtype"]), use_safetensors=True, trust_remote_code=False
    )
    too_long = _longest(rows, tokenizer, settings["template_options"])
    if too_long > settings["max_length"]:
        raise PiretryError(
            f"A training example has {too_long} tokens, more than max_length {settings['max_length']} of this tuning: "
            "it would be cut off in silence. Raise training.tunings.*.max_length in the scale file."
        )
    trainer = make_trainer(network, tokenizer, rows, settings, checkpoints, progress)
    trained_parameters = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    trainer.train(resume_from_checkpoint=_last_checkpoint(checkpoints))
    trained = trainer.accelerator.unwrap_model(trainer.model)
    target.mkdir(parents=True, exist_ok=True)
    if settings["kind"] == "lora":
        trained.save_pretrained(target / "adapter", safe_serialization=True)
        _sort_targets(target / "adapter" / "adapter_config.json")
        trained = trained.merge_and_unload()
    trained.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    return Outcome({"steps": trainer.state.global_step, "trained_parameters": trained_parameters}, losses)


def make_trainer(
    network: Any,
    tokenizer: Any,
    rows: Sequence[SftRow],
    settings: Mapping[str, Any],
    checkpoints: Path,
    progress: Progress,
) -> Any:
    """The configured SFTTrainer. Every field that TRL or transformers would choose for us is stated."""
    from trl import SFTConfig, SFTTrainer

    cpu = settings["device"] == "cpu"
    arguments = SFTConfig(
        output_dir=str(checkpoints),
        max_steps=settings["steps"],
        per_device_train_batch_size=settings["micro_batch_size"],
        gradient_accumulation_steps=settings["batch_size"] // settings["micro_batch_size"],
        learning_rate=settings["learning_rate"],
        lr_scheduler_type=settings["schedule"],
        warmup_steps=settings["warmup_steps"],
        weight_decay=settings["weight_decay"],
        max_grad_norm=settings["max_grad_norm"],
        optim="adamw_torch",
        max_length=settings["max_length"],
        completion_only_loss=True,
        packing=False,
        seed=settings["seed"],
        data_seed=settings["seed"],
        use_cpu=cpu,
        bf16=settings["dtype"] == "bfloat16",
        gradient_checkpointing=not cpu,
        dataloader_num_workers=0,
        dataloader_pin_memory=not cpu,
        save_strategy="steps",
        save_steps=max(1, settings["steps"] // 4),
        save_total_limit=1,
        logging_strategy="steps",
        logging_steps=max(1, settings["steps"] // 20),
        report_to=[],
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=network,
        args=arguments,
        train_dataset=to_dataset(rows, settings["template_options"]),
        processing_class=tokenizer,
        peft_config=_lora(settings) if settings["kind"] == "lora" else None,
    )
    trainer.add_callback(_progress_callback(progress))
    return trainer


def _lora(settings: Mapping[str, Any]) -> Any:
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


def _sort_targets(path: Path) -> None:
    """Put the adapted modules in alphabetical order: peft writes a set, whose order changes from process to process."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _longest(rows: Sequence[SftRow], tokenizer: Any, template_options: Mapping[str, Any]) -> int:
    """Tokens of the longest example, rendered with the chat template."""
    texts = [
        tokenizer.apply_chat_template(
            [*row.prompt, {"role": "assistant", "content": row.completion}],
            tokenize=False,
            **template_options,
        )
        for row in rows
    ]
    return max(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])


def _last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint in `folder`: one whose trainer state, written last, is there."""
    found = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    return str(max(found, key=lambda path: int(path.name.rpartition("-")[2]))) if found else None


def _progress_callback(progress: Progress) -> Any:
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
