"""A trained LoRA adapter becomes a model: merged, saved, and compared with what was trained.

Known traps that this looks for: an adapter that is silently not applied, so that the "trained" model is the base; and
a merge that bfloat16 undoes, because the base's weights are bfloat16 numbers and a change of less than half the
distance to the next one is rounded away (1.2e-4 for weights near 0.02; small learning rates stay below it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.sft import SftRow
from piretry.training.trainer import example_tokens
from piretry.training.weights import save_weights

# A few examples show whether an adapter acts; more would cost time and show no more.
_EXAMPLES = 4
_TOKENS = 256
# The least change of the logits, relative to their size, that float32 arithmetic can be told from.
_LEAST_CHANGE = 1e-5
# The largest share of the adapter's effect that a merged model may lack or add.
_MOST_LOST = 0.1


@dataclass(frozen=True)
class AdapterCheck:
    """How the saved model compares with the adapter, in root mean squares of logits on a few training examples.

    `change` is adapter against start model and `error` merged model against adapter, both relative to the logits.
    `lost` is their quotient, `dtype` that of the saved weights.
    """

    change: float
    error: float
    lost: float
    dtype: str


def merge_adapter(start: Path, target: Path, rows: Sequence[SftRow], settings: Mapping[str, Any]) -> AdapterCheck:
    """Merge `target`/adapter into the model in folder `start`, save the result in `target` and check it.

    All arithmetic is float32. The model is saved in the settings' dtype, or in float32 where bfloat16 loses more than a
    tenth of the adapter's effect on the logits.

    Raises PiretryError when the adapter changes nothing, or the saved model does not act as start model and adapter.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(start, trust_remote_code=False)
    shown = example_tokens(rows[:_EXAMPLES], tokenizer, settings["template_options"])
    examples = [torch.tensor([(prompt + completion)[:_TOKENS]]) for prompt, completion in shown]
    adapted = PeftModel.from_pretrained(_load(start, settings["device"]), target / "adapter")
    with adapted.disable_adapter():
        before = _logits(adapted, examples)
    wanted = _logits(adapted, examples)
    size, change = _rms(wanted, None), _rms(wanted, before)
    if not change > _LEAST_CHANGE * size:  # also when it is no number
        raise PiretryError(
            f"The trained adapter changes the logits of {len(examples)} training examples by {change / size:.1e} of "
            "their size, which is nothing: it was not trained or is not applied. Raise the tuning's learning_rate or "
            "steps in the scale file, or look at the losses in the job's log."
        )
    for dtype in dict.fromkeys((settings["dtype"], "float32")):
        if adapted is None:
            adapted = PeftModel.from_pretrained(_load(start, settings["device"]), target / "adapter")
        _save_merged(adapted.merge_and_unload(), target, dtype)
        adapted = None  # a model of 32 thousand million float32 numbers is not kept beside another
        error = _rms(wanted, _logits(_load(target, settings["device"]), examples))
        if error <= _MOST_LOST * change:
            return AdapterCheck(change / size, error / size, error / change, dtype)
    raise PiretryError(
        f"The merged model in {target.name} differs from start model and adapter by {error / change:.0%} of what the "
        f"adapter changes (at most {_MOST_LOST:.0%} is allowed): it is not the model that was trained, and is not "
        "published. This should not happen with weights in float32; look at the adapter in the checkpoint folder."
    )


def _save_merged(merged: Any, target: Path, dtype: str) -> None:
    merged.config.use_cache = False  # as the trainer leaves it in every other model that is trained
    if dtype == "float32":
        merged.save_pretrained(target, safe_serialization=True)
    else:
        save_weights(merged, merged.state_dict(), dtype, target)


def _load(folder: Path, device: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    return model.eval().to(_place(model, device))


def _place(model: Any, device: str) -> str:
    """The GPU if the model fits into what is free there, else the CPU, where a few examples take a minute at most."""
    import torch

    needed = 1.2 * sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return "cuda" if device == "cuda" and torch.cuda.mem_get_info()[0] > needed else "cpu"


def _logits(model: Any, examples: Sequence[Any]) -> list[Any]:
    """Logits of each example, on the CPU: (tokens, vocabulary)."""
    import torch

    with torch.no_grad():
        return [model(ids.to(model.device)).logits[0].float().cpu() for ids in examples]


def _rms(one: Sequence[Any], other: Sequence[Any] | None) -> float:
    """Root mean square of the differences of two lists of tensors, or of one list's values."""
    total, count = 0.0, 0
    for number, values in enumerate(one):
        difference = values - other[number] if other is not None else values
        total += float((difference.double() ** 2).sum())
        count += difference.numel()
    return math.sqrt(total / count)
