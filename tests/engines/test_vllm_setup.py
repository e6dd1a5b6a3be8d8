"""What vLLM is started with, and the sentences for settings that cannot work; none of it needs vLLM."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from piretry.engines.base import load_engine
from piretry.engines.vllm_setup import arguments, check, environment, starting_error
from piretry.errors import PiretryError

VLLM: dict[str, Any] = {
    "gpu_memory_utilization": 0.9,
    "max_model_len": 16384,
    "max_num_batched_tokens": 8192,
    "enforce_eager": False,
    "prefix_caching": True,
    "batch_invariant": True,
    "cpu_kvcache_gb": None,
    "lora": "merged",
}
GPU: dict[str, Any] = {
    "backend": "vllm",
    "dtype": "bfloat16",
    "device": "cuda",
    "threads": 8,
    "batch_size": 256,
    "tensor_parallel": 1,
    "vllm": VLLM,
}


def with_vllm(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**settings, "vllm": {**settings["vllm"], **changes}}


CPU = with_vllm({**GPU, "device": "cpu", "dtype": "float32", "threads": 2}, batch_invariant=False, cpu_kvcache_gb=1.5)


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    """The part of Qwen3-8B's configuration that is looked at."""
    config = {"num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 40960}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_one_process_and_no_network() -> None:
    found = environment(GPU, {"VLLM_ENABLE_V1_MULTIPROCESSING": "1", "HF_HUB_OFFLINE": "0"})
    assert found["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert found["VLLM_BATCH_INVARIANT"] == "1"
    assert found["HF_HUB_OFFLINE"] == found["TRANSFORMERS_OFFLINE"] == found["VLLM_NO_USAGE_STATS"] == "1"
    assert not [name for name in found if "CACHE" in name or name == "HF_HOME"], "caches come from the job"
    assert "VLLM_PORT" not in found
    assert environment(with_vllm(GPU, batch_invariant=False), {})["VLLM_BATCH_INVARIANT"] == "0"


def test_threads_of_the_cpu_build_are_those_of_the_scale() -> None:
    found = environment(CPU, {"OMP_NUM_THREADS": "64"})
    assert (found["OMP_NUM_THREADS"], found["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "nobind")
    assert environment(CPU, {"VLLM_CPU_OMP_THREADS_BIND": "0-1"})["VLLM_CPU_OMP_THREADS_BIND"] == "0-1"
    assert "OMP_NUM_THREADS" not in environment(GPU, {})


def test_ports_of_two_jobs_on_a_node_are_apart() -> None:
    several = {**GPU, "tensor_parallel": 4}
    assert "VLLM_PORT" not in environment(several, {}), "outside Slurm vLLM finds its own"
    ports = [int(environment(several, {"SLURM_JOB_ID": str(job)})["VLLM_PORT"]) for job in range(41_990, 42_020)]
    assert environment(several, {"SLURM_JOB_ID": "41990"})["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1"
    assert min(abs(a - b) for a in ports for b in ports if a != b) >= 16
    assert len(set(ports)) == len(ports)
    assert all(1024 < port < 32768 - 16 for port in ports)


def test_arguments_state_what_decides_a_token(qwen: Path) -> None:
    on_gpu, on_cpu = arguments(GPU, qwen, None), arguments(CPU, qwen, None)
    assert on_gpu["enable_chunked_prefill"] and not on_cpu["enable_chunked_prefill"]
    assert on_cpu["kv_cache_memory_bytes"] == 1.5 * 2**30
    assert "kv_cache_memory_bytes" not in on_gpu
    assert (on_gpu["generation_config"], on_gpu["trust_remote_code"]) == ("vllm", False)
    assert (on_gpu["max_num_seqs"], on_gpu["max_model_len"], on_gpu["dtype"]) == (256, 16384, "bfloat16")
    assert "enable_lora" not in on_gpu


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**GPU, "tensor_parallel": 3}, "has 32 attention heads, which 3 GPUs cannot share"),
        (with_vllm(GPU, max_model_len=50000), "max_model_len is 50000, but .* at most 40960 tokens"),
        (with_vllm(CPU, batch_invariant=True), "batch_invariant is true, but vLLM has such kernels for GPUs only"),
        (CPU, "max_num_batched_tokens is 8192, less than the longest request of 16384 tokens"),
        (with_vllm(CPU, max_model_len=None), "less than the longest request of 40960 tokens"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_loading(qwen: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(PiretryError, match=said):
        check(settings, qwen)


def test_settings_that_work_are_not_refused(qwen: Path) -> None:
    for settings in (GPU, {**GPU, "tensor_parallel": 8}, with_vllm(CPU, max_num_batched_tokens=16384)):
        check(settings, qwen)
    config = {"num_attention_heads": 32, "max_position_embeddings": 40960, "rope_scaling": {"rope_type": "yarn"}}
    (qwen / "config.json").write_text(json.dumps(config))
    check(with_vllm(GPU, max_model_len=131072), qwen)


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB",
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "Free memory on device cuda:0 (20.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9)",
        "To serve at least one request with the model's max seq len (40960), (5.62 GiB KV cache is needed, which is",
    ],
)
def test_memory_errors_name_what_to_change(message: str, qwen: Path) -> None:
    found = starting_error(ValueError(message), GPU, qwen)
    assert found is not None
    for part in ("gpu_memory_utilization (now 0.9", "max_model_len (now 16384)", "more GPUs", message):
        assert part in str(found)


def test_other_errors_are_left_as_they_are(qwen: Path) -> None:
    assert starting_error(ValueError("No supported config format found"), GPU, qwen) is None
    several = starting_error(RuntimeError("Engine core initialization failed."), {**GPU, "tensor_parallel": 2}, qwen)
    assert several is not None
    assert "the log above" in str(several)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_an_environment_without_vllm_says_how_to_get_it(qwen: Path) -> None:
    with pytest.raises(PiretryError, match=r"vLLM is not installed .*make test-vllm"):
        load_engine(GPU, qwen, {})
