"""Adapters: the checks that a LoRA-trained state is sampled as itself, on a real peft adapter."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from piretry.engines.base import Request, SamplingParams, load_engine
from piretry.engines.lora import Adapter, adapter_in, check_merged, compare
from piretry.errors import PiretryError
from vllm_settings import VLLM

SETTINGS: dict[str, Any] = {
    "backend": "vllm",
    "dtype": "float32",
    "device": "cpu",
    "threads": 1,
    "batch_size": 16,
    "tensor_parallel": 1,
    "vllm": {**VLLM, "lora": "adapter"},
}
needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None,
    reason="vLLM is not installed: `make test-vllm` runs the tests of its adapters",
)


def adapted(start: Path, folder: Path, rank: int, size: float) -> Path:
    """The folder of a state trained from `start`, as the train stage leaves it: merged weights, adapter beside them."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(5)
    network = AutoModelForCausalLM.from_pretrained(start)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    trained = get_peft_model(network, config)
    with torch.no_grad():
        for name, weight in trained.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, size)
    trained.save_pretrained(folder / "adapter", safe_serialization=True)
    merged = trained.merge_and_unload()
    merged.save_pretrained(folder, safe_serialization=True)
    AutoTokenizer.from_pretrained(start).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted(random_model, tmp_path_factory.mktemp("trained"), 4, 0.05)


@pytest.fixture(scope="module")
def untouched(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state whose adapter is empty: what training for no step leaves."""
    return adapted(random_model, tmp_path_factory.mktemp("untouched"), 4, 0.0)


def test_the_adapter_of_a_state(trained: Path, random_model: Path) -> None:
    assert adapter_in(trained) == Adapter(trained / "adapter", 4, 2.0)
    with pytest.raises(PiretryError, match="holds no adapter"):
        adapter_in(random_model)


def test_merged_weights_are_those_of_the_start_and_the_adapter(trained: Path, random_model: Path) -> None:
    assert 0.01 < check_merged(random_model, trained) < 1


def test_an_adapter_that_was_not_merged_is_noticed(
    trained: Path, untouched: Path, random_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(PiretryError, match="was not merged"):
        check_merged(random_model, untouched)
    forgotten = tmp_path / "forgotten"
    shutil.copytree(random_model, forgotten)
    shutil.copytree(trained / "adapter", forgotten / "adapter")
    with pytest.raises(PiretryError, match="was not merged"):
        check_merged(random_model, forgotten)


def test_an_adapter_of_another_start_is_noticed(trained: Path, random_model: Path, tmp_path: Path) -> None:
    other = adapted(random_model, tmp_path / "other", 4, 0.2)
    shutil.rmtree(other / "adapter")
    shutil.copytree(trained / "adapter", other / "adapter")
    with pytest.raises(PiretryError, match="do not belong together"):
        check_merged(random_model, other)


@needs_vllm
@pytest.mark.slow
def test_merged_weights_and_adapter_give_the_same_greedy_texts(trained: Path, random_model: Path) -> None:
    prompts = [f"Start with {n}, then +{n % 7}, *{n % 4}." for n in range(16)]
    found = compare(SETTINGS, {}, random_model, trained, prompts, max_tokens=32)
    assert (found.prompts, found.merged_equals_adapter) == (16, 16)
    assert found.differ_from_start == 16


@needs_vllm
@pytest.mark.slow
def test_an_adapter_that_changes_nothing_is_refused(untouched: Path, random_model: Path) -> None:
    with pytest.raises(PiretryError, match="exactly as without it"):
        load_engine(SETTINGS, untouched, {}, start=random_model)
    merged = {**SETTINGS, "vllm": {**SETTINGS["vllm"], "lora": "merged"}}
    with pytest.raises(PiretryError, match="was not merged"):
        load_engine(merged, untouched, {}, start=random_model)


@needs_vllm
@pytest.mark.slow
def test_samples_with_an_adapter_are_reproducible(trained: Path, random_model: Path) -> None:
    params = SamplingParams(temperature=0.7, top_p=1.0, top_k=0, max_tokens=24)
    requests = [Request(str(n), ({"role": "user", "content": f"Start with {n}."},), n) for n in range(20)]
    engine = load_engine(SETTINGS, trained, {}, start=random_model)
    try:
        first = {c.key: c for batch in engine.generate(requests, params) for c in batch}
        again = {c.key: c for batch in engine.generate(list(reversed(requests))[5:], params) for c in batch}
    finally:
        engine.close()  # type: ignore[attr-defined]
    assert again == {key: first[key] for key in again}
    assert len({c.text for c in first.values()}) > 10
