"""A sampling job that is killed anywhere, or divided over any number of shards, gives the rows of one whole job."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piretry import sampling
from piretry.completions import read_completions, write_completions
from piretry.data.schema import Problem, write_problems
from piretry.engines.base import Completion, Request, SamplingParams
from piretry.errors import PiretryError
from piretry.grid.task import Task
from piretry.shards import own, shard_of
from piretry.stages import attempt, gather, resample, retry

TASK = {
    "state": "small/base/s42",
    "writer": "small/base/s42",
    "seed": 42,
    "prompts": {"bare": {"template": "again", "k": 4}, "gold": {"template": "it is {gold}", "k": 2}},
    "history": "last",
    "chat": {"system": None, "instruction": "", "template_options": {}},
    "sampling": {"temperature": 0.7, "top_p": 1.0, "top_k": 0, "max_tokens": 8},
    "verifier": {"workers": 1, "timeout_s": 5.0, "memory_mb": 2048},
    "engine": {"backend": "made up"},
    "shard": 0,
    "shards": 1,
}


class Killed(Exception):
    """Stands for a signal at a moment of the test's choice."""


class Engine:
    """Answers from the request's seed alone, in batches; dies after a given number of them."""

    def __init__(self, batch_size: int, dies_after: int | None = None) -> None:
        self.batch_size, self.dies_after, self.answered = batch_size, dies_after, []

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[list[Completion]]:
        ordered = sorted(requests, key=lambda request: request.key)
        for start in range(0, len(ordered), self.batch_size):
            if self.dies_after is not None:
                if self.dies_after == 0:
                    raise Killed
                self.dies_after -= 1
            batch = ordered[start : start + self.batch_size]
            self.answered += [(request.key, str(request.messages)) for request in batch]
            yield [
                Completion(r.key, f"\\boxed{{{r.seed % 3}}}", "stop", len(r.messages), 3, f"{r.seed:016x}")
                for r in batch
            ]


class Job:
    """As much of a job as the sampling stages use."""

    def __init__(self, folder: Path, inputs: dict[str, str], changes: dict[str, Any], name: str) -> None:
        self.folder, self.settings = folder, {**TASK, **changes}
        outputs = {"completions": name, **{prompt: f"{name}-{prompt}" for prompt in self.settings["prompts"]}}
        self.task = Task("attempt", "small/base/s42", inputs, outputs, self.settings)

    def input(self, name: str) -> Path:
        return self.folder / self.task.inputs.get(name, "model")

    def output(self, name: str) -> Path:
        return self.folder / self.task.outputs[name]

    def partial(self) -> Path:
        return self.folder / f"{self.task.outputs['completions']}.partial"

    def count(self, **counters: float) -> None:
        pass

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        yield lambda step: None


@contextmanager
def using(engine: Engine) -> Iterator[None]:
    before = sampling.load_engine
    sampling.load_engine = lambda *arguments: engine  # type: ignore[assignment]
    try:
        yield
    finally:
        sampling.load_engine = before


def problems(count: int) -> list[Problem]:
    return [Problem(f"p{n}", f"What is {n}?", str(n % 3), None, "made up", "train") for n in range(count)]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 25), batch=st.integers(1, 7), deaths=st.lists(st.integers(0, 6), max_size=4))
