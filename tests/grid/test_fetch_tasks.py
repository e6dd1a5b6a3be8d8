"""Which fetches a scale needs, and that datasets of the hub reach prepare as fetched files."""

from __future__ import annotations

from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.grid import tasks
from piretry.grid.project import load_project

ROOT = Path(__file__).parents[2]


def test_the_paper_scale_fetches_its_models_and_datasets() -> None:
    project = load_project(ROOT, {"scale": "paper"})
    fetched = {task.target: task.outputs for task in tasks.all_tasks(project) if task.stage == "fetch"}
    assert fetched == {
        **{f"{role}/base": {"model": f"{role}/base/model"} for role in project.scale.roles},
        **{split: {"source": f"data/source/{split}"} for split in ("train", "eval", "theorems")},
    }
    prepare = tasks.prepare(project, "paper")
    assert prepare.inputs == {"train": "data/source/train", "eval": "data/source/eval"}
    train = tasks.fetch(project, "train")
    assert (train.settings["repo"], train.settings["revision"]) == (
        project.scale.data.plain()["train"]["repo"],
        project.scale.data.plain()["train"]["revision"],
    )
    with pytest.raises(PiretryError, match=r"fetches nothing for 'evil'\. Did you mean 'eval'"):
        tasks.fetch(project, "evil")


def test_the_mini_scale_fetches_nothing() -> None:
    project = load_project(ROOT, {"scale": "mini"})
    assert not any(task.stage == "fetch" for task in tasks.all_tasks(project))
    assert tasks.prepare(project, "mini").inputs == {}
    with pytest.raises(PiretryError, match="Scale mini fetches nothing for 'small'"):
        tasks.fetch(project, "small")
