"""A real `piretry attempt` is killed at random moments, ten times; the table in the end is that of a whole run."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from piretry.data.schema import Problem, write_problems
from piretry.grid.task import Task
from piretry.provenance.record import read_record, record_path
from vllm_settings import VLLM

ROOT = Path(__file__).parents[1]
KILLS, PROBLEMS = 10, 480
TABLE = "small/base/s42/attempts.parquet"


class Attempt:
    """One results folder with a model and problems, and the command that samples first attempts in it."""

    def __init__(self, root: Path, model: Path, backend: str) -> None:
        self.table = root / TABLE
        # A copy of the sources: what is kept for resuming is named by the code, which may be edited meanwhile.
        self.sources = root.parent / "src"
        if not self.sources.exists():
            shutil.copytree(ROOT / "src", self.sources, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        self.partial = self.table.parent / ".partial"
        root.mkdir()
        (root / "model").symlink_to(model, target_is_directory=True)
        problems = [
            Problem(
                f"p{n:03d}", f"Start with {n % 10}, then +{n % 7}, *{n % 4}, -{n % 9}.", str(n % 10), None, "t", "t"
            )
            for n in range(PROBLEMS)
        ]
        write_problems(root / "train.parquet", problems)
        engine = {
            "backend": backend,
            "dtype": "float32",
            "device": "cpu",
            "threads": 1,
            "batch_size": 8,
            "tensor_parallel": 1,
            "vllm": VLLM if backend == "vllm" else None,
        }
        settings = {
            "state": "small/base/s42",
            "seed": 42,
            "chat": {"system": None, "instruction": "", "template_options": {}},
            "sampling": {"temperature": 0.7, "top_p": 1.0, "top_k": 0, "max_tokens": 64},
            "verifier": {"workers": 1, "timeout_s": 5.0, "memory_mb": 2048},
            "engine": engine,
            "shard": 0,
            "shards": 1,
        }
        modules = ("piretry.stages.attempt", f"piretry.engines.{backend}_engine", "piretry.verifiers.math")
        inputs = {"model": "model", "problems": "train.parquet"}
        task = Task("attempt", "small/base/s42", inputs, {"completions": TABLE}, settings, modules)
        command = Path(sys.executable).with_name("piretry")
        self.command = [str(command), "attempt", "--task", task.to_json(), "--root", str(root)]

    def start(self) -> subprocess.Popen[bytes]:
        """The command as a process in a group of its own."""
        environment = {**os.environ, "PYTHONPATH": str(self.sources)}
        return subprocess.Popen(
            self.command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def finish(self) -> float:
        """Run the command to its end; the seconds it took."""
        begun = time.monotonic()
        process = self.start()
        _, errors = process.communicate()
        assert process.returncode == 0, errors.decode()[-3000:]
        return time.monotonic() - begun

    def kept(self) -> dict[str, list[str]]:
        """The requests that are kept for resuming, by file."""
        return {
            str(file.relative_to(self.partial)): [json.loads(line)["key"] for line in file.read_text().splitlines()]
            for file in sorted(self.partial.glob("*/*.jsonl"))
        }


def killed(process: subprocess.Popen[bytes], moment: Callable[[float], bool]) -> bool:
    """Kill the process alone, as the kernel or Slurm would, once `moment(seconds)` says so.

    False when it ended first. In either case no process of it may be left: the grading workers end with their job.
    """
    begun, children = time.monotonic(), set()
    while process.poll() is None:
        now = moment(time.monotonic() - begun)
        with contextlib.suppress(psutil.NoSuchProcess):
            children.update(psutil.Process(process.pid).children(recursive=True))
        if now:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    _, errors = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()[-3000:]
    _, left = psutil.wait_procs(children, timeout=20)
    assert not left, "no process is left behind"
    return process.returncode != 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["transformers", "vllm"])
def test_killed_ten_times_and_resumed(backend: str, random_model: Path, tmp_path: Path) -> None:
    if backend == "vllm" and importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed: `make test-vllm` runs the sampling kills with it")
    whole = Attempt(tmp_path / "whole", random_model, backend)
    seconds = whole.finish()
    job = Attempt(tmp_path / "killed", random_model, backend)
    seed = random.randrange(2**32)
    print(f"random moments from seed {seed}")
    chance = random.Random(seed)
    kills = in_generation = finished = 0
    kept: dict[str, list[str]] = {}
    while kills < KILLS or not job.table.exists():
        if job.table.exists():  # ended before its moment: begin anew
            job.table.unlink()
            record_path(job.table).unlink()
            shutil.rmtree(job.partial, ignore_errors=True)
            kept = {}
        before = len(kept)
        # By turns anywhere in the run, its start included, and after a random number of finished batches.
        late, files = chance.uniform(0, seconds), before + chance.randint(1, 12)
        pause = chance.uniform(0, 0.2)
        if kills >= KILLS:
            moment = lambda now: False  # noqa: E731
        elif kills % 2:
            moment = lambda now, late=late: now > late  # noqa: E731
        else:

            def moment(now: float, files: int = files, pause: float = pause) -> bool:
                if len(list(job.partial.glob("*/*.jsonl"))) < files:
                    return False
                time.sleep(pause)
                return True

        process = job.start()
        stopped = killed(process, moment)
        kills += stopped
        if job.table.exists():  # with its record: also when it was killed while it tidied up
            finished += 1
            counters = read_record(record_path(job.table)).cost.counters
            resumed = sum(map(len, kept.values()))
            assert counters.get("completions_resumed", 0) == resumed, "every finished request was taken up"
            assert counters.get("completions", 0) == PROBLEMS - resumed, "and no other was generated"
            assert job.table.read_bytes() == whole.table.read_bytes()
            assert stopped or not job.partial.exists()
        else:
            assert stopped
            now = job.kept()
            keys = [key for batch in now.values() for key in batch]
            assert len(keys) == len(set(keys)), "no request is in two finished batches"
            assert {name: now.get(name) for name in kept} == kept, "finished batches stay as they are"
            in_generation += len(now) > before
            kept = now
    print(f"{kills} kills, {in_generation} of them after new batches, {finished} finished runs, seed {seed}")
    assert in_generation >= KILLS // 3
