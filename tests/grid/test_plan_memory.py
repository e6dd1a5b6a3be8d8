"""Memory and disk of a plan: what does not fit the GPUs of the site is refused before anything is submitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from plan_projects import CELL, REPOSITORY, tiny_project

from piretry.cli import main
from piretry.errors import PiretryError
from piretry.grid.fits import Fit, memory_fits, model_shape
from piretry.grid.ledger import Ledger
from piretry.grid.plan import make_plan, require_plan
from piretry.grid.project import Project, load_project
from piretry.settings.site import SiteSettings
from piretry.training.memory import disk_bytes

SITE = {
    "account": None,
    "partitions": {"cpu": None, "gpu": None},
    "gpu": {"model": "h100", "memory_gb": 80.0, "per_node": 8},
    "binds": [],
    "cache": "cache",
    "images": {"cpu": "images/cpu.sif", "gpu": "images/gpu.sif"},
    "limits": {"mem_mb": 1000000, "runtime": 1440},
}


def on_site(project: Project, memory_gb: float = 80.0, per_node: int = 8) -> Project:
    gpu = {"model": "h100", "memory_gb": memory_gb, "per_node": per_node}
    return replace(project, site=SiteSettings.model_validate({**SITE, "gpu": gpu}))


@pytest.fixture(scope="module")
def paper() -> Project:
    return load_project(REPOSITORY, {"scale": "paper"})


def fits(project: Project) -> dict[str, Fit]:
    return {fit.job: fit for fit in memory_fits(Ledger.of(project))}


def test_every_role_and_tuning_is_listed(paper: Project) -> None:
    found = fits(paper)
    for role in paper.scale.roles:
        assert any(job.startswith(f"{role}: ") and "train" not in job for job in found)
        assert {f"{role}: train {tuning}" for tuning in paper.scale.training.tunings} <= set(found)
    learning = [fit.jobs for job, fit in found.items() if ": train " in job or ": distill " in job]
    assert sum(learning) == len(paper.cells)
    assert all(fit.fits is None and fit.refusal is None for fit in found.values() if paper.site is None)


def test_a_distillation_takes_more_than_a_fine_tuning_where_its_teacher_is_a_copy(paper: Project) -> None:
    found = fits(paper)
    weights = 2 * model_shape(paper.scale.roles["prover"]).parameters
    for tuning, teacher in (("lora", 0), ("full", weights)):
        train, distil = (found[f"prover: {stage} {tuning}"].memory for stage in ("train", "distill"))
        scores = distil.parts["scores"]
        assert scores == 3 * 4 * 512 * 151936 and distil.parts.get("teacher", 0) == teacher
        assert distil.least == train.least + scores + teacher < 80e9


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    project = tiny_project(tmp_path)
    enough = fits(on_site(project, 1000.0))
    assert all(fit.fits and not fit.refusal for fit in enough.values())
    training = enough["small: train full"]
    least = training.memory.least / 1e9
    require_plan(on_site(project, least + 0.1))
    with pytest.raises(PiretryError, match=rf"small: train full needs about {least:.0f} GB on each GPU.*fsdp"):
        require_plan(on_site(project, least - 0.1))
    with pytest.raises(PiretryError, match=r"ask for 4 GPUs, but a node of this cluster has 2 \(gpu\.per_node of"):
        require_plan(on_site(project, 1000.0, per_node=2))


def test_a_kind_without_a_cell_is_not_refused(paper: Project) -> None:
    found = fits(on_site(paper, 1.0))
    unused = [fit for fit in found.values() if not fit.jobs]
    assert all(fit.fits is False and fit.refusal is None for fit in unused)
    assert all(fit.refusal for fit in found.values() if fit.jobs)


def test_jobs_that_run_are_checked_and_no_others(tmp_path: Path) -> None:
    project = on_site(tiny_project(tmp_path), 1.0)
    ledger = Ledger.of(project)
    light = [task for name, task in ledger.jobs.items() if not ledger.estimates[name].gpus]
    require_plan(project, light)


def test_the_command_says_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_project(tmp_path)
    site = tmp_path / "slurm/site.yaml"
    site.parent.mkdir()
    site.write_text(yaml.safe_dump({**SITE, "gpu": {"model": None, "memory_gb": 8.0, "per_node": 8}}))
    assert main(["plan", "--home", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "small: train full needs about" in told.err and "Refused: small: train full" in told.out
    site.write_text(yaml.safe_dump(SITE))
    assert main(["plan", "--home", str(tmp_path)]) == 0


def test_checkpoints_are_there_only_together(tmp_path: Path) -> None:
    project = tiny_project(tmp_path)
    role = project.scale.roles["small"]
    task = Ledger.of(project).jobs[f"{CELL}/s1/model"]
    one = disk_bytes(model_shape(role), task.settings)
    assert make_plan(project, gpus=4).disk.checkpoints == 2 * one.checkpoint  # one training at a time, two checkpoints
    assert make_plan(project, gpus=8).disk.checkpoints == 4 * one.checkpoint
    assert make_plan(project).disk.trained_models == 2 * one.model
    assert make_plan(project).disk.completions == pytest.approx(
        # attempts, retries and evaluations of two seeds: 50 tokens of 4 bytes, and 200 for the other columns
        2 * (1000 + 750 + 2 * 2500) * (50 * 4 + 200)
    )


def test_images_count_once_they_are_built(tmp_path: Path) -> None:
    project = on_site(tiny_project(tmp_path))
    without = make_plan(project).disk
    assert without.images == {"cpu": None, "gpu": None}
    (tmp_path / "images").mkdir()
    (tmp_path / "images/cpu.sif").write_bytes(bytes(12345))
    assert make_plan(project).disk.total == without.total + 12345


def test_time_limits_that_are_too_short_are_shown(tmp_path: Path) -> None:
    # 225 s for an evaluation, 450 s at the upper end; the limit is in minutes.
    project = tiny_project(tmp_path, lambda c, scale, _: scale["resources"]["evaluate"].update(runtime=7))
    (late,) = make_plan(project).late
    assert (late.job, late.seconds, late.limit) == ("evaluate.small", 450.0, 420)
    assert "evaluate.small: 8 min of 7 min" in make_plan(project).text()
