"""Synthetic runs to compare, with three seeds and a claim of each kind, each made once."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs_to_compare import DRAWS, HEADLINE, Build, synthetic_run

from piretry.provenance import environment
from synthetic_results import Draws


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Builds a run: ``build(draws, edits)`` gives its results folder."""
    with pytest.MonkeyPatch.context() as patch:
        # Asking git for every artifact and flushing each to the disk take longer than all the rest.
        patch.setattr(environment, "checkout", functools.cache(environment.checkout))
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield functools.partial(synthetic_run, tmp_path_factory)


@pytest.fixture(scope="session")
def first(build: Build) -> Path:
    """Run A, which no test may touch."""
    return build()


@pytest.fixture(scope="session")
def shifted(build: Build) -> Path:
    """The headline cell is 25 pp better, and nothing else changed but luck."""
    return build(Draws(DRAWS.problems, DRAWS.samples, "shifted", lambda state: 0.25 * (state.series == HEADLINE)))


@pytest.fixture(scope="session")
def other_problems(build: Build) -> Path:
    """Fewer held-out problems."""
    return build(Draws(problems=50, samples=2, salt="other"))


@pytest.fixture
def copy(first: Path, tmp_path: Path) -> Path:
    """A copy of run A to change."""
    root = tmp_path / "mini"
    shutil.copytree(first, root)
    return root
