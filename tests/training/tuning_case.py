"""Training examples and settings that the fine-tuning tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from piretry.sft import SftRow

ROWS = [
    SftRow(
        f"p{number}",
        ({"role": "user", "content": f"Start with {number % 10}, then +1, *2. Work modulo 10."},),
        f"{number % 10}+1={(number + 1) % 10}, {(number + 1) % 10}*2={(2 * number + 2) % 10}. "
        f"\\boxed{{{(2 * number + 2) % 10}}}",
        "retry",
        1,
        0,
    )
    for number in range(24)
]


@contextmanager
def silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda step: None


def small_settings(mini: dict[str, Any], tuning: str = "full") -> dict[str, Any]:
    """The mini scale's tuning as a training task gets it, cut down to four steps of eight examples."""
    chosen = {k: v for k, v in mini["training"]["tunings"][tuning].items() if k != "learning_rate_by_role"}
    common = {"seed": 42, "threads": 1, "dtype": "float32", "device": "cpu", "template_options": {}}
    small = {"steps": 4, "batch_size": 8, "micro_batch_size": 8, "warmup_steps": 1, "checkpoint_steps": 1}
    return {**chosen, **common, **small, "processes": 1}


def lora(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        **settings,
        "kind": "lora",
        "lora_rank": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.0,
        "lora_targets": "all-linear",
    }
