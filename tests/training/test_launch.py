"""How a training in several processes is set up, refused and reported; nothing is started here."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from piretry.errors import PiretryError
from piretry.training import worker
from piretry.training.launch import _failure, accelerate_config, free_port, launch_command
from piretry.training.processes import check_processes


def test_the_checks_import_no_torch() -> None:
    imports = "import sys; import piretry.training.processes, piretry.training.memory"
    code = f"{imports}; sys.exit(bool({{'torch', 'pyarrow'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("batch", "micro", "processes", "advice"),
    [(32, 4, 16, "one of 1, 2,"), (32, 8, 3, "a multiple of 3"), (8, 8, 2, "one of 1, 2, 4,")],
)
def test_a_batch_that_the_processes_cannot_share_is_refused(
    settings: dict[str, Any], batch: int, micro: int, processes: int, advice: str
) -> None:
    tuning = {**settings, "batch_size": batch, "micro_batch_size": micro, "processes": processes}
    with pytest.raises(PiretryError, match=f"batch_size {batch}") as refused:
        check_processes(tuning)
    assert advice in str(refused.value)
    assert "resources.train" in str(refused.value)


def test_what_divides_is_accepted(settings: dict[str, Any]) -> None:
    for micro, processes in ((8, 1), (4, 2), (1, 8), (2, 1)):
        check_processes({**settings, "micro_batch_size": micro, "processes": processes})


def test_sharding_on_the_cpu_is_refused_before_anything_starts(settings: dict[str, Any]) -> None:
    with pytest.raises(PiretryError, match="drop the sharding without a word"):
        check_processes({**settings, "micro_batch_size": 4, "processes": 2, "fsdp": True})
    check_processes({**settings, "fsdp": True})  # one process has nothing to shard over


def test_the_command_line_and_its_configuration(settings: dict[str, Any], tmp_path: Path) -> None:
    tuning = {**settings, "processes": 4, "device": "cuda", "dtype": "bfloat16", "fsdp": True}
    command = launch_command(tmp_path, tuning)
    assert command[1:4] == ["-m", "accelerate.commands.accelerate_cli", "launch"]
    assert command[command.index("--num_processes") + 1] == "4"
    assert command[-3:] == ["-m", "piretry.training.worker", str(tmp_path / "spec.json")]
    config = accelerate_config(tuning)
    assert config["distributed_type"] == "FSDP"
    assert config["mixed_precision"] == "bf16"
    assert config["fsdp_config"]["fsdp_version"] == 2
    assert config["fsdp_config"]["fsdp_auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"
    plain = accelerate_config({**tuning, "fsdp": False})
    assert plain["distributed_type"] == "MULTI_GPU"
    assert "fsdp_config" not in plain


def test_jobs_of_one_node_get_different_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    first = free_port()
    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    second = free_port()
    assert first != second, "also when neither has opened its port yet"
    with socket.socket() as taken:
        taken.bind(("", second))
        taken.listen()
        assert free_port() not in (first, second)


def _reported(folder: Path, rank: int, message: str, meant: bool = False, time: float = 0.0) -> None:
    value = {"rank": rank, "time": time, "message": message, "meant": meant}
    (folder / f"failure-{rank}.json").write_text(json.dumps(value))


def test_the_first_failure_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    _reported(tmp_path, 0, "Connection closed by peer", time=2.0)
    _reported(tmp_path, 1, "ValueError: no", time=1.0)
    sentence = _failure(tmp_path, 2, 1, ["a line", "the last line"])
    assert sentence.startswith("Training process 1 of 2 failed")
    assert "ValueError: no" in sentence
    assert sentence.endswith("a line\nthe last line")


def test_a_process_that_was_killed_is_named(tmp_path: Path) -> None:
    _reported(tmp_path, 0, "Connection closed by peer")
    sentence = _failure(tmp_path, 2, 1, ["the last line"])
    assert sentence.startswith("Training process 1 of 2 ended without a message")
    assert "lack of memory" in sentence


def test_a_sentence_for_the_user_comes_alone(tmp_path: Path) -> None:
    _reported(tmp_path, 1, "Connection closed by peer")
    _reported(tmp_path, 0, "A training example has 9 tokens.", meant=True, time=5.0)
    assert _failure(tmp_path, 2, 1, ["x"]) == "A training example has 9 tokens."


def test_lines_about_steps_are_told_from_others() -> None:
    assert worker.steps_in("piretry-steps 3\n") == 3
    assert worker.steps_in("see piretry-steps 3\n") is None
    assert worker.steps_in("{'loss': 1.0}\n") is None
