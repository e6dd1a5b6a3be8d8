"""Real tiny runs compared: really trained, sampled and graded, by the real stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from piretry.compare.comparing import compare_runs
from piretry.compare.model import IDENTICAL, PAIRED
from real_results import Edit, configure, make

pytestmark = pytest.mark.slow
CELLS = 4


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def run(edits: dict[str, Edit] | None = None) -> Path:
        return make(configure(tmp_path_factory.mktemp("real"), edits))[1]

    return run


@pytest.fixture(scope="module")
def first(real: Callable[..., Path]) -> Path:
    return real()


def test_a_real_run_twice_is_identical(first: Path, real: Callable[..., Path]) -> None:
    found = compare_runs(first, real())
    assert {claim.kind for claim in found.claims if claim.verdict_a != "not run"} == {IDENTICAL}
    assert found.status == 0
    assert {(stage.different, stage.only_a, stage.only_b) for stage in found.changes.files} == {(0, 0, 0)}


def test_other_seeds_of_a_real_run_are_noise(first: Path, real: Callable[..., Path]) -> None:
    found = compare_runs(first, real({"config.yaml": lambda config: config["seeds"].update(all=[7, 8])}))
    assert found.status == 0
    headline = next(claim for claim in found.claims if claim.id == "headline")
    assert headline.kind == PAIRED
    assert headline.parts[0].seeds == ((42, 7), (123, 8))
    assert {origin.reasons for origin in found.changes.origins} == {("seeds",)}
    assert {origin.stage for origin in found.changes.origins} == {"attempt", "resample", "evaluate"}
    assert found.changes.settings == ()


def test_an_edited_setting_of_a_real_run_is_named(first: Path, real: Callable[..., Path]) -> None:
    def edit(scale: dict[str, Any]) -> None:
        scale["training"]["tunings"]["full"]["steps"] = 9

    found = compare_runs(first, real({"scales/mini.yaml": edit}))
    (change,) = found.changes.settings
    assert (change.stage, change.key, change.a, change.b) == ("train", "steps", "4", "9")
    assert len(change.targets) == 2 * CELLS
    assert [(o.stage, o.reasons, len(o.targets)) for o in found.changes.origins] == [
        ("train", ("settings",), 2 * CELLS)
    ]
