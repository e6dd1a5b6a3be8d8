"""Whether the processes of a training job can run its tuning: asked when a plan is made, and again by the stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piretry.errors import PiretryError


def check_processes(settings: Mapping[str, Any]) -> None:
    """Raise PiretryError for a tuning that its job's processes cannot run; nothing is started and torch not imported.

    Args:
        settings: batch_size, micro_batch_size, fsdp, device and processes of a training task.
    """
    batch, micro, processes = settings["batch_size"], settings["micro_batch_size"], settings["processes"]
    if batch % (micro * processes):
        fitting = [size for size in range(1, batch + 1) if batch % (size * processes) == 0]
        advice = (
            f"Set micro_batch_size to one of {', '.join(map(str, fitting))}"
            if fitting
            else f"Set batch_size to a multiple of {processes}"
        )
        raise PiretryError(
            f"A training step has batch_size {batch} examples, which {processes} process(es) with micro_batch_size "
            f"{micro} cannot share: {processes} x {micro} = {processes * micro} does not divide {batch}. {advice}, or "
            "change the GPUs of the training job (resources.train.*.gpus); all are in the scale file."
        )
    if settings["fsdp"] and processes > 1 and settings["device"] == "cpu":
        raise PiretryError(
            "fsdp: true shards the model over GPUs, but this scale trains on the CPU (engine.device: cpu), where "
            "accelerate would drop the sharding without a word. Set fsdp: false in training.tunings of the scale file."
        )
