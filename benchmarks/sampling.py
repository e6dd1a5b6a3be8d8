"""Tokens per second of our vLLM engine, of plain `LLM.generate`, and of our transformers engine, on the same prompts.

    python benchmarks/sampling.py --parameters 20 --prompts 128 --max-tokens 64
    python benchmarks/sampling.py --model path/to/a/model --prompts 32 --json out.json

Needs vLLM (`make test-vllm` installs it). The three take turns in one process, so that all see the same neighbours, in
an order that changes every time; the medians are compared. `LLM.generate` gets the rendered text of the prompts and the
same sampling fields and engine arguments, and gives texts back; our engine is loaded as a job loads it, renders the
dialogues, streams what is finished and decodes it. Prefix caches are emptied before every turn. On CPU everything runs
in this process, so that tokens per second of its processor time are given too, which other programs hardly change.
Without `--model` an untrained Qwen3 of about `--parameters` million is made, with the mini scale's tokenizer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from piretry.engines import vllm_setup
from piretry.engines.base import Engine, Request, SamplingParams, load_engine, request_seed
from piretry.engines.rendering import load_tokenizer, prompts_of

ROOT = Path(__file__).resolve().parents[1]


def untrained(millions: float, folder: Path) -> Path:
    """An untrained Qwen3 of about `millions` parameters in `folder`; layers and width grow together."""
    from piretry.prompts import RetryPrompts
    from piretry.settings.mini import ChainSettings, ModelShape
    from piretry.training.pretrain import new_model
    from piretry.training.tokenizer import build_tokenizer, tokenizer_texts

    mini = yaml.safe_load((ROOT / "scales/mini.yaml").read_text())
    chains = ChainSettings.model_validate(mini["data"]["chains"])
    tokenizer = build_tokenizer(tokenizer_texts(chains, RetryPrompts(mini["retry"]["prompts"]), mini["chat"]), 384)
    # A layer of width w holds about 12 w**2 parameters here; the published models are about 64 times as wide as deep.
    width = 64 * round((millions * 1e6 * 64 / 12) ** (1 / 3) / 64) or 64
    layers = max(2, round(millions * 1e6 / 12 / width**2))
    shape = {**mini["roles"]["small"]["shape"], "hidden_size": width, "layers": layers, "initial_std": 0.02}
    shape |= {"heads": width // 64, "kv_heads": 1, "head_dim": 64, "intermediate_size": 3 * width}
    new_model(ModelShape.model_validate(shape), tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def dialogues(count: int) -> list[Request]:
    """First attempts and retries, half each, with a seed for each."""
    found = []
    for n in range(count):
        turns = [{"role": "user", "content": f"Start with {n % 10}, then +{n // 10}, *{n % 7}, -{n % 13}."}]
        if n % 2:
            turns += [
                {"role": "assistant", "content": f"{n % 10}+{n // 10}=3, 3*{n % 7}=1, 1-{n % 13}=8. \\boxed{{8}}"},
                {"role": "user", "content": "Your previous answer was incorrect. Try again carefully."},
            ]
        found.append(Request(f"p{n}", tuple(turns), request_seed("benchmark", n)))  # type: ignore[arg-type]
    return found


def ours(engine: Engine, requests: list[Request], params: SamplingParams) -> int:
    """Generate with one of our engines; the tokens generated."""
    return sum(c.completion_tokens for batch in engine.generate(requests, params) for c in batch)


def plain_llm(settings: dict[str, Any], model: Path, requests: list[Request], params: SamplingParams) -> Any:
    """`LLM.generate` as its documentation uses it: (its engine, a function that runs it once and counts tokens)."""
    from vllm import LLM
    from vllm import SamplingParams as VllmParams

    given = vllm_setup.arguments(settings, model, None)
    del given["skip_tokenizer_init"]
    llm = LLM(**given)
    texts = [prompt.text for prompt in prompts_of(load_tokenizer(model), requests, {})]
    fields = {"temperature": params.temperature, "top_p": params.top_p, "top_k": params.top_k}
    each = [VllmParams(seed=request.seed, max_tokens=params.max_tokens, **fields) for request in requests]

    def run() -> int:
        outputs = llm.generate(texts, each, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    return llm.llm_engine, run


@dataclass
class Rates:
    """Tokens per second of a path in each turn: by the clock, and of processor time of this process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def measure(paths: dict[str, Callable[[], int]], before: Callable[[], None], repetitions: int) -> dict[str, Rates]:
    """The rates of each path, `repetitions` times, in an order that rotates; one unmeasured turn before."""
    names = list(paths)
    rates = {name: Rates() for name in names}
    for turn in range(repetitions + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before()
            wall, cpu = time.perf_counter(), time.process_time()
            tokens = paths[name]()
            if turn:
                rates[name].wall.append(tokens / (time.perf_counter() - wall))
                rates[name].cpu.append(tokens / (time.process_time() - cpu))
        print(f"turn {turn} of {repetitions}", file=sys.stderr, flush=True)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a model with a chat template")
    parser.add_argument("--parameters", type=float, default=20.0, help="size of the untrained model, millions")
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--max-model-len", type=int, help="default: the model's own")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()

    cpu = options.device == "cpu"
    settings: dict[str, Any] = {
        "backend": "vllm",
        "dtype": options.dtype,
        "device": options.device,
        "threads": options.threads,
        "batch_size": options.batch_size,
        "tensor_parallel": 1,
        "vllm": {
            "gpu_memory_utilization": 0.4,
            "max_model_len": options.max_model_len,
            "max_num_batched_tokens": 8192,
            "enforce_eager": cpu,
            "prefix_caching": True,
            "batch_invariant": False,
            "cpu_kvcache_gb": 1.0 if cpu else None,
            "lora": "merged",
        },
    }
    params = SamplingParams(temperature=0.7, top_p=1.0, top_k=0, max_tokens=options.max_tokens)
    requests = dialogues(options.prompts)
    with tempfile.TemporaryDirectory() as name:
        model = options.model or untrained(options.parameters, Path(name))
        engine: Any = load_engine(settings, model, {})
        plain_engine, plain = plain_llm(settings, model, requests, params)
        other = load_engine({**settings, "backend": "transformers"}, model, {})

        def before() -> None:
            engine.engine.reset_prefix_cache()
            plain_engine.reset_prefix_cache()

        paths = {
            "piretry vllm": lambda: ours(engine, requests, params),
            "LLM.generate": plain,
            "piretry transformers": lambda: ours(other, requests, params),
        }
        rates = measure(paths, before, options.repetitions)
        weights = sum(p.numel() for p in other.network.parameters())  # type: ignore[attr-defined]
    print(f"{weights / 1e6:.1f} M parameters, {options.prompts} prompts, up to {options.max_tokens} tokens each")
    result: dict[str, Any] = {"parameters": weights, "device": options.device, "paths": {}, "vllm_over_plain": {}}
    for kind in ("wall", "cpu") if cpu else ("wall",):
        print("tokens per second" if kind == "wall" else "tokens per second of processor time")
        values = {name: getattr(rate, kind) for name, rate in rates.items()}
        medians = {name: statistics.median(found) for name, found in values.items()}
        for name, found in values.items():
            print(f"  {name:22} {medians[name]:9.0f}   ({min(found):.0f} to {max(found):.0f})")
            result["paths"].setdefault(name, {})[kind] = found
        result["vllm_over_plain"][kind] = medians["piretry vllm"] / medians["LLM.generate"]
        print(f"  piretry vllm / LLM.generate: {result['vllm_over_plain'][kind]:.3f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
