"""Saving weights that are not those of a model in memory: gathered from the processes, or in another precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_weights(like: Any, weights: dict[str, Any], dtype: str, target: Path) -> None:
    """Save `weights` in `dtype` as a model of the architecture of `like`, with its generation settings.

    Args:
        like: a model whose configuration the saved one gets.
        weights: name -> tensor; emptied on the way, so that two copies of all weights never exist.
        dtype: `float32` or `bfloat16`, also written into config.json.
        target: folder to write; weights that are tied are stored once.
    """
    import torch
    from transformers import AutoModelForCausalLM

    kind = getattr(torch, dtype)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(like.config, dtype=kind)
    converted = {name: weights.pop(name).to(kind) for name in list(weights)}
    model.load_state_dict(converted, assign=True)
    model.tie_weights()
    model.generation_config = like.generation_config
    model.save_pretrained(target, safe_serialization=True)
