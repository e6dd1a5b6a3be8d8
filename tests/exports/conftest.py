"""Shared fixtures of the exports' tests."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

import pytest
from small_results import Made, fill, tiny_checkout

from piretry.grid.project import load_project
from piretry.provenance import environment
from piretry.provenance.hashing import sha256_file


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    home = tiny_checkout(tmp_path_factory.mktemp("checkout"))
    project = load_project(home)
    image = home / "images/cpu.sif"
    image.parent.mkdir()
    image.write_bytes(b"not a real image, but real bytes to hash")
    digest = sha256_file(image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "checkout", functools.cache(environment.checkout))
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setenv("PIRETRY_IMAGE", str(image))
        patch.setenv("PIRETRY_IMAGE_SHA256", digest)
        fill(project, home / project.results)
    return Made(home, project, home / project.results, image, digest)


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Made:
    """The same, for a test that changes it."""
    home = tmp_path / "checkout"
    shutil.copytree(made.home, home)
    return Made(home, made.project, home / made.project.results, made.image, made.image_sha256)
