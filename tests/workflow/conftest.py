"""The tiny project of the workflow tests, before and after its run."""

from __future__ import annotations

import shutil

import pytest
from tiny_project import ROOT, Project, shrink_claims, shrink_grid, shrink_scale


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, not run yet."""
    home = tmp_path_factory.mktemp("project")
    for name in ("config.yaml", "Snakefile", "pyproject.toml"):
        shutil.copy(ROOT / name, home / name)
    for name in ("rules", "scales", "report", "profiles", "src"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    made = Project(home)
    made.edit("scales/mini.yaml", shrink_scale)
    made.edit("config.yaml", shrink_grid)
    made.edit("report/claims.yaml", shrink_claims)
    return made


@pytest.fixture(scope="session")
def finished(project: Project) -> Project:
    """The tiny project after `snakemake all`."""
    project.snakemake("all")
    return project
