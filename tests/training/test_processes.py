"""Training in one process and in several: the same losses, and what is left after a kill, a stop and a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from tuning_case import ROWS, lora, silent, small_settings

from piretry.errors import PiretryError
from piretry.training.launch import launch
from piretry.training.outcome import Outcome
from piretry.training.sft import fine_tune

HERE = Path(__file__).parent
_PATIENCE = 500  # seconds, for a busy machine: what hangs fails


@pytest.fixture(autouse=True)
def helpers_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker modules of these tests are found by the processes that are launched."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]))


def two(settings: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {**settings, "micro_batch_size": 4, "processes": 2, **change}


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def assert_close(one: Path, other: Path, tolerance: float) -> None:
    import torch

    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.allclose(value.float(), right[name].float(), atol=tolerance), name


def assert_losses(one: Outcome, other: Outcome, digits: int) -> None:
    assert [step for step, _ in one.losses] == [step for step, _ in other.losses]
    for (_, left), (_, right) in zip(one.losses, other.losses, strict=True):
        assert left == pytest.approx(right, abs=0.5 * 10**-digits)


@pytest.fixture(scope="module")
def eight_steps(mini: dict[str, Any]) -> dict[str, Any]:
    """Nearly three epochs of the 24 examples."""
    return {**small_settings(mini), "steps": 8}


@pytest.fixture(scope="module")
def in_one(
    eight_steps: dict[str, Any], random_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Outcome, Path]]:
    """Full fine-tuning and LoRA in one process: the outcomes and the model folders."""
    folder = tmp_path_factory.mktemp("one")
    found = {}
    for kind, tuning in (("full", eight_steps), ("lora", lora(eight_steps))):
        outcome = fine_tune(random_model, ROWS, tuning, folder / kind, folder / f"{kind}.ck", silent)
        found[kind] = (outcome, folder / kind)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_two_processes_of_the_real_launcher_train_as_one_does(
    kind: str,
    eight_steps: dict[str, Any],
    in_one: dict[str, tuple[Outcome, Path]],
    random_model: Path,
    tmp_path: Path,
) -> None:
    tuning = eight_steps if kind == "full" else lora(eight_steps)
    outcome = fine_tune(random_model, ROWS, two(tuning), tmp_path / "m", tmp_path / "ck", silent)
    expected, folder = in_one[kind]
    assert outcome.counters == expected.counters
    assert_losses(outcome, expected, digits=4)
    assert_close(tmp_path / "m", folder, 1e-4)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == sorted(p.name for p in folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "lora"])
def test_sharded_processes_train_as_one_does(
    kind: str,
    eight_steps: dict[str, Any],
    in_one: dict[str, tuple[Outcome, Path]],
    random_model: Path,
    tmp_path: Path,
) -> None:
    """FSDP2 with the worker's wrapping and checkpointing of activations, on a CPU mesh: losses to 5 digits."""
    from piretry.training.adapter import merge_adapter

    tuning = two(
        eight_steps if kind == "full" else lora(eight_steps), fsdp=True, gradient_checkpointing=True, checkpoint_steps=3
    )
    outcome = launch(random_model, ROWS, tuning, tmp_path / "m", tmp_path / "ck", silent, module="fsdp_on_cpu")
    if kind == "lora":
        merge_adapter(random_model, tmp_path / "m", ROWS, tuning)
    expected, folder = in_one[kind]
    assert_losses(outcome, expected, digits=5)
    assert_close(tmp_path / "m", folder, 1e-4)
    assert json.loads((tmp_path / "m/config.json").read_text())["tie_word_embeddings"] is True
    shards = list((tmp_path / "ck").glob("checkpoint-8/optimizer_0/*.distcp"))
    assert len(shards) == 2, "each process writes its own part of the optimizer: it is sharded"


