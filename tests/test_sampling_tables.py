"""A job that samples several tables: what it keeps for resuming, what the engine is asked, and what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from piretry import sampling
from piretry.engines.base import Completion, Request, SamplingParams
from piretry.grid.task import Task
from piretry.sampling import Ask, PartialStore, Sampler

SETTINGS = {
    "chat": {"system": None, "instruction": "", "template_options": {}},
    "sampling": {"temperature": 0.7, "top_p": 1.0, "top_k": 0, "max_tokens": 8},
    "verifier": {"workers": 1, "timeout_s": 5.0, "memory_mb": 2048},
    "engine": {"backend": "made up"},
}


class Engine:
    """Answers from the request's seed, two at a time; dies after a given number of batches."""

    def __init__(self, shares_prefixes: bool, dies_after: int | None = None) -> None:
        self.shares_prefixes, self.dies_after, self.calls, self.closed = shares_prefixes, dies_after, [], False

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[list[Completion]]:
        self.calls.append([request.seed for request in requests])
        assert len({request.key for request in requests}) == len(requests)
        # Not in the given order, as vLLM hands over what finishes first.
        ordered = sorted(requests, key=lambda request: -request.seed)
        for start in range(0, len(ordered), 2):
            if self.dies_after is not None and start // 2 == self.dies_after:
                raise KeyboardInterrupt
            yield [
                Completion(r.key, f"\\boxed{{{r.seed % 3}}}", "stop", 5, 3, f"{r.seed:x}")
                for r in ordered[start : start + 2]
            ]

    def close(self) -> None:
        self.closed = True


class Job:
    """As much of a job as a Sampler uses; it remembers counters and progress."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.settings = folder, SETTINGS
        self.task = Task("retry", "small/base/s42", {}, {}, self.settings)
        self.counters: dict[str, float] = {}
        self.labels: list[tuple[str, int, list[int]]] = []

    def input(self, name: str) -> Path:
        return self.folder / name

    def partial(self) -> Path:
        return self.folder / "partial"

    def count(self, **counters: float) -> None:
        for name, value in counters.items():
            self.counters[name] = self.counters.get(name, 0) + value

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        steps: list[int] = []
        self.labels.append((label, total, steps))
        yield steps.append


def asks(prompt: int, count: int) -> list[Ask]:
    """Asks of one table; their keys are those of every other table's."""
    turns = ({"role": "user", "content": "x"},)
    return [Ask(f"p{n}", str(n % 3), turns, 1, 0, seed=100 * prompt + n) for n in range(count)]  # type: ignore[arg-type]


def sample(job: Job, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(sampling, "load_engine", lambda *arguments: engine)
    with Sampler(job) as sampler:  # type: ignore[arg-type]
        return sampler.answer_tables({"bare": asks(1, 5), "gold": asks(3, 4)})


@pytest.mark.parametrize("shares", [True, False])
def test_tables_of_one_job(shares: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, job = Engine(shares), Job(tmp_path)
    rows = sample(job, engine, monkeypatch)
    assert {name: [row.seed for row in table] for name, table in rows.items()} == {
        "bare": [100, 101, 102, 103, 104],
        "gold": [300, 301, 302, 303],
    }
    assert all(row.completion == f"\\boxed{{{row.seed % 3}}}" for table in rows.values() for row in table)
    assert [row.verdict for row in rows["gold"]] == ["correct"] * 4
    assert [row.correct for row in rows["bare"]] == [False] * 5
    assert [len(call) for call in engine.calls] == ([9] if shares else [5, 4])
    assert [label for label, _, _ in job.labels] == (
        ["retry small/base/s42 bare gold sampled"]
        if shares
        else ["retry small/base/s42 bare sampled", "retry small/base/s42 gold sampled"]
    )
    assert all(sum(steps) == total for _, total, steps in job.labels)
    assert job.counters == {"prompt_tokens": 45, "completion_tokens": 27, "completions": 9}
    assert engine.closed


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_a_killed_job_takes_up_every_table(
    shares: bool, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    whole = sample(Job(tmp_path / "whole"), Engine(shares), monkeypatch)
    dying, job = Engine(shares, after), Job(tmp_path)
    try:
        assert sample(job, dying, monkeypatch) == whole
        done = 9
    except KeyboardInterrupt:
        done = job.counters.get("completions", 0)
    resumed, engine = Job(tmp_path), Engine(shares)
    assert sample(resumed, engine, monkeypatch) == whole
    assert resumed.counters.get("completions_resumed", 0) == done
    assert resumed.counters.get("completions", 0) == 9 - done


def test_a_damaged_file_counts_as_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = PartialStore(tmp_path)
    first, second = (Completion(key, "text", "stop", 1, 1, "d") for key in "ab")
    store.add("sampled", [first])
    store.add("sampled", [second])
    store.add("bare-sampled", [first])
    (tmp_path / "sampled-000000.jsonl").write_text(json.dumps({"key": "a"})[:-3])
    again = PartialStore(tmp_path)
    assert again.load("sampled") == {"b": second}
    assert "sampled-000000.jsonl is damaged" in capsys.readouterr().err
    again.add("sampled", [first])
    assert PartialStore(tmp_path).load("sampled") == {"a": first, "b": second}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bare-sampled-000000.jsonl",
        "sampled-000000.jsonl",
        "sampled-000001.jsonl",
        "sampled-000002.jsonl",
    ]
