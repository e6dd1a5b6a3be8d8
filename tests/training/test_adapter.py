"""An adapter becomes a model: what is merged must act as what was trained, or is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from tuning_case import ROWS, lora, silent

from piretry.errors import PiretryError
from piretry.training import adapter
from piretry.training.adapter import merge_adapter
from piretry.training.sft import fine_tune


def adapter_of_size(start: Path, target: Path, size: float) -> None:
    """Save an adapter whose product is about `size`; 0 is what peft starts with."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(start), LoraConfig(r=4, lora_alpha=4, target_modules="all-linear")
    )
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            scale = size**0.5 / 2 if "lora_A" in name or size else 0.0
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    model.save_pretrained(target / "adapter")


@pytest.fixture
def start(random_model: Path, tmp_path: Path) -> Path:
    """A model whose weights are bfloat16 numbers, as a published one's are."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(random_model, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "start")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(random_model / name, tmp_path / "start")
    return tmp_path / "start"


def test_a_trained_adapter_is_checked_on_the_way(random_model: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    outcome = fine_tune(random_model, ROWS, lora(settings), tmp_path / "m", tmp_path / "ck", silent)
    check = outcome.facts["adapter"]
    assert check["dtype"] == "float32"
    assert check["change"] > 1e-3
    assert check["lost"] < 1e-3


def test_an_adapter_that_changes_nothing_is_refused(start: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    adapter_of_size(start, tmp_path / "m", 0.0)
    with pytest.raises(PiretryError, match="not trained or is not applied"):
        merge_adapter(start, tmp_path / "m", ROWS, lora(settings))
    assert not (tmp_path / "m/model.safetensors").exists()


def test_a_merged_model_that_is_the_base_is_refused(
    start: Path, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the adapter is silently ignored on the way to the saved weights."""
    from transformers import AutoModelForCausalLM

    adapter_of_size(start, tmp_path / "m", 0.01)
    base = AutoModelForCausalLM.from_pretrained(start)
    monkeypatch.setattr(adapter, "_save_merged", lambda merged, target, dtype: base.save_pretrained(target))
    with pytest.raises(PiretryError, match=r"differs from start model and adapter by 100% .* not\s+published"):
        merge_adapter(start, tmp_path / "m", ROWS, lora(settings))


@pytest.mark.parametrize(("size", "dtype"), [(1e-1, "bfloat16"), (1e-5, "float32")])
def test_bfloat16_is_left_where_it_would_lose_the_adapter(
    size: float, dtype: str, start: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    adapter_of_size(start, tmp_path / "m", size)
    check = merge_adapter(start, tmp_path / "m", ROWS, {**lora(settings), "dtype": "bfloat16"})
    assert check.dtype == dtype
    assert check.lost <= 0.1
    saved = load_file(tmp_path / "m/model.safetensors")
    assert str(next(iter(saved.values())).dtype) == f"torch.{dtype}"
