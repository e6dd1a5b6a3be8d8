"""The memory estimates against real models: parameters, gradients, optimizer, kept activations, files."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuning_case import ROWS, lora, silent

from piretry.training import memory
from piretry.training.memory import Memory, Shape, check_fits, disk_bytes, sampling_memory, training_memory

SMALL = {
    "layers": 2,
    "hidden_size": 64,
    "intermediate_size": 224,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 24,
    "vocabulary": 300,
}
QWEN3 = {
    "Qwen3-1.7B": ((28, 2048, 6144, 16, 8, 128, 151936), 1720574976, True),
    "Qwen3-8B": ((36, 4096, 12288, 32, 8, 128, 151936), 8190735360, False),
    "Qwen3-32B": ((64, 5120, 25600, 64, 8, 128, 151936), 32762123264, False),
}
TRAINING = {
    "kind": "full",
    "dtype": "bfloat16",
    "micro_batch_size": 2,
    "max_length": 37,
    "gradient_checkpointing": False,
    "packing": False,
    "processes": 1,
    "fsdp": False,
    "lora_rank": 4,
    "lora_targets": "all-linear",
}


def qwen3(name: str) -> Shape:
    sizes, parameters, _ = QWEN3[name]
    return Shape(*sizes, parameters)


def small_model(layers: int, dtype: str = "float32") -> Any:
    import torch
    from transformers.models.qwen3 import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=SMALL["vocabulary"],
        hidden_size=SMALL["hidden_size"],
        intermediate_size=SMALL["intermediate_size"],
        num_hidden_layers=layers,
        num_attention_heads=SMALL["heads"],
        num_key_value_heads=SMALL["kv_heads"],
        head_dim=SMALL["head_dim"],
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).to(getattr(torch, dtype)).train()


@pytest.mark.parametrize("name", QWEN3)
def test_parameters_of_the_published_models(name: str) -> None:
    _, parameters, tied = QWEN3[name]
    shape = qwen3(name)
    assert shape.stack + (1 if tied else 2) * shape.embedding == parameters


def test_weights_gradients_and_optimizer_are_those_of_a_real_step() -> None:
    import torch

    model = small_model(SMALL["layers"])
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.arange(40)[None], labels=torch.arange(40)[None]).loss.backward()
    gradients = sum(p.grad.nbytes for p in model.parameters())
    optimizer.step()
    moments = sum(v.nbytes for state in optimizer.state.values() for k, v in state.items() if k != "step")
    parts = training_memory(Shape.of(SMALL), TRAINING).parts
    assert parts["weights"] == sum(p.nbytes for p in model.parameters())
    assert parts["gradients"] == gradients
    assert parts["optimizer"] == moments


def test_an_adapter_has_as_many_parameters_as_pefts() -> None:
    from peft import LoraConfig, get_peft_model

    for targets, modules in (("all-linear", "all-linear"), ("attention", ["q_proj", "k_proj", "v_proj", "o_proj"])):
        model = get_peft_model(small_model(3), LoraConfig(r=5, target_modules=modules))
        real = sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert Shape.of({**SMALL, "layers": 3}).adapter(5, targets) == real


def kept_by_a_block(settings: dict[str, Any]) -> int:
    """Bytes that one more block keeps for the backward pass, measured on a model of 3 and one of 5 blocks."""
    import torch
    from peft import LoraConfig, get_peft_model

    rows, length = settings["micro_batch_size"], settings["max_length"]
    found = []
    for layers in (3, 5):
        model = small_model(layers, settings["dtype"] if settings["kind"] == "lora" else "float32")
        if settings["kind"] == "lora":
            model = get_peft_model(model, LoraConfig(r=settings["lora_rank"], target_modules="all-linear"))
        storages: dict[int, Any] = {}

        def keep(tensor: Any, storages: dict[int, Any] = storages) -> Any:
            # What has no dimension of tokens is a weight, or its copy in bfloat16.
            if length in tensor.shape or rows * length in tensor.shape:
                storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
            return tensor

        ids = torch.randint(0, SMALL["vocabulary"], (rows, length))
        mask = torch.ones_like(ids)
        mask[0, -5:] = 0 if rows > 1 else 1  # a padded row, as in a batch of different lengths
        backbone = model.get_base_model().model if settings["kind"] == "lora" else model.model
        casts = torch.autocast("cpu", torch.bfloat16) if settings["dtype"] == "bfloat16" else contextlib.nullcontext()
        with casts, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        found.append(sum(storage.nbytes() for storage in storages.values()))
        del output
    return (found[1] - found[0]) // 2


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float32"},
        {},
        {"micro_batch_size": 1},
        {"kind": "lora"},
        {"kind": "lora", "micro_batch_size": 1},
        {"kind": "lora", "dtype": "float32"},
    ],
    ids=["full float32", "full", "full without padding", "lora", "lora without padding", "lora float32"],
)
def test_kept_activations_are_those_of_a_real_block(change: dict[str, Any]) -> None:
    """Within 6%: small tensors (the factors of norms, LoRA's rank) are not counted, nor what attention uses twice."""
    settings = {**TRAINING, **change}
    real = kept_by_a_block(settings)
    estimate = memory.kept_activations(Shape.of({**SMALL, "layers": 1}), settings)
    assert estimate == pytest.approx(real, rel=0.06)


def test_checkpointing_keeps_one_input_a_block() -> None:
    import torch

    settings = {**TRAINING, "dtype": "float32", "gradient_checkpointing": True}
    shape = (settings["micro_batch_size"], settings["max_length"], SMALL["hidden_size"])

    def streams() -> int:
        gc.collect()
        alive = [o for o in gc.get_objects() if isinstance(o, torch.Tensor) and tuple(o.shape) == shape]
        return len({tensor.untyped_storage().data_ptr() for tensor in alive})

    found = []
    for layers in (3, 7):
        model = small_model(layers)
        model.gradient_checkpointing_enable({"use_reentrant": False})
        before = streams()
        output = model.model(input_ids=torch.zeros(shape[:2], dtype=torch.long), use_cache=False).last_hidden_state
        found.append(streams() - before)
        del output, model
    real = (found[1] - found[0]) * 4 * shape[0] * shape[1] * shape[2]
    assert memory.kept_activations(Shape.of({**SMALL, "layers": 4}), settings) == real


def test_files_of_a_model_and_of_a_checkpoint(
    random_model: Path, mini: dict[str, Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    from piretry.training.sft import fine_tune

    def size(folder: Path, pattern: str) -> int:
        return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())

    values = {**mini["roles"]["small"]["shape"], "vocabulary": 384}
    for kind, tuning in (("full", settings), ("lora", lora(settings))):
        fine_tune(random_model, ROWS, {**tuning, "steps": 2}, tmp_path / kind, tmp_path / f"{kind}.ck", silent)
        estimate = disk_bytes(Shape.of(values), tuning)
        assert estimate.model == pytest.approx(size(tmp_path / kind, "*.safetensors"), rel=0.05)
        checkpoint = next((tmp_path / f"{kind}.ck").glob("checkpoint-*"))
        weights = size(checkpoint, "*.safetensors") + size(checkpoint, "optimizer.pt")
        # A pickle has about a hundred bytes beside the numbers of each of the small model's tensors.
        assert estimate.checkpoint == pytest.approx(weights, abs=30_000)


def test_smallest_numbers_of_gpus_that_fit() -> None:
    """Full fine-tuning of 8B needs sharding over four GPUs of 80 GB; 1.7B fits one, 32B not on eight at 4 examples."""
    settings = {**TRAINING, "max_length": 6144, "gradient_checkpointing": True, "fsdp": True, "micro_batch_size": 4}

    def fits(name: str, gpus: int, **change: Any) -> bool:
        needed = training_memory(qwen3(name), {**settings, "processes": gpus, **change})
        return check_fits(needed, 80, name) is None

    assert fits("Qwen3-1.7B", 1)
    assert [gpus for gpus in (1, 2, 4, 8) if fits("Qwen3-8B", gpus)] == [4, 8]
    assert not any(fits("Qwen3-8B", gpus, fsdp=False) for gpus in (1, 2, 4, 8))
    assert fits("Qwen3-8B", 1, kind="lora", lora_rank=16)
    assert not fits("Qwen3-32B", 8)
    assert fits("Qwen3-32B", 16)


@pytest.mark.parametrize("name", QWEN3)
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_the_table_of_the_documentation(name: str, kind: str) -> None:
    tuning = {**TRAINING, "kind": kind, "max_length": 6144, "gradient_checkpointing": True, "fsdp": True}
    cells = []
    for micro in (1, 2, 4):
        settings = {**tuning, "micro_batch_size": micro, "lora_rank": 16}
        estimates = {gpus: training_memory(qwen3(name), {**settings, "processes": gpus}) for gpus in (1, 2, 4, 8, 16)}
        gpus = next(number for number, needed in estimates.items() if check_fits(needed, 80, name) is None)
        cells.append(f"{gpus} ({estimates[gpus].total / 1e9:.0f} GB)")
    documented = (Path(__file__).parents[2] / "docs/training.md").read_text()
    assert f"| {name} | {kind} | {' | '.join(cells)} |" in documented


def test_the_sentence_says_what_to_change() -> None:
    settings = {**TRAINING, "max_length": 6144, "micro_batch_size": 4}
    sentence = check_fits(training_memory(qwen3("Qwen3-8B"), settings), 80, "train medium full")
    assert sentence is not None
    assert "train medium full needs about" in sentence
    assert "80 GB" in sentence
    for word in ("weights 32.8", "optimizer 65.5", "micro_batch_size (now 4)", "gradient_checkpointing", "fsdp: true"):
        assert word in sentence


@pytest.mark.parametrize(
    ("change", "compare"),
    [
        ({"micro_batch_size": 4}, "more"),
        ({"max_length": 4096}, "more"),
        ({"gradient_checkpointing": True}, "less"),
        ({"kind": "lora"}, "less"),
        ({"processes": 4}, "more"),  # DDP has a bucket for every gradient
        ({"processes": 4, "fsdp": True}, "less"),
    ],
)
def test_each_setting_moves_the_estimate_the_right_way(change: dict[str, Any], compare: str) -> None:
    shape, plain = qwen3("Qwen3-1.7B"), {**TRAINING, "max_length": 2048}
    larger = training_memory(shape, {**plain, **change}).total > training_memory(shape, plain).total
    assert larger == (compare == "more")


def engine(**change: Any) -> dict[str, Any]:
    vllm = {
        "gpu_memory_utilization": 0.9,
        "max_model_len": 8192,
        "max_num_batched_tokens": 16384,
        "enforce_eager": False,
    }
    values = {"backend": "vllm", "dtype": "bfloat16", "batch_size": 64, "tensor_parallel": 1, "vllm": vllm}
    return {**values, **change}


def test_sampling_counts_weights_and_cache() -> None:
    """8B: 16.4 GB of weights and 2 x 36 x 8 x 128 x 2 bytes = 147,456 of cache a token."""
    needed = sampling_memory(qwen3("Qwen3-8B"), engine(), 40960)
    assert needed.parts["weights"] == 2 * 8190735360
    assert needed.parts["key-value cache"] == 147456 * 8192 * 64
    assert needed.total - needed.least == 147456 * 8192 * 63
    assert check_fits(needed, 80, "attempt medium") is None
    assert "32 GB" in str(check_fits(sampling_memory(qwen3("Qwen3-32B"), engine(), 40960), 32, "attempt large"))


def test_tensor_parallel_shares_weights_and_key_heads() -> None:
    one, four, sixteen = (
        sampling_memory(qwen3("Qwen3-32B"), engine(tensor_parallel=gpus), 40960).parts for gpus in (1, 4, 16)
    )
    assert one["weights"] == pytest.approx(4 * four["weights"])
    assert one["key-value cache"] == 4 * four["key-value cache"]
    assert one["key-value cache"] == 8 * sixteen["key-value cache"], "there are 8 key heads: one is the least"


def test_the_cache_of_transformers_holds_the_whole_batch() -> None:
    needed = sampling_memory(qwen3("Qwen3-1.7B"), engine(backend="transformers", vllm=None), 4096)
    assert needed.least == needed.total


def test_text_names_the_large_parts() -> None:
    plain: Callable[..., Memory] = Memory
    assert plain({"weights": 6_900_000_000, "gradients": 10}, 0, 1.0, "").text() == "6.9 GB: weights 6.9"
