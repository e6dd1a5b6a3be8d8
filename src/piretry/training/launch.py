"""Training in several processes of one node: `accelerate launch`, whose processes run `piretry.training.worker`.

The parent only watches. It starts the launcher, shows what the processes print, passes on a SIGTERM by a file that
they look for after each step (the launcher itself would kill them after a few seconds), and makes the first failure a
sentence. When the parent dies, even by SIGKILL, the kernel ends the launcher and the processes with it, so that no
orphan goes on writing checkpoints beside the next attempt.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.sft import SftRow, write_sft
from piretry.training import worker
from piretry.training.outcome import Outcome
from piretry.training.trainer import Progress

# Below the ports that Linux gives to outgoing connections (32768 and up).
_FIRST_PORT, _PORTS = 20_000, 10_000
_TAIL = 30
# Seconds that the launcher leaves the other processes when one has failed.
_GRACE = 10


def launch(
    model: Path,
    rows: Sequence[SftRow],
    settings: Mapping[str, Any],
    target: Path,
    checkpoints: Path,
    progress: Progress,
    module: str = worker.__name__,
) -> Outcome:
    """Train in `settings["processes"]` processes; arguments and errors are those of `piretry.training.sft.fine_tune`.

    With LoRA `target` holds the adapter and the tokenizer afterwards. `module` is what the processes run.
    """
    with tempfile.TemporaryDirectory(prefix="piretry-train-") as name:
        folder = Path(name)
        write_sft(folder / "sft.parquet", rows)
        spec = worker.Spec(
            model=str(model.absolute()),
            rows=str(folder / "sft.parquet"),
            settings=dict(settings),
            target=str(target.absolute()),
            checkpoints=str(checkpoints.absolute()),
            folder=str(folder),
        )
        (folder / "spec.json").write_text(spec.to_json(), encoding="utf-8")
        (folder / "accelerate.json").write_text(json.dumps(accelerate_config(settings), indent=2), encoding="utf-8")
        command = launch_command(folder, settings, module)
        tail: deque[str] = deque(maxlen=_TAIL)
        with _started(command, settings) as process, _stop_file(folder / worker.STOP):
            _follow(process, settings["steps"], progress, tail)
            code = process.wait()
        if code == 0 and (folder / worker.OUTCOME).is_file():
            value = json.loads((folder / worker.OUTCOME).read_text(encoding="utf-8"))
            return Outcome(**{**value, "losses": [(step, loss) for step, loss in value["losses"]]})
        raise PiretryError(_failure(folder, settings["processes"], code, tail))


def accelerate_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration file of `accelerate launch`: data parallel, or FSDP2 with each transformer layer a unit.

    Activations are checkpointed by the model (gradient_checkpointing) and not by FSDP, so that one key serves both.
    Checkpoints are sharded (each process writes its part); the final model is gathered by the worker.
    """
    common = {
        "compute_environment": "LOCAL_MACHINE",
        # MULTI_GPU is the launcher's word for several local processes, on CPU too (with use_cpu).
        "distributed_type": "FSDP" if settings["fsdp"] else "MULTI_GPU",
        "use_cpu": settings["device"] == "cpu",
        "num_machines": 1,
        "machine_rank": 0,
        "num_processes": settings["processes"],
        "mixed_precision": "bf16" if settings["dtype"] == "bfloat16" else "no",
        "debug": False,
    }
    if not settings["fsdp"]:
        return common
    return {
        **common,
        "fsdp_config": {
            "fsdp_version": 2,
            "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "fsdp_reshard_after_forward": True,
            "fsdp_state_dict_type": "SHARDED_STATE_DICT",
            "fsdp_cpu_ram_efficient_loading": True,
            "fsdp_activation_checkpointing": False,
            "fsdp_offload_params": False,
        },
    }


def launch_command(folder: Path, settings: Mapping[str, Any], module: str = worker.__name__) -> list[str]:
    """The command line: accelerate's launcher of this very Python, the port, and the module with its specification."""
    return [
        sys.executable,
        *("-m", "accelerate.commands.accelerate_cli", "launch"),
        *("--config_file", str(folder / "accelerate.json")),
        *("--num_processes", str(settings["processes"])),
        *("--main_process_port", str(free_port())),
        *("-m", module, str(folder / "spec.json")),
    ]


def free_port() -> int:
    """A port that nobody listens on. The search begins at a place of this Slurm job's, or this process's, own, so that
    two jobs that start on one node at the same moment do not find the same.
    """
    number = os.environ.get("SLURM_JOB_ID", "")
    start = int(number) if number.isdigit() else os.getpid()
    for step in range(_PORTS):
        # Neighbouring job ids are 7 ports apart.
        port = _FIRST_PORT + (start * 7 + step) % _PORTS
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise PiretryError(f"No port between {_FIRST_PORT} and {_FIRST_PORT + _PORTS} is free for the training processes.")


@contextmanager
def _started(command: Sequence[str], settings: Mapping[str, Any]) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(max(1, settings["threads"] // settings["processes"])),
        # The launcher leaves SIGTERM to us: it would kill the processes while they save.
        "PET_SIGNALS_TO_HANDLE": "SIGINT,SIGHUP,SIGQUIT",
        "PET_SHUTDOWN_TIMEOUT": str(_GRACE),
        "PYTHONUNBUFFERED": "1",
    }
    parent = os.getpid()

    def in_launcher() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        worker.die_with(parent)

    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=in_launcher,
    )
    try:
        yield process
    finally:
        process.kill()  # no harm when it has ended; its processes end with it
        process.wait()


@contextmanager
def _stop_file(path: Path) -> Iterator[None]:
    """Within the block SIGTERM makes the file that tells the processes to save a checkpoint and end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: path.touch())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _follow(process: subprocess.Popen[str], steps: int, progress: Progress, tail: deque[str]) -> None:
    """Show what the processes print, keep its end in `tail`, and move the progress display by the steps they report."""
    assert process.stdout is not None
    with progress(steps) as advance:
        for line in process.stdout:
            done = worker.steps_in(line)
            if done is not None:
                advance(done)
            else:
                tail.append(line.rstrip())
                sys.stderr.write(line)


def _failure(folder: Path, processes: int, code: int, tail: Sequence[str]) -> str:
    """Why the training failed: the sentence of the process that failed first, or the end of the log."""
    told = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("failure-*.json")]
    log = "The last lines of its log:\n" + "\n".join(tail)
    silent = sorted({*range(processes)} - {failure["rank"] for failure in told} - _finished(folder))
    meant = [failure for failure in told if failure["meant"]]
    if meant:
        return str(min(meant, key=lambda failure: failure["time"])["message"])
    if silent:
        return (
            f"Training process {silent[0]} of {processes} ended without a message (the launcher's exit code is "
            f"{code}): something killed it, most often a lack of memory. The other processes were ended. {log}"
        )
    first = min(told, key=lambda failure: failure["time"], default=None)
    if first is None:
        return f"The training ended with exit code {code} and no result. {log}"
    return (
        f"Training process {first['rank']} of {processes} failed, and the others were ended:\n{first['message']}\n{log}"
    )


def _finished(folder: Path) -> set[int]:
    return {int(path.suffix[1:]) for path in folder.glob("finished.*")}
