"""Rows without padding, gradient checkpointing and bfloat16: what they must not change, and what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tuning_case import ROWS, silent

from piretry.sft import SftRow
from piretry.training.sft import fine_tune
from piretry.training.trainer import in_order_of_training, make_trainer

# Of different lengths, so that there would be padding.
UNEVEN = [
    SftRow(row.problem_id, row.prompt, row.completion[: 8 + 5 * (number % 4)], "first", 0, 0)
    for number, row in enumerate(ROWS)
]


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


def first_batch(model: Any, tokenizer: Any, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    trainer = make_trainer(model, tokenizer, UNEVEN, settings, folder, silent)
    batch: dict[str, Any] = next(iter(trainer.get_train_dataloader()))
    return batch


def test_a_packed_row_has_every_example_whole_and_the_loss_on_its_completion(
    random_model: Path, tokenizer: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    plain, packed = (
        first_batch(load(random_model), tokenizer, {**settings, "packing": packing}, tmp_path / str(packing))
        for packing in (False, True)
    )
    lengths = plain["attention_mask"].sum(1).tolist()
    assert len(set(lengths)) > 1
    assert packed["input_ids"].shape == (1, sum(lengths))
    assert packed["position_ids"][0].tolist() == [place for length in lengths for place in range(length)]
    start = 0
    for row, length in enumerate(lengths):
        whole = slice(start, start + length)
        assert packed["input_ids"][0, whole].tolist() == plain["input_ids"][row, :length].tolist()
        assert packed["labels"][0, whole].tolist() == plain["labels"][row, :length].tolist()
        start += length


def test_examples_of_a_packed_row_do_not_see_each_other(
    random_model: Path, tokenizer: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    """The logits of an example are those that it has alone; with one run of positions they would not be."""
    import torch

    model = load(random_model)
    batch = first_batch(model, tokenizer, {**settings, "packing": True}, tmp_path)
    ids, positions = batch["input_ids"], batch["position_ids"]
    last = int((positions[0] == 0).nonzero().flatten()[-1])
    with torch.no_grad():
        alone = model(ids[:, last:], use_cache=False).logits[0]
        packed = model(ids, position_ids=positions, use_cache=False).logits[0, last:]
        mixed = model(ids, use_cache=False).logits[0, last:]
    assert torch.allclose(alone, packed, atol=1e-5)
    assert not torch.allclose(alone, mixed, atol=1e-3)


@pytest.mark.parametrize("change", [{"packing": True}, {"gradient_checkpointing": True}], ids=lambda c: next(iter(c)))
def test_packing_and_checkpointing_train_the_same_model(
    change: dict[str, Any], random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    import torch

    tuning = {**settings, "micro_batch_size": 4}
    plain = fine_tune(random_model, UNEVEN, tuning, tmp_path / "a", tmp_path / "a.ck", silent)
    other = fine_tune(random_model, UNEVEN, {**tuning, **change}, tmp_path / "b", tmp_path / "b.ck", silent)
    for (_, left), (_, right) in zip(plain.losses, other.losses, strict=True):
        assert left == pytest.approx(right, abs=5e-5)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-4), name


def test_small_steps_are_kept_in_float32_and_the_model_saved_in_bfloat16(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    """At a learning rate of 2e-5 most bfloat16 weights would not move; the float32 ones behind them all do."""
    import torch

    tuning = {**settings, "dtype": "bfloat16", "learning_rate": 2e-5, "schedule": "constant", "warmup_steps": 0}
    fine_tune(random_model, ROWS, tuning, tmp_path / "m", tmp_path / "ck", silent)
    before = load_file(random_model / "model.safetensors")
    held = load_file(tmp_path / "ck/checkpoint-4/model.safetensors")
    saved = load_file(tmp_path / "m/model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    assert held[name].dtype == torch.float32
    assert (held[name] != before[name]).float().mean() > 0.99
    assert saved[name].dtype == torch.bfloat16
    assert torch.equal(saved[name], held[name].to(torch.bfloat16))
    unmoved = (saved[name] == before[name].to(torch.bfloat16)).float().mean()
    assert unmoved > 0.5, "what pure bfloat16 training would have lost"


def test_several_processes_see_the_examples_in_one_processs_order(settings: dict[str, Any]) -> None:
    rows = ROWS[:8]
    order = in_order_of_training(rows, 20, seed=42)
    assert len(order) == 20
    for epoch in (order[:8], order[8:16]):
        assert sorted(row.problem_id for row in epoch) == sorted(row.problem_id for row in rows)
    assert order[:8] != order[8:16]
    assert in_order_of_training(rows, 20, seed=42) == order
    assert in_order_of_training(rows, 20, seed=7) != order
