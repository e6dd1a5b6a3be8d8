"""The settings of a cell beside the published ones, from the records of real tasks."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sound_source import REPOSITORY

from piretry.errors import PiretryError
from piretry.grid.project import Project, load_project
from piretry.grid.task import Task
from piretry.grid.tasks import all_tasks
from piretry.provenance import environment
from piretry.provenance.graph import Lineage
from piretry.provenance.model import Record
from piretry.provenance.record import Publication
from piretry.sources.model import Published
from piretry.sources.protocol import ProtocolRow, agrees, cell_settings, protocol_rows
from piretry.sources.read import to_settings

GOLD = "small/retry-lora/k1/gold/r1"


def publish(project: Project, root: Path, series: str) -> list[Record]:
    """Records of everything that the evaluations of `series` are made from: real tasks, files without content."""
    producers = {path: task for task in all_tasks(project) for path in task.outputs.values()}
    tops = [f"{series}/s{seed}/eval.parquet" for seed in project.seeds(series)]
    done: set[str] = set()

    def make(path: str) -> None:
        task: Task = producers[path]
        if path in done:
            return
        done.update(task.outputs.values())
        for needed in task.inputs.values():
            make(needed)
        with Publication(
            root=root,
            stage=task.stage,
            target=task.target,
            outputs={name: root / output for name, output in task.outputs.items()},
            inputs={name: root / needed for name, needed in task.inputs.items()},
            settings=task.settings,
            modules=("piretry.provenance.layout",),
            command=["piretry", task.stage],
        ) as job:
            for name in task.outputs:
                job.temporary(name).write_text("made up")

    for top in tops:
        make(top)
    lineage = Lineage.read(root)
    nodes = {node.id: node.record for top in tops for node in lineage.graph(top).nodes if node.record is not None}
    return list(nodes.values())


@pytest.fixture(scope="module")
def quick() -> Iterable[None]:
    """Asks git once, and does not wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "checkout", functools.cache(environment.checkout))
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory, quick: None) -> dict[str, list[Record]]:
    project = load_project(REPOSITORY, {"scale": "paper"})
    series = (
        GOLD,
        "small/resample-full/k16/none/r1",
        "medium/retry-lora_5e7/k3/bare/r1",
        "small/cross-full/k1/bare/r1",
    )
    found = {name: publish(project, tmp_path_factory.mktemp("paper"), name) for name in series}
    rounds = "small/retry-full/k3/bare/r2"
    found[rounds] = publish(project, tmp_path_factory.mktemp("rounds"), rounds)
    return found


def rows_of(records: dict[str, list[Record]], series: str, published: Published) -> dict[str, ProtocolRow]:
    return {row.setting: row for row in protocol_rows(series, cell_settings(records[series]), published)}


def test_the_paper_scale_has_what_the_sources_state_of_a_prompt_arm(paper: dict, published: Published) -> None:
    rows = rows_of(paper, GOLD, published)
    assert {name: row.here for name, row in rows.items() if row.status == "different"} == {}
    same = {name for name, row in rows.items() if row.status == "same"}
    assert same >= {
        "model",
        "train_data",
        "train_problems",
        "eval_data",
        "attempt_temperature",
        "k",
        "retry_prompt",
        "include_correct_first",
        "tuning",
        "lora_rank",
        "lora_alpha",
        "learning_rate",
        "steps",
        "seeds",
    }
    open_settings = {name for name, row in rows.items() if row.status == "not stated"}
    assert open_settings >= {"thinking", "attempt_top_p", "attempt_max_tokens", "history", "schedule", "eval_samples"}
    assert all(rows[name].published == "not stated" and not rows[name].page for name in open_settings)
    assert rows["retry_prompt"].here.startswith("The correct answer is {gold}.")
    assert rows["lora_rank"].page == "star-try-again-3seed.html"


def test_settings_that_pages_contradict_name_every_value(paper: dict, published: Published) -> None:
    row = rows_of(paper, "small/retry-full/k3/bare/r2", published)["tuning"]
    assert row.status == "same" and row.here == "full"
    assert row.published.startswith("lora (") and "; full (faq.html)" in row.published


def test_a_setting_that_a_cell_does_not_have_has_no_row(paper: dict, published: Published) -> None:
    rows = rows_of(paper, "small/resample-full/k16/none/r1", published)
    assert not {"k", "retry_prompt", "history", "retry_writer", "lora_rank", "start_from"} & rows.keys()
    assert rows["fresh_samples"].status == "same" and rows["fresh_samples"].here == "16"
    assert rows["include_correct_first"].here == "no" and rows["include_correct_first"].status == "same"
    # One seed is stated for double-sample; this run has three.
    assert rows["seeds"].status == "different" and rows["seeds"].here == "42, 123, 456"


def test_a_later_round_shows_its_own_start(paper: dict, published: Published) -> None:
    series = "small/retry-full/k3/bare/r2"
    assert rows_of(paper, series, published)["start_from"].here == "the model of the round before"
    settings = cell_settings(paper[series])
    assert settings["start_from"] == "the model of the round before" and settings["seeds"] == [42, 123, 456]


def test_other_writers_and_learning_rates(paper: dict, published: Published) -> None:
    assert rows_of(paper, "small/cross-full/k1/bare/r1", published)["retry_writer"].here == "medium"
    rates = rows_of(paper, "medium/retry-lora_5e7/k3/bare/r1", published)["learning_rate"]
    assert rates.status == "same" and rates.here == "5e-7" and "1e-6" in rates.published


def test_the_figures_may_come_from_a_tasks_settings_or_the_checkout(
    paper: dict, published: Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = cell_settings(paper[GOLD])
    expected = protocol_rows(GOLD, settings, published)
    assert protocol_rows(GOLD, settings, to_settings(published)) == expected
    monkeypatch.chdir(REPOSITORY)
    assert protocol_rows(GOLD, settings) == expected
    from piretry.sources import protocol

    protocol._default.cache_clear()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PiretryError, match=r"report/published\.yaml does not exist in the working directory"):
        protocol_rows(GOLD, settings)


@pytest.mark.parametrize(
    ("compare", "stated", "here", "expected"),
    [
        ("number", 2e-5, 2e-5, True),
        ("number", 500, 500.0, True),
        ("number", 2e-5, 1e-3, False),
        ("number", 1, True, False),
        ("number", 42, [42, 123], False),
        ("text", "Try again carefully", "try again  carefully.", True),
        ("text", "Try again carefully", "Your answer was wrong. Try again carefully.", False),
        ("text", True, True, True),
        ("text", "42, 123", [42, 123], True),
        ("contains", "Qwen3-1.7B", "Qwen/Qwen3-1.7B", True),
        ("contains", "Kimina-1.5B", "AI-MO/Kimina-Prover-Preview-Distill-1.5B", True),
        ("contains", "Qwen3-8B", "Qwen/Qwen3-1.7B", False),
    ],
)
def test_what_counts_as_the_same(published: Published, compare: str, stated: Any, here: Any, expected: bool) -> None:
    entry = published.protocol[0].model_copy(update={"compare": compare})
    assert agrees(entry, stated, here) is expected
