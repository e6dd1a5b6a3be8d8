"""A task survives its way over the command line, however large it is."""

import pytest

from piretry.errors import PiretryError
from piretry.grid.task import LONGEST, PACKED, Task


@pytest.mark.parametrize("cells", [3, 5000])
def test_a_task_is_read_back(cells: int) -> None:
    settings = {
        "cells": {f"small/retry-full/k{n}/bare/r1": {"k": n, "text": 'it\'s {"quoted"} — ü'} for n in range(cells)}
    }
    task = Task("cost", "mini", {"a": "x/y"}, {"cost": "tables/cost.json"}, settings, ("piretry.stages.cost",))
    text = task.to_json()
    assert Task.from_json(text) == task
    assert "\n" not in text
    assert text.startswith(PACKED) == (cells > 1000)
    assert len(text) <= 128 * 1024, "the longest argument that Linux takes"
    assert cells < 1000 or len(str(settings)) > LONGEST


@pytest.mark.parametrize("text", ["{", "{}", "zlib:abc", "zlib:!", "[1]"])
def test_what_is_no_task_is_refused(text: str) -> None:
    with pytest.raises(PiretryError, match="--task holds no task"):
        Task.from_json(text)
