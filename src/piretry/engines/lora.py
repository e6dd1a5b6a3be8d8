"""Adapters: what the folder of a LoRA-trained state holds, and the checks that an adapter does something.

An adapter that is silently ignored gives the base's numbers under the trained model's name. So before a LoRA-trained
state is sampled, the merged weights are compared with what adapter and start give, or, where the adapter itself is
served, the engine's answers with and without it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piretry.engines.base import Request, SamplingParams, load_engine
from piretry.errors import PiretryError

if TYPE_CHECKING:
    from piretry.engines.vllm_engine import VllmEngine

ADAPTER = "adapter"
PROBE = "Start with 3, then +4."


@dataclass(frozen=True)
class Adapter:
    """An adapter's folder, its rank, and the factor on its update."""

    folder: Path
    rank: int
    scale: float

    def request(self) -> Any:
        """vLLM's name for it."""
        from vllm.lora.request import LoRARequest

        return LoRARequest("trained", 1, str(self.folder.resolve()))


def adapter_in(model: Path) -> Adapter:
    """The adapter of the LoRA-trained model folder `model`; PiretryError when there is none."""
    folder = model / ADAPTER
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PiretryError(
            f"{folder} holds no adapter, although {model} is the model of a LoRA-trained state. It was made by another "
            "version: delete the model folder and run the workflow again."
        ) from error
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    # peft divides by the square root with rank-stabilised LoRA (Kalajdzievski 2023).
    return Adapter(folder, rank, alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)


def check_merged(start: Path, model: Path) -> float:
    """Compare the weights in `model` with those of `start` plus the adapter, in the first and the last adapted module.

    Returns the size of the update there, as a share of the weights (Frobenius norms).
    Raises PiretryError when the weights in `model` are still those of `start`, or are not the sum.
    """
    adapter = adapter_in(model)
    before, after = Tensors(start), Tensors(model)
    update = Tensors(adapter.folder)
    modules = sorted(name.removesuffix(".lora_A.weight") for name in update.names if name.endswith(".lora_A.weight"))
    if not modules:
        raise PiretryError(f"{adapter.folder} has no LoRA matrices: the training of {model} did not train an adapter.")
    sizes = []
    for module in dict.fromkeys((modules[0], modules[-1])):
        weight = f"{module.removeprefix('base_model.model.')}.weight"
        old, new = before[weight].float(), after[weight].float()
        change = adapter.scale * (update[f"{module}.lora_B.weight"].float() @ update[f"{module}.lora_A.weight"].float())
        # What is stored is rounded, and so is the update before it is added.
        rounding = 2 * _epsilon(after[weight]) * float(new.norm())
        if bool((old == new).all()):
            raise PiretryError(
                f"The weights {weight} in {model} are those of {start}: the adapter was not merged, or is smaller than "
                "the rounding of the weights. Sampling it would measure the model that it started from. Delete the "
                "model folder and train again; in bfloat16 try engine.vllm.lora: adapter."
            )
        if float((new - old - change).norm()) > rounding:
            raise PiretryError(
                f"The weights {weight} in {model} are not those of {start} plus the adapter in {adapter.folder}. The "
                "folders do not belong together: delete the model folder and train again."
            )
        sizes.append(float((new - old).norm() / old.norm()))
    return max(sizes)


def _epsilon(tensor: Any) -> float:
    import torch

    return float(torch.finfo(tensor.dtype).eps)


class Tensors:
    """The tensors of a folder by name, read when they are asked for; the folder's files may be several."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open

        self._files = {path: safe_open(path, framework="pt") for path in sorted(folder.glob("*.safetensors"))}
        self._where = {name: path for path, file in self._files.items() for name in file.keys()}  # noqa: SIM118

    @property
    def names(self) -> Iterator[str]:
        """Every tensor's name."""
        return iter(self._where)

    def __getitem__(self, name: str) -> Any:
        if name not in self._where:
            raise PiretryError(
                f"There are no weights called {name} in {', '.join(map(str, self._files)) or 'no file'}."
            )
        return self._files[self._where[name]].get_tensor(name)


def check_adapter_applied(engine: VllmEngine, model: Path) -> None:
    """PiretryError when `engine` answers with its adapter exactly as without.

    Log-probabilities are compared, not texts: a few steps of training need not change a greedy text.
    """
    plain, again = engine.first_logprobs(PROBE, False), engine.first_logprobs(PROBE, False)
    adapted = engine.first_logprobs(PROBE, True)
    noise = _distance(plain, again)
    if _distance(plain, adapted) <= noise:
        raise PiretryError(
            f"vLLM answers with the adapter in {model / ADAPTER} exactly as without it: the adapter is ignored, or "
            "empty. Sampling it would measure the model that it started from. Set engine.vllm.lora: merged in the "
            "scale file, or train again."
        )


def _distance(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """The largest difference of two sets of log-probabilities; infinite when they name different tokens."""
    if first.keys() != second.keys():
        return math.inf
    return max(abs(first[token] - second[token]) for token in first)


@dataclass(frozen=True)
class Agreement:
    """Greedy float32 completions of one set of prompts: how many are equal between merged weights and adapter, and how
    many differ from the start's."""

    prompts: int
    merged_equals_adapter: int
    differ_from_start: int


def compare(
    settings: Mapping[str, Any],
    template_options: Mapping[str, Any],
    start: Path,
    model: Path,
    prompts: Sequence[str],
    max_tokens: int,
) -> Agreement:
    """Answer `prompts` greedily in float32 with the start, with its adapter, and with the merged weights.

    Three engines are loaded, one after another. In bfloat16 merged weights are rounded once more than the adapter's
    sum, so that texts may differ there without anything being wrong.
    """
    requests = [Request(str(i), ({"role": "user", "content": text},), 0) for i, text in enumerate(prompts)]
    params = SamplingParams(temperature=0.0, top_p=1.0, top_k=0, max_tokens=max_tokens)

    def answers(lora: str, folder: Path, origin: Path | None) -> dict[str, str]:
        chosen = {**settings, "dtype": "float32", "vllm": {**settings["vllm"], "lora": lora}}
        engine = load_engine(chosen, folder, dict(template_options), start=origin)
        with ExitStack() as stack:
            stack.callback(engine.close)  # type: ignore[attr-defined]
            return {c.key: c.text for batch in engine.generate(requests, params) for c in batch}

    before = answers("merged", start, None)
    merged = answers("merged", model, None)
    adapted = answers("adapter", model, start)
    return Agreement(
        prompts=len(requests),
        merged_equals_adapter=sum(merged[key] == adapted[key] for key in merged),
        differ_from_start=sum(merged[key] != before[key] for key in merged),
    )
