"""Supervised fine-tuning by TRL: full weights or LoRA, in one process or several, resumable, deterministic.

Weights that are trained are float32 in every case; `dtype` is the precision of the arithmetic and of the saved model.
Most weights of a language model lie near 0.02, where neighbouring bfloat16 numbers are 1.2e-4 apart: a step of AdamW
at a learning rate of 2e-5 would be rounded away. With LoRA the frozen weights are `dtype` and the adapter is float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.sft import SftRow
from piretry.training.adapter import merge_adapter
from piretry.training.checkpoints import last_checkpoint, stop_callback, stop_on_sigterm
from piretry.training.outcome import Outcome
from piretry.training.processes import check_processes
from piretry.training.trainer import Progress, longest_example, make_trainer
from piretry.training.weights import save_weights

# How long a process waits for the others: the first one alone reads and writes the weights of a sharded model.
_PATIENCE = timedelta(hours=1)


def fine_tune(
    model: Path,
    rows: Sequence[SftRow],
    settings: Mapping[str, Any],
    target: Path,
    checkpoints: Path,
    progress: Progress,
) -> Outcome:
    """Fine-tune the model in folder `model` on `rows` and save model and tokenizer to the folder `target`.

    With LoRA the adapter is saved in `adapter/` of the target, merged, and the merged model is checked against it.

    Args:
        model: folder of the starting weights.
        rows: the training examples.
        settings: a resolved tuning (see TuningSettings), with seed, threads, dtype, device and processes.
        target: folder to write.
        checkpoints: folder of this job's checkpoints; a run that finds one there continues from it.
        progress: opens a progress display for a number of steps.

    Raises PiretryError for settings that cannot be run, for examples that are too long, when a process fails, when the
    run is told to stop (a checkpoint is then saved first), and for a merged model that does not act as its adapter.
    """
    from piretry.training.launch import launch

    check_processes(settings)
    train = train_here if settings["processes"] == 1 else launch
    outcome = train(model, rows, settings, target, checkpoints, progress)
    if settings["kind"] != "lora":
        return outcome
    check = merge_adapter(model, target, rows, settings)
    return replace(outcome, facts={**outcome.facts, "adapter": asdict(check)})


def train_here(
    model: Path,
    rows: Sequence[SftRow],
    settings: Mapping[str, Any],
    target: Path,
    checkpoints: Path,
    progress: Progress,
    told_to_stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train in this process, which may be one of several of a launch; the arguments are those of `fine_tune`.

    Saves the model, or with LoRA the adapter alone. `told_to_stop` is asked after each step, beside SIGTERM.
    """
    import torch
    from accelerate import PartialState
    from transformers import AutoModelForCausalLM, AutoTokenizer

    processes = settings["processes"]
    torch.set_num_threads(max(1, settings["threads"] // processes))
    # Sums in a fixed order: with the seed and the thread count this makes the weights reproducible to the byte.
    torch.use_deterministic_algorithms(True, warn_only=settings["device"] != "cpu")
    # Deterministic mode also fills every new buffer, which is for debugging and cost half of a step here.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if processes > 1:  # before the model is loaded: with FSDP only the first process then reads the weights
        PartialState(cpu=settings["device"] == "cpu", timeout=_PATIENCE)
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    too_long = longest_example(rows, tokenizer, settings["template_options"])
    if too_long > settings["max_length"]:
        raise PiretryError(
            f"A training example has {too_long} tokens, more than max_length {settings['max_length']} of this tuning: "
            "it would be cut off in silence. Raise training.tunings.*.max_length in the scale file."
        )
    loaded_as = "float32" if settings["kind"] == "full" else settings["dtype"]
    network = AutoModelForCausalLM.from_pretrained(
        model, dtype=getattr(torch, loaded_as), use_safetensors=True, trust_remote_code=False
    )
    trainer = make_trainer(network, tokenizer, rows, settings, checkpoints, progress)
    trained_parameters = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    resumed = last_checkpoint(checkpoints, processes)
    with stop_on_sigterm() as signalled:
        stop = stop_callback(lambda: signalled() or told_to_stop())
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    trainer.accelerator.wait_for_everyone()
    if stop.stopped_at is not None:
        raise PiretryError(
            f"The training was told to stop (SIGTERM: time limit, preemption or cancellation) and has saved a "
            f"checkpoint at step {stop.stopped_at} of {settings['steps']}. Run it again, with the same settings: it "
            "goes on from there."
        )
    save_trained(trainer, tokenizer, settings, target)
    losses = [(entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    counters = {
        "steps": trainer.state.global_step,
        "trained_parameters": trained_parameters,
        "resumed_at": int(resumed.name.rpartition("-")[2]) if resumed else 0,
    }
    return Outcome(counters, losses)


def save_trained(trainer: Any, tokenizer: Any, settings: Mapping[str, Any], target: Path) -> None:
    """Write model and tokenizer, or the adapter and the tokenizer, from the first process; all must call this."""
    lora = settings["kind"] == "lora"
    whole = _gathered(trainer.model, adapter_only=lora) if trainer.is_fsdp_enabled else None
    if not trainer.accelerator.is_main_process:
        return
    target.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(target)
    trained = trainer.accelerator.unwrap_model(trainer.model)
    if lora:
        trained.save_pretrained(target / "adapter", safe_serialization=True, state_dict=whole)
        sort_targets(target / "adapter" / "adapter_config.json")
    elif whole is None and settings["dtype"] == "float32":
        trained.save_pretrained(target, safe_serialization=True)
    else:
        save_weights(trained, whole or trained.state_dict(), settings["dtype"], target)


def _gathered(model: Any, adapter_only: bool) -> dict[str, Any]:
    """The whole weights of a sharded model, in the first process's memory; empty in the others. All must call this."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=adapter_only)
    weights: dict[str, Any] = get_model_state_dict(model, options=options)
    return weights


def sort_targets(path: Path) -> None:
    """Put the adapted modules in alphabetical order: peft writes a set, whose order changes from process to process."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
