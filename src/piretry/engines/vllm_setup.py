"""How vLLM is started: its environment, its arguments, and sentences for what commonly goes wrong.

vLLM reads its environment when it is imported, so everything here comes before that.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError

# Ports of one engine, counted up from a first one that the Slurm job id gives: two jobs on one node that start in the
# same second would otherwise find the same free port. Below 32768, where Linux begins to hand out ports of its own.
FIRST_PORT, PORTS_OF_A_JOB, PORT_WINDOWS = 15_000, 16, 1_000
# How vLLM, torch and the driver say that memory does not suffice.
MEMORY_WORDS = (
    "out of memory",
    "No available memory for the cache blocks",
    "less than desired",
    "max seq len",
    "to serve even a single token",
    "KV cache is needed",
)


def environment(settings: Mapping[str, Any], ambient: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that vLLM needs for `settings`, beside those of `ambient`.

    What decides the result is set, whatever `ambient` says; what only decides comfort is left as found. Folders of
    caches are never set: the job's environment names them.

    Args:
        settings: the engine's settings with `tensor_parallel`.
        ambient: the environment of the process.
    """
    parallel = int(settings["tensor_parallel"])
    found = {
        # In the process of the job: one scheduler loop, no race between processes, so that a rerun batches alike.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if parallel == 1 else "1",
        "VLLM_BATCH_INVARIANT": "1" if settings["vllm"]["batch_invariant"] else "0",
        # Nodes that compute have no internet, and a model must never be fetched in passing.
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }
    found |= {"VLLM_LOGGING_LEVEL": ambient.get("VLLM_LOGGING_LEVEL", "WARNING")}
    if settings["device"] == "cpu":
        # The number of threads orders the sums. Which cores they run on is left to the scheduler.
        found |= {"OMP_NUM_THREADS": str(settings["threads"])}
        found |= {"VLLM_CPU_OMP_THREADS_BIND": ambient.get("VLLM_CPU_OMP_THREADS_BIND", "nobind")}
    if parallel > 1 and ambient.get("SLURM_JOB_ID", "").isdigit():
        window = int(ambient["SLURM_JOB_ID"]) % PORT_WINDOWS
        found |= {"VLLM_PORT": str(FIRST_PORT + window * PORTS_OF_A_JOB)}
    return found


def prepare(settings: Mapping[str, Any]) -> None:
    """Set the environment and import vLLM.

    Raises PiretryError when it is not installed, cannot be imported, or is built for another device.
    """
    if importlib.util.find_spec("vllm") is None:
        raise PiretryError(
            "engine.backend is 'vllm', but vLLM is not installed in this environment. GPU jobs run in the image of "
            "containers/gpu.def, which has it; `make test-vllm` shows how its CPU build is installed. On small models "
            "engine.backend: transformers needs nothing more."
        )
    os.environ.update(environment(settings, os.environ))
    import torch

    # Before vLLM is imported: its CPU build forbids it later.
    torch.set_num_threads(int(settings["threads"]))
    try:
        import vllm  # noqa: F401
        from vllm.platforms import current_platform
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise PiretryError(
            f"vLLM is installed but cannot be imported ({error}). With the CPU build this happens while torchvision, "
            "torchcodec or torchaudio are installed, which piretry does not use: remove them with "
            "`pip uninstall torchvision torchcodec torchaudio`."
        ) from error
    if (settings["device"] == "cpu") != current_platform.is_cpu():
        raise PiretryError(
            f"engine.device is {settings['device']!r}, but the vLLM installed here runs on "
            f"{current_platform.device_type or 'no device that it can find'!r}. Set engine.device in the scale file to "
            "what this machine has, or start the job where the device is."
        )