def test_a_job_killed_anywhere_resumes_to_the_same_rows(count: int, batch: int, deaths: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_problems(folder / "problems", problems(count))
        inputs = {"problems": "problems"}
        with using(Engine(batch)):
            attempt.run(Job(folder, inputs, {}, "whole"))
            retry.run(Job(folder, {**inputs, "attempts": "whole"}, {}, "whole-retries"))
        asked: list[tuple[str, tuple[str, str]]] = []
        for stage, output in ((attempt, "resumed"), (retry, "resumed-retries")):
            for after in [*deaths, None]:
                engine = Engine(batch, after)
                with using(engine):
                    try:
                        stage.run(Job(folder, {**inputs, "attempts": "resumed"}, {}, output))
                    except Killed:
                        assert not (folder / output).exists() and not (folder / f"{output}-gold").exists()
                    finally:
                        asked += [(output, request) for request in engine.answered]
        assert len(asked) == len(set(asked)), "nothing is generated twice"
        assert (folder / "resumed").read_bytes() == (folder / "whole").read_bytes()
        for prompt in ("bare", "gold"):
            resumed, whole = folder / f"resumed-retries-{prompt}", folder / f"whole-retries-{prompt}"
            assert resumed.read_bytes() == whole.read_bytes()


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 25), shards=st.integers(1, 9))
def test_gathered_shards_are_the_whole(count: int, shards: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_problems(folder / "problems", problems(count))
        inputs = {"problems": "problems"}
        with using(Engine(4)):
            attempt.run(Job(folder, inputs, {}, "whole"))
            retry.run(Job(folder, {**inputs, "attempts": "whole"}, {}, "whole-retries"))
            for shard in range(shards):
                part = {"shard": shard, "shards": shards}
                attempt.run(Job(folder, inputs, part, f"attempts.{shard}"))
                retry.run(Job(folder, {**inputs, "attempts": "whole"}, part, f"retries.{shard}"))
        for table, end in (("attempts", ""), ("retries", "-bare"), ("retries", "-gold")):
            whole = f"whole-retries{end}" if end else "whole"
            parts = {str(shard): f"{table}.{shard}{end}" for shard in range(shards)}
            gather.run(Job(folder, parts, {"shards": shards}, table))
            assert (folder / table).read_bytes() == (folder / whole).read_bytes()


def test_prompts_that_share_a_job_get_what_each_gets_alone(tmp_path: Path) -> None:
    write_problems(tmp_path / "problems", problems(20))
    inputs = {"problems": "problems", "attempts": "whole"}
    with using(Engine(4)):
        attempt.run(Job(tmp_path, inputs, {}, "whole"))
        retry.run(Job(tmp_path, inputs, {}, "together"))
        for prompt, asked in TASK["prompts"].items():
            retry.run(Job(tmp_path, inputs, {"prompts": {prompt: asked}}, "alone"))
            assert read_completions(tmp_path / f"alone-{prompt}")
            assert (tmp_path / f"together-{prompt}").read_bytes() == (tmp_path / f"alone-{prompt}").read_bytes()


def test_fresh_attempts_beyond_what_rejection_needs_are_for_failed_problems(tmp_path: Path) -> None:
    write_problems(tmp_path / "problems", problems(30))
    inputs = {"problems": "problems", "attempts": "whole"}
    with using(Engine(4)):
        attempt.run(Job(tmp_path, inputs, {}, "whole"))
        resample.run(Job(tmp_path, inputs, {"k": 5, "k_failed": 5}, "all"))
        resample.run(Job(tmp_path, inputs, {"k": 2, "k_failed": 5}, "some"))
    failed = {row.problem_id for row in read_completions(tmp_path / "whole") if not row.correct}
    wanted = [row for row in read_completions(tmp_path / "all") if row.sample <= 2 or row.problem_id in failed]
    assert 0 < len(failed) < 30
    assert read_completions(tmp_path / "some") == wanted


@given(st.lists(st.text(min_size=1), unique=True), st.integers(1, 12))
def test_every_problem_is_in_exactly_one_shard(ids: list[str], shards: int) -> None:
    items = [Problem(name, "x", "1", None, "s", "t") for name in ids]
    parts = [own(items, {"shard": shard, "shards": shards}) for shard in range(shards)]
    assert sorted(item.problem_id for part in parts for item in part) == sorted(ids)
    assert all(shard_of(item.problem_id, shards) == n for n, part in enumerate(parts) for item in part)


def test_a_shard_of_another_division_is_refused(tmp_path: Path) -> None:
    write_problems(tmp_path / "problems", problems(12))
    with using(Engine(4)):
        attempt.run(Job(tmp_path, {"problems": "problems"}, {"shard": 0, "shards": 2}, "a"))
        attempt.run(Job(tmp_path, {"problems": "problems"}, {"shard": 1, "shards": 3}, "b"))
    with pytest.raises(PiretryError, match="made with another number of shards"):
        gather.run(Job(tmp_path, {"0": "a", "1": "b"}, {"shards": 2}, "c"))


def test_a_table_is_the_same_whatever_the_order_of_its_rows(tmp_path: Path) -> None:
    write_problems(tmp_path / "problems", problems(9))
    with using(Engine(4)):
        attempt.run(Job(tmp_path, {"problems": "problems"}, {}, "a"))
    rows = read_completions(tmp_path / "a")
    write_completions(tmp_path / "b", list(reversed(rows)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
