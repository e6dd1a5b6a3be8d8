"""Fine-tuning: the exact tokens and the mask of the loss, LoRA, resume, and bytes that repeat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tuning_case import ROWS, lora, silent

from piretry.errors import PiretryError
from piretry.training.sft import fine_tune, make_trainer


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_the_loss_covers_exactly_the_completion(
    random_model: Path, tokenizer: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(random_model)
    one = {**settings, "batch_size": 1, "micro_batch_size": 1}
    trainer = make_trainer(network, tokenizer, ROWS[:1], one, tmp_path, silent)
    batch = next(iter(trainer.get_train_dataloader()))
    ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    prompt = "<|im_start|>user\nStart with 0, then +1, *2. Work modulo 10.<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(ids) == prompt + "0+1=1, 1*2=2. \\boxed{2}<|im_end|>"
    start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    assert labels[:start] == [-100] * start
    assert labels[start:] == ids[start:]
    trained = tokenizer.decode([token for token in labels if token != -100])
    assert trained == "0+1=1, 1*2=2. \\boxed{2}<|im_end|>"
    assert tokenizer.eos_token_id in labels


def test_equal_runs_give_equal_bytes_and_another_seed_does_not(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    for name, seed in (("a", 42), ("b", 42), ("c", 7)):
        fine_tune(random_model, ROWS, {**settings, "seed": seed}, tmp_path / name, tmp_path / f"{name}.ck", silent)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")
    assert weights(tmp_path / "a") != weights(random_model)


def test_a_killed_run_resumes_to_the_same_bytes(random_model: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    whole = fine_tune(random_model, ROWS, settings, tmp_path / "whole", tmp_path / "ck1", silent)

    class Killed(Exception):
        pass

    @contextmanager
    def dies(total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(step: int) -> None:
            nonlocal done
            done += step
            if done == 3:
                raise Killed

        yield advance

    with pytest.raises(Killed):
        fine_tune(random_model, ROWS, settings, tmp_path / "resumed", tmp_path / "ck2", dies)
    assert not (tmp_path / "resumed" / "model.safetensors").exists()
    started: list[int] = []

    @contextmanager
    def watches(total: int) -> Iterator[Callable[[int], None]]:
        yield started.append

    fine_tune(random_model, ROWS, settings, tmp_path / "resumed", tmp_path / "ck2", watches)
    assert started[0] == 2, "the run must go on from its last checkpoint, not from the start"
    assert weights(tmp_path / "resumed") == weights(tmp_path / "whole")
    assert whole.counters["steps"] == settings["steps"]


def test_lora_trains_few_parameters_and_the_merged_model_differs_from_the_base(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    full = fine_tune(random_model, ROWS, settings, tmp_path / "full", tmp_path / "ck1", silent)
    tuned = fine_tune(random_model, ROWS, lora(settings), tmp_path / "lora", tmp_path / "ck2", silent)
    assert 0 < tuned.counters["trained_parameters"] < full.counters["trained_parameters"] / 3
    assert (tmp_path / "lora/adapter/adapter_model.safetensors").is_file()
    targets = json.loads((tmp_path / "lora/adapter/adapter_config.json").read_text())["target_modules"]
    assert len(targets) > 5
    assert targets == sorted(targets), "a set's order would change the folder's hash from run to run"
    ids = torch.arange(20)[None]
    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(random_model)
        before = base(ids).logits
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "lora")(ids).logits
        adapted = PeftModel.from_pretrained(base, tmp_path / "lora/adapter")(ids).logits
    assert not torch.allclose(before, merged, atol=1e-4)
    assert torch.allclose(adapted, merged, atol=1e-4)


def test_an_example_that_would_be_cut_off_is_refused(
    random_model: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(PiretryError, match="more than max_length 16"):
        fine_tune(random_model, ROWS, {**settings, "max_length": 16}, tmp_path / "m", tmp_path / "c", silent)
