"""Hours that a run took, by stage and by claim: summed anew from the records, and by the plan's rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from built_page import Built

from piretry.grid.estimates import cores, estimate
from piretry.grid.hours import Hours
from piretry.grid.ledger import Ledger
from piretry.provenance.graph import Lineage
from piretry.provenance.model import Record
from piretry.report.parts import hours
from piretry.report.records import Records
from piretry.report.results import Results, read_results

GPU_STAGES = ("attempt", "resample", "retry", "repeat", "train", "evaluate")


@pytest.fixture(scope="module")
def results(built: Built) -> Results:
    return read_results(built.root, built.task.inputs, built.task.settings)


@pytest.fixture(scope="module")
def on_gpus(results: Results) -> Results:
    """The same results as if jobs with a model had held two GPUs and taken a round time."""
    lineage = Lineage({path: _on_gpus(record) for path, record in results.records.lineage.records.items()})
    return replace(results, records=Records(lineage, results.records.tops))


def _on_gpus(record: Record) -> Record:
    seconds = 90.0 if record.stage == "train" else 45.0
    gpus = ("GPU A", "GPU B") if record.stage in GPU_STAGES else ()
    cost = replace(record.cost, wall_seconds=seconds, gpu_seconds=seconds * len(gpus))
    return replace(record, cost=cost, machine=replace(record.machine, gpus=gpus))


def test_without_gpus_cores_times_time_is_shown(results: Results, built: Built) -> None:
    view = hours.view(results, ())
    jobs = results.records.jobs()
    total = sum(record.cost.wall_seconds * cores(record) for record in jobs) / 3600
    assert view["unit"] == "CPU-hours" and not view["gpu"]
    assert float(view["total"]) == pytest.approx(total, abs=1e-4)
    section = next(e for e in built.document.all("section") if e.attributes.get("id") == "compute")
    assert "No job held a GPU: GPU-hours are 0" in section.text
    assert view["total"] in section.all("tr", "total")[-1].text
    assert "leaves no record: only its last, successful execution is counted" in " ".join(section.text.split())


def test_gpu_hours_are_summed_from_the_records(on_gpus: Results) -> None:
    rows = {row.stage: row for row in hours.by_stage(on_gpus, ("train", "evaluate"))}
    jobs = on_gpus.records.jobs()
    trained = sum(record.stage == "train" for record in jobs)
    assert rows["train"].actual == Hours(trained * 90 * 2 / 3600, 0.0) and rows["train"].jobs == trained
    light = sum(record.stage not in GPU_STAGES and record.stage != "pretrain" for record in jobs)
    pretrained = [record for record in jobs if record.stage == "pretrain"]
    cpu = 45 * (light + sum(cores(record) for record in pretrained)) / 3600
    assert rows["all stages"].actual.cpu == pytest.approx(cpu)
    assert list(rows)[:2] == ["train", "evaluate"] and list(rows)[-1] == "all stages"
    assert rows["all stages"].jobs == len(jobs)


def test_shares_of_claims_add_up_to_what_was_taken(on_gpus: Results) -> None:
    view = hours.view(on_gpus, ())
    assert view["unit"] == "GPU-hours"
    shares = sum(float(row.share) for row in view["claims"]) + float(view["rest"])
    assert shares == pytest.approx(float(view["total"]), abs=0.005 * (len(view["claims"]) + 2))
    total = sum(record.cost.gpu_seconds for record in on_gpus.records.jobs()) / 3600
    assert float(view["total"]) == pytest.approx(total, abs=0.005)
    for row in view["claims"]:
        assert float(row.only) <= float(row.share) + 0.005 <= float(row.nothing) + 0.01 <= float(row.family) + 0.015


def test_a_run_and_its_plan_give_a_claim_the_same_jobs(built: Built, on_gpus: Results) -> None:
    ledger = Ledger.of(built.project)
    found, _ = ledger.portions
    shown = {row.name: row.jobs for row in hours.view(on_gpus, ())["claims"]}
    assert shown == {name: one.jobs for name, one in found.items()}


def test_the_estimate_of_a_record_is_that_of_its_task(built: Built, results: Results) -> None:
    ledger = Ledger.of(built.project)
    planned = {stage: one.hours for stage, one in ledger.stages.items() if stage != "report"}
    rows = {row.stage: row.estimated for row in hours.by_stage(results, ()) if row.stage != "all stages"}
    assert set(rows) == set(planned)
    for stage, found in rows.items():
        assert found.cpu == pytest.approx(planned[stage].cpu) and found.gpu == planned[stage].gpu == 0
    record = results.records.jobs()[0]
    assert estimate(built.project.scale, record, lambda state, prompt: 1).seconds > 0
