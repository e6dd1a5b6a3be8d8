"""The cluster, the executor and the local reference run, each made once for all tests of this folder."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "containers"))

from slurm_cluster import Cluster, Unavailable, install_plugin
from slurm_project import SlurmProject, make_project


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Lets a fixture see how its test went."""
    report = yield
    if report.when == "call":
        item.outcome_of_call = report.outcome  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The folder with Snakemake's Slurm executor."""
    try:
        return install_plugin(tmp_path_factory.mktemp("plugin"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The two nodes, up."""
    try:
        made = Cluster(tmp_path_factory.mktemp("slurm"))
        made.start()
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> SlurmProject:
    """The reduced project after a run on this machine, without Slurm."""
    project = make_project(tmp_path_factory.mktemp("local") / "project")
    project.run("snakemake", "all", "--cores", "2", "--workflow-profile", "none", "--show-failed-logs")
    return project
