"""Fixtures of the provenance tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from results_folder import Run, fill


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole small results folder, which no test may touch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PIRETRY_IMAGE", raising=False)
        patch.delenv("PIRETRY_IMAGE_SHA256", raising=False)
        return fill(tmp_path_factory.mktemp("made") / "results" / "mini").root


@pytest.fixture(scope="session")
def really_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a tiny run of the real stages, which no test may touch."""
    from real_results import configure, make

    return make(configure(tmp_path_factory.mktemp("really-made")))[1]


@pytest.fixture
def run(made_once: Path, tmp_path: Path) -> Run:
    """A copy of it (sizes and times kept) to read, add to and tamper with."""
    root = tmp_path / "results" / "mini"
    shutil.copytree(made_once, root)
    return Run(root)