@pytest.mark.slow
def test_sharded_processes_train_a_model_with_an_output_layer_of_its_own(
    eight_steps: dict[str, Any], random_model: Path, tmp_path: Path
) -> None:
    """As Qwen3-8B and 32B have, whose embedding and output layer are units of their own; a bfloat16 model is saved."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(random_model)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = type(model.lm_head.weight)(model.lm_head.weight.detach().clone())
    model.save_pretrained(tmp_path / "start")
    AutoTokenizer.from_pretrained(random_model).save_pretrained(tmp_path / "start")
    tuning = {**eight_steps, "dtype": "bfloat16"}
    expected = fine_tune(tmp_path / "start", ROWS, tuning, tmp_path / "one", tmp_path / "one.ck", silent)
    sharded = two(tuning, fsdp=True, gradient_checkpointing=True)
    outcome = launch(tmp_path / "start", ROWS, sharded, tmp_path / "m", tmp_path / "ck", silent, module="fsdp_on_cpu")
    assert_losses(outcome, expected, digits=1)  # bfloat16 arithmetic, in which the order of sums shows
    assert weights(tmp_path / "m").keys() == weights(tmp_path / "one").keys()
    assert "lm_head.weight" in weights(tmp_path / "m")
    assert {str(value.dtype) for value in weights(tmp_path / "m").values()} == {"torch.bfloat16"}
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    assert saved.config.tie_word_embeddings is False
    assert str(saved.dtype) == "torch.bfloat16"


@pytest.mark.slow
def test_dropped_sharding_is_noticed(settings: dict[str, Any], random_model: Path, tmp_path: Path) -> None:
    tuning = two(settings, fsdp=True)  # past the check that the stage makes before
    with pytest.raises(PiretryError, match="as FSDP, but accelerate set up 2 as MULTI_CPU"):
        launch(random_model, ROWS, tuning, tmp_path / "m", tmp_path / "ck", silent)
    assert not (tmp_path / "m").exists()


class Driver:
    """A training in a process of its own, read step by step."""

    def __init__(self, model: Path, settings: dict[str, Any], folder: Path, module: str | None = None) -> None:
        spec = {
            "model": str(model),
            "settings": settings,
            "target": str(folder / "model"),
            "checkpoints": str(folder / "checkpoints"),
            "module": module,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "train_driver.py"), json.dumps(spec)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_step(self, step: int) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("step ") and int(line.split()[1]) >= step:
                return
        raise AssertionError(self.process.communicate()[1][-3000:])

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def result(self) -> dict[str, Any]:
        output, errors = self.process.communicate(timeout=_PATIENCE)
        assert self.process.returncode == 0, errors[-3000:]
        value: dict[str, Any] = json.loads(output.splitlines()[-1])
        return value


def assert_gone(family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=_PATIENCE)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


LONG = {"steps": 30, "checkpoint_steps": 4}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_that_is_killed_goes_on_from_its_checkpoint(
    processes: int, settings: dict[str, Any], random_model: Path, tmp_path: Path
) -> None:
    tuning = {**settings, **LONG} if processes == 1 else two(settings, **LONG)
    fine_tune(random_model, ROWS, tuning, tmp_path / "whole/model", tmp_path / "whole/checkpoints", silent)
    killed = Driver(random_model, tuning, tmp_path / "killed")
    killed.wait_for_step(10)
    family = killed.family()
    assert len(family) >= (1 if processes == 1 else 4), "the driver, the launcher and two processes"
    # Of several the parent alone: that the others end with it is a part of the test.
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.communicate()
    assert_gone(family)
    assert not (tmp_path / "killed/model/model.safetensors").exists()
    resumed = Driver(random_model, tuning, tmp_path / "killed").result()
    assert resumed["counters"]["resumed_at"] >= 8, "the last checkpoint before step 10, or a later one"
    assert resumed["counters"]["steps"] == 30
    one, other = (tmp_path / name / "model/model.safetensors" for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "module"), [(1, None), (2, None), (2, "fsdp_on_cpu")])
def test_sigterm_saves_a_checkpoint_at_once(
    processes: int, module: str | None, settings: dict[str, Any], random_model: Path, tmp_path: Path
) -> None:
    change = {"steps": 400, "checkpoint_steps": 1000}
    tuning = {**settings, **change} if processes == 1 else two(settings, **change, fsdp=module is not None)
    stopped = Driver(random_model, tuning, tmp_path, module)
    stopped.wait_for_step(3)
    family = stopped.family()
    os.kill(stopped.process.pid, signal.SIGTERM)
    errors = stopped.process.communicate(timeout=_PATIENCE)[1]
    assert stopped.process.returncode not in (0, -signal.SIGTERM)
    assert "PiretryError: The training was told to stop" in errors
    assert_gone(family)
    step = int(errors.partition("checkpoint at step ")[2].split()[0])
    assert (tmp_path / f"checkpoints/checkpoint-{step}/trainer_state.json").is_file()
    again = Driver(random_model, tuning, tmp_path, module)
    again.wait_for_step(step)
    again.process.terminate()
    errors = again.process.communicate(timeout=_PATIENCE)[1]
    later = int(errors.partition("checkpoint at step ")[2].split()[0])
    assert step < later < 400, "it went on from there and was stopped again"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "sentence"),
    [("raise", "Training process 1 of 2 failed"), ("kill", "Training process 1 of 2 ended without a message")],
)
def test_one_failing_process_ends_all_and_is_named(
    how: str,
    sentence: str,
    settings: dict[str, Any],
    random_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAIL", how)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(PiretryError, match=sentence) as failed:
        launch(random_model, ROWS, two(settings), tmp_path / "m", tmp_path / "ck", silent, module="failing_worker")
    assert "The last lines of its log:" in str(failed.value)
    if how == "raise":
        assert "RuntimeError: the second process is broken" in str(failed.value)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
