"""A page made from a synthetic results folder, once for all tests of the report."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import html_document
import pytest
from built_page import Built
from opened_page import CHROMIUM, Opened, opening

import synthetic_results
from piretry.grid.project import load_project
from piretry.provenance import environment
from piretry.runner import run_task
from piretry.verifiers.lean import settings as lean_settings

NOT_RUN, REASON = "lean-diversity", "no Lean kernel is installed; add it with: make lean"
REPOSITORY = Path(__file__).resolve().parents[2]
# The cells of the real grid with two seeds, and the fewest bootstrap draws: the numbers mean nothing here.
OVERRIDES = {"seeds": {"all": [42, 123], "one": [42]}, "statistics": {"level": 0.95, "bootstrap": 200, "seed": 1}}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    # With the prover's cells, whether or not a kernel is installed (nothing is run), and one claim that is not run.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lean_settings, "kernel_available", lambda: True)
        project = load_project(REPOSITORY, {**OVERRIDES, "scale": "mini", "results": "results"})
    claims = [
        claim.model_copy(update={"tests": [], "variants": [], "not_run": REASON}) if claim.id == NOT_RUN else claim
        for claim in project.claims.claims
    ]
    project = replace(project, claims=project.claims.model_copy(update={"claims": claims}))
    root = tmp_path_factory.mktemp("results") / project.scale.name
    with pytest.MonkeyPatch.context() as patch:
        # Asking git three questions for each of 160 artifacts takes longer than all the rest.
        patch.setattr(environment, "checkout", functools.cache(environment.checkout))
        patch.setattr(os, "fsync", lambda descriptor: None)
        tasks = synthetic_results.build_tree(project, root, problems=40)
        task = synthetic_results.report_task(tasks)
        run_task(task, root, ["piretry", "report"])
    path = root / task.outputs["page"]
    html = path.read_text(encoding="utf-8")
    return Built(project, root, task, path, html, html_document.parse(html))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="pytest-playwright is not installed: browser tests are skipped"
    )
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield found
        found.close()


@pytest.fixture
def opened(chromium: Any, built: Built) -> Iterator[Opened]:
    """The page on a desktop, light, with its script."""
    with opening(chromium, built.path) as page:
        yield page
