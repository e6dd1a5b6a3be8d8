"""Synthetic results are marked: every record says so, and the page says it on top; real ones are not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from built_page import Built

from piretry.report.parts import summary
from piretry.report.records import Records
from piretry.report.results import read_results
from synthetic_results import SYNTHETIC


def test_every_record_below_the_page_says_that_it_is_synthetic(built: Built) -> None:
    records = read_results(built.root, built.task.inputs, built.task.settings).records.by_path
    assert records
    assert {record.facts.get("synthetic") for record in records.values()} == set(SYNTHETIC.values())


def test_the_page_says_it_on_top(built: Built) -> None:
    amount = len(read_results(built.root, built.task.inputs, built.task.settings).records.by_path)
    top = built.html[: built.html.index('<section id="summary"')]
    assert "Synthetic results: nothing on this page was measured." in top
    assert f"The records of {amount} artifacts below it say that they were made up" in top


def test_real_results_are_not_called_synthetic(built: Built) -> None:
    results = read_results(built.root, built.task.inputs, built.task.settings)
    lineage = results.records.lineage
    real = type(lineage)({path: replace(record, facts={}) for path, record in lineage.records.items()})
    assert summary.view(results)["synthetic"] > 0
    assert summary.view(replace(results, records=Records(real, results.records.tops)))["synthetic"] == 0


def test_the_synthetic_grid_is_as_large_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2] / "benchmarks")])
    import synthetic_grid

    project = synthetic_grid.project()
    seeds = [project.arms[arm] for arm in project.arms]
    assert sum(len(each) == len(synthetic_grid.SEEDS) for each in seeds) >= synthetic_grid.CELLS
