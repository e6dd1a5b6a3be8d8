"""The budget: refusal, what dropping things leaves, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from plan_projects import REPOSITORY, tiny_project, two_cells

from piretry.cli import main
from piretry.errors import PiretryError
from piretry.grid.budget import Verdict
from piretry.grid.ledger import Ledger
from piretry.grid.plan import make_plan, require_plan
from piretry.grid.project import load_project
from piretry.grid.tasks import all_tasks

REFUSAL = (
    "The plan of scale 'paper' needs 0.7 GPU-hours, more than the budget of 0.5. Most is in train (0.3 h), evaluate "
    "(0.2 h) and attempt (0.1 h); by claim, in gain (0.3 h), seeds (0.3 h) and base (0.1 h)."
)


def test_the_refusal_says_where_the_hours_are(tmp_path: Path) -> None:
    verdict = Verdict(Ledger.of(tiny_project(tmp_path)), 0.5)
    assert verdict.exceeded and verdict.reason() == REFUSAL


def test_alternatives_are_the_plans_of_the_smaller_grids(tmp_path: Path) -> None:
    verdict = Verdict(Ledger.of(tiny_project(tmp_path / "whole", two_cells)), 0.5)
    found = {one.says: one for one in verdict.alternatives}

    def one_seed(config: dict[str, Any], scale: dict[str, Any], claims: dict[str, Any]) -> None:
        two_cells(config, scale, claims)
        config["seeds"]["all"] = [1]
        claims["controls"] = []

    assert found["1 of 2 seeds",].hours == Ledger.of(tiny_project(tmp_path / "seed", one_seed)).total
    assert found["1 of 2 seeds",].lost == ("seeds",)
    assert found["method rejection",].hours == Ledger.of(tiny_project(tmp_path / "method")).total
    assert found["method rejection",].lost == ("rejection",)
    losses = [len(one.lost) for one in verdict.alternatives]
    assert losses == sorted(losses)


def test_what_is_named_as_within_the_budget_is(tmp_path: Path) -> None:
    ledger = Ledger.of(tiny_project(tmp_path, two_cells))
    for budget in (0.9 * ledger.total.gpu, 0.5 * ledger.total.gpu, 0.3 * ledger.total.gpu):
        within = Verdict(ledger, budget).within
        assert within is not None and within.hours.gpu <= budget and within.says


def test_where_nothing_is_within_the_budget_the_cheapest_claim_is_named(tmp_path: Path) -> None:
    verdict = Verdict(Ledger.of(tiny_project(tmp_path)), 0.001)
    assert verdict.within is None
    assert "The cheapest claim that needs a GPU is base: 0.1 GPU-hours from nothing." in verdict.text()


def test_a_run_over_its_budget_is_refused(tmp_path: Path) -> None:
    project = tiny_project(tmp_path, lambda config, scale, claims: config.update(budget_gpu_hours=0.5))
    with pytest.raises(PiretryError, match=r"more than the budget of 0\.5.*budget_gpu_hours in config\.yaml"):
        require_plan(project)
    # Only what is still to be run counts.
    require_plan(project, [task for task in all_tasks(project) if task.stage != "train"])
    require_plan(tiny_project(tmp_path / "free"))
    require_plan(tiny_project(tmp_path / "rich", lambda config, scale, claims: config.update(budget_gpu_hours=1)))


def test_the_command_refuses_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_project(tmp_path)
    assert main(["plan", "--home", str(tmp_path), "--budget", "0.5"]) == 1
    told = capsys.readouterr()
    assert REFUSAL in told.err
    assert "Over the budget: 0.7 of 0.5 GPU-hours." in told.out
    assert "* 1 of 2 seeds: 0.3 GPU-hours; not judged then: seeds" in told.out
    assert main(["plan", "--home", str(tmp_path), "--budget", "1"]) == 0
    assert "Within the budget: 0.7 of 1.0 GPU-hours." in capsys.readouterr().out
    assert main(["plan", "--home", str(tmp_path), "--budget", "0"]) == 2
    assert "--budget 0.0 is not possible" in capsys.readouterr().err


def test_the_budget_of_the_configuration_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_project(tmp_path, lambda config, scale, claims: config.update(budget_gpu_hours=0.5))
    assert main(["plan", "--home", str(tmp_path)]) == 1
    assert REFUSAL in capsys.readouterr().err
    assert main(["plan", "--home", str(tmp_path), "--budget", "5"]) == 0


def test_a_plan_on_too_few_gpus_says_what_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_project(tmp_path)
    assert main(["plan", "--home", str(tmp_path), "--gpus", "2"]) == 2
    assert "asks for 4 GPUs, more than the 2 of this plan. Plan with at least 4" in capsys.readouterr().err


def test_json_says_what_the_text_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_project(tmp_path)
    assert main(["plan", "--home", str(tmp_path), "--json", "--budget", "0.5", "--gpus", "8"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {
        "scale", "cells", "arms", "jobs", "jobs_total", "completion_tokens", "completion_tokens_each_cell_alone",
        "job_seconds", "job_seconds_total", "hours", "published", "wall_clock", "disk", "memory", "over_time_limit",
        "throughput", "budget",
    }  # fmt: skip
    hours = value["hours"]
    assert hours["gpu_hours"] == round(2475 / 3600, 3)
    assert (hours["gpu_hours_low"], hours["gpu_hours_high"]) == (round(2475 / 7200, 3), round(2475 / 1800, 3))
    assert set(hours["by_claim"]["gain"]) == {"from_nothing", "with_family", "only_this_claim", "share", "jobs"}
    shares = sum(one["share"]["gpu_hours"] for one in hours["by_claim"].values()) + hours["no_claim"]["gpu_hours"]
    assert shares == pytest.approx(hours["gpu_hours"], abs=0.002)
    assert value["budget"]["exceeded"] is True and value["budget"]["within"]["gpu_hours"] <= 0.5
    (one,) = value["wall_clock"]["schedules"]
    assert one["gpus"] == 8 and one["seconds"] >= value["wall_clock"]["critical_path_seconds"]
    assert value["jobs_total"] == sum(value["jobs"].values())


def test_the_paper_scale_against_ten_hours() -> None:
    plan = make_plan(load_project(REPOSITORY, {"scale": "paper"}), budget=10.0)
    assert any("more than the budget of 10.0" in sentence for sentence in plan.refusals())
    assert plan.verdict is not None and plan.verdict.alternatives
    text = plan.text()
    assert "of 3 seeds: " in text and "role large: " in text
    stated = yaml.safe_load((REPOSITORY / "scales/paper.yaml").read_text())["published_compute"]["gpu_hours"]
    assert f"{stated:,.1f}" in text