def arguments(settings: Mapping[str, Any], model: Path, lora_rank: int | None) -> dict[str, Any]:
    """The arguments of vLLM's engine. Every one that could change a token is stated.

    Args:
        settings: the engine's settings with `tensor_parallel`.
        model: folder of the weights.
        lora_rank: rank of the adapter that requests will name; None without one.
    """
    own, cpu = settings["vllm"], settings["device"] == "cpu"
    found: dict[str, Any] = {
        "model": str(model),
        # Requests come as tokens and completions are decoded by the caller, with one tokenizer for all engines.
        "skip_tokenizer_init": True,
        "trust_remote_code": False,
        "load_format": "safetensors",
        "dtype": settings["dtype"],
        "seed": 0,  # of no consequence: every request has its own
        "generation_config": "vllm",  # the checkpoint's own sampling defaults are not used
        "tensor_parallel_size": int(settings["tensor_parallel"]),
        "max_num_seqs": int(settings["batch_size"]),
        "max_num_batched_tokens": int(own["max_num_batched_tokens"]),
        "max_model_len": own["max_model_len"],
        "gpu_memory_utilization": float(own["gpu_memory_utilization"]),
        "enforce_eager": bool(own["enforce_eager"]),
        "enable_prefix_caching": bool(own["prefix_caching"]),
        # A prefill in chunks rewinds the generator of a request, which torch's CPU generator cannot do.
        "enable_chunked_prefill": not cpu,
        "disable_log_stats": True,
    }
    if own["cpu_kvcache_gb"] is not None:
        found["kv_cache_memory_bytes"] = int(own["cpu_kvcache_gb"] * 2**30)
    if lora_rank is not None:
        from typing import get_args

        from vllm.config.lora import MaxLoRARanks

        ranks = [rank for rank in get_args(MaxLoRARanks) if rank >= lora_rank]
        if not ranks:
            raise PiretryError(
                f"The adapter in {model} has rank {lora_rank}, more than vLLM serves ({max(get_args(MaxLoRARanks))}). "
                "Set engine.vllm.lora: merged in the scale file."
            )
        found |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": min(ranks)}
    return found


def check(settings: Mapping[str, Any], model: Path) -> None:
    """What can be seen without loading anything: PiretryError on settings that the model or the device cannot serve."""
    own, cpu = settings["vllm"], settings["device"] == "cpu"
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    heads, parallel = config.get("num_attention_heads"), int(settings["tensor_parallel"])
    if heads and heads % parallel:
        raise PiretryError(
            f"The model in {model} has {heads} attention heads, which {parallel} GPUs cannot share evenly. Set the "
            "gpus of this stage under resources in the scale file to a divisor of it."
        )
    # Scaled positions (YaRN) reach further than max_position_embeddings: vLLM itself says then what fits.
    scaled = (config.get("rope_parameters") or config.get("rope_scaling") or {}).get(
        "rope_type", "default"
    ) != "default"
    limit = None if scaled else config.get("max_position_embeddings")
    length = own["max_model_len"] or limit
    if limit and length > limit:
        raise PiretryError(
            f"engine.vllm.max_model_len is {length}, but the model in {model} takes at most {limit} tokens "
            "(max_position_embeddings in its config.json). Set a smaller value, or null for the model's own limit."
        )
    if cpu and own["batch_invariant"]:
        raise PiretryError(
            "engine.vllm.batch_invariant is true, but vLLM has such kernels for GPUs only. Set it to false where "
            "engine.device is cpu; dtype float32 is what keeps texts equal there."
        )
    if cpu and length and own["max_num_batched_tokens"] < length:
        raise PiretryError(
            f"engine.vllm.max_num_batched_tokens is {own['max_num_batched_tokens']}, less than the longest request of "
            f"{length} tokens (engine.vllm.max_model_len, or the model's own limit where that is null). On CPU a "
            "prompt is processed whole: raise the one or lower the other."
        )


def starting_error(error: BaseException, settings: Mapping[str, Any], model: Path) -> PiretryError | None:
    """A sentence for an exception at the engine's start, when it is about memory; None otherwise."""
    text = str(error)
    own, parallel = settings["vllm"], int(settings["tensor_parallel"])
    several = parallel > 1 and "initialization failed" in text
    if not several and not any(word.lower() in text.lower() for word in MEMORY_WORDS):
        return None
    on_gpu = (
        f"engine.vllm.gpu_memory_utilization (now {own['gpu_memory_utilization']}; another process on the GPU takes "
        f"from it), fewer tokens in engine.vllm.max_model_len (now {own['max_model_len'] or 'the limit of the model'}) "
        f"or engine.vllm.max_num_batched_tokens (now {own['max_num_batched_tokens']}), or more GPUs for this stage "
        f"under resources (now {parallel})"
    )
    on_cpu = (
        f"engine.vllm.cpu_kvcache_gb (now {own['cpu_kvcache_gb']}), or fewer tokens in engine.vllm.max_model_len "
        f"(now {own['max_model_len'] or 'the limit of the model'})"
    )
    what = "did not start (the log above says why, most often memory)" if several else "has too little memory"
    remedy = on_cpu if settings["device"] == "cpu" else on_gpu
    return PiretryError(f"vLLM {what} for the model in {model}. In the scale file try {remedy}. vLLM said: {text}")
