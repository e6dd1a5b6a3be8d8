"""The prover's cells in a grid: dropped and `not run` without Lean or the role, else tasks that fit together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from piretry.errors import PiretryError
from piretry.grid import paths, tasks
from piretry.grid.available import require_checker, require_files
from piretry.grid.containers import NOT_BUILT, Containers
from piretry.grid.names import State
from piretry.grid.project import Project, load_project
from piretry.grid.task import Task
from piretry.images import job
from piretry.images.sidecar import read_image
from piretry.provenance.layout import maker
from piretry.verifiers.lean import settings as lean_settings

ROOT = Path(__file__).parents[2]
LEAN = ("lean-typechecker", "lean-heuristic", "lean-diversity", "lean-skeleton")


@pytest.fixture
def lean(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Says whether a kernel is found; what is built is looked at here, and nothing is run."""
    return lambda found: monkeypatch.setattr(lean_settings, "kernel_available", lambda: found)


@pytest.fixture
def project(lean: Callable[[bool], None]) -> Project:
    lean(True)
    return load_project(ROOT)


def by_output(project: Project) -> dict[str, Task]:
    return {path: task for task in tasks.all_tasks(project) for path in task.outputs.values()}


def test_without_lean_the_provers_claims_are_not_run_and_say_how_to_add_it(lean: Callable[[bool], None]) -> None:
    lean(False)
    without = load_project(ROOT)
    assert "prover" not in without.roles
    assert not [arm for arm in without.arms if arm.role == "prover"]
    for name in LEAN:
        claim = without.claims.claim(name)
        assert not claim.tests
        assert "make lean" in str(claim.not_run)
    assert without.notice is not None
    assert "\n" not in without.notice
    assert all(name in without.notice for name in (*LEAN, "make lean"))
    made = by_output(without)
    assert not [path for path in made if path.startswith("prover/") or "theorems" in path]
    assert f"claims/{LEAN[0]}.json" in made
    lean(True)
    whole = load_project(ROOT)
    assert {arm for arm in whole.arms if arm.role != "prover"} == set(without.arms)
    assert whole.notice is None


def test_a_role_that_the_scale_lacks_is_not_run_and_nothing_is_said_of_lean(tmp_path: Path) -> None:
    def without(scale: dict[str, Any]) -> None:
        del scale["roles"]["prover"], scale["throughput"]["train_examples_per_s"]["prover.distill"]
        scale["prover"] = None
        scale["resources"] = {key: value for key, value in scale["resources"].items() if "prover" not in key}

    paper = changed_paper(tmp_path, without)
    assert paper.claims.claim("lean-skeleton").not_run == "scale paper has no role prover"
    assert paper.notice is None
    assert {arm.role for arm in paper.arms} == {"small", "medium", "large"}
    assert Containers(paper, used=True).kinds == ("cpu", "gpu")


def changed_paper(home: Path, change: Callable[[dict[str, Any]], None]) -> Project:
    """The paper scale after `change`, in a checkout's folder `home`."""
    for name in ("config.yaml", "scales", "report"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, home / name)
    scale: dict[str, Any] = yaml.safe_load((home / "scales/paper.yaml").read_text())
    change(scale)
    (home / "scales/paper.yaml").write_text(yaml.safe_dump(scale))
    return load_project(home, {"scale": "paper"})


def test_a_missing_teacher_drops_the_cells_that_it_writes_for(tmp_path: Path, lean: Callable[[bool], None]) -> None:
    lean(True)
    for name in ("config.yaml", "scales", "report"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    scale = yaml.safe_load((tmp_path / "scales/mini.yaml").read_text())
    del scale["roles"]["medium"]
    (tmp_path / "scales/mini.yaml").write_text(yaml.safe_dump(scale))
    found = load_project(tmp_path)
    assert not [arm for arm in found.arms if arm.method == "cross"]
    assert found.claims.claim("teacher-cross").not_run == "scale mini has no role medium"
    assert found.claims.claim("teacher-self").tests


def test_every_input_of_the_prover_has_its_maker_and_every_path_its_stage(project: Project) -> None:
    made = by_output(project)
    for task in made.values():
        assert set(task.inputs.values()) <= set(made), task
    for path, task in made.items():
        assert task.stage in str(maker(path)).split(" or "), path


def test_prover_tasks_read_theorems_and_are_checked_by_lean(project: Project) -> None:
    made = by_output(project)
    for path, task in made.items():
        if not path.startswith("prover/") or "verifier" not in task.settings:
            continue
        assert task.inputs["problems"] == (paths.THEOREMS_EVAL if task.stage == "evaluate" else paths.THEOREMS)
        assert task.settings["verifier"]["toolchain"] == "kernel"
        assert "piretry.verifiers.lean.settings" in task.modules
        assert not [name for name in task.modules if name.endswith("verifiers.math")]
    attempts = made["small/base/s42/attempts.parquet"]
    assert attempts.inputs["problems"] == paths.TRAIN
    assert not [name for name in attempts.modules if "lean" in name]
    retries = made["prover/base/s42/retries-error.parquet"]
    assert retries.settings["error_characters"] == project.scale.prover.error_characters  # type: ignore[union-attr]
    assert "{error}" in retries.settings["prompts"]["error"]["template"]


def test_method_skeleton_is_distilled_and_skeleton_sft_selects_what_was_found_with_subgoals(project: Project) -> None:
    made = by_output(project)
    distilled, tuned = "prover/skeleton-lora/k1/none/r1/s42", "prover/skeleton_sft-lora/k1/none/r1/s42"
    assert made[f"{distilled}/model"].stage == "distill"
    assert made[f"{distilled}/model"].settings["distill"]["teacher"] == "frozen"
    assert f"{distilled}/sft.parquet" not in made
    assert made[f"{tuned}/model"].stage == "train"
    assert made[f"{tuned}/sft.parquet"].inputs["resamples"] == "prover/base/s42/skeletons.parquet"
    with pytest.raises(PiretryError, match="its verb is `piretry distill`"):
        tasks.train(project, distilled)
    with pytest.raises(PiretryError, match="its verb is `piretry train`"):
        tasks.distill(project, tuned)
    with pytest.raises(PiretryError, match="no training examples to select"):
        tasks.select(project, distilled)
    with pytest.raises(PiretryError, match="Nothing in the grid"):
        tasks.skeleton(project, "small/base/s42")


def test_an_edit_to_the_provers_code_changes_no_digest_of_mathematics(project: Project) -> None:
    from piretry.provenance.code import code_files

    made = by_output(project)
    for name in ("small/base/model", "small/base/s42/retries-bare.parquet", "small/base/s42/eval.parquet"):
        files = code_files(made[name].modules)
        assert not [module for module in files if "lean" in module or "theorems" in module or "prover_base" in module]
    lean_code = code_files(made["prover/base/s42/retries-error.parquet"].modules)
    assert {"piretry.lean_asks", "piretry.verifiers.lean.verifier"} <= set(lean_code)


def test_distillation_needs_one_process(tmp_path: Path, lean: Callable[[bool], None]) -> None:
    lean(True)
    for name in ("config.yaml", "scales", "report"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    scale: dict[str, Any] = yaml.safe_load((tmp_path / "scales/mini.yaml").read_text())
    scale["resources"]["distill"] = {**scale["resources"]["default"], "gpus": 2}
    (tmp_path / "scales/mini.yaml").write_text(yaml.safe_dump(scale))
    with pytest.raises(PiretryError, match="runs in one process"):
        load_project(tmp_path)


def test_a_tuning_that_shards_over_several_gpus_is_distilled_with_on_one() -> None:
    paper = load_project(ROOT, {"scale": "paper"})
    assert paper.scale.training.tunings["full"].fsdp
    task = tasks.distill(paper, "prover/skeleton-full/k1/none/r1/s42")
    assert (task.settings["fsdp"], task.settings["processes"]) == (False, 1)


def test_jobs_that_check_proofs_run_in_the_lean_image_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = load_project(ROOT, {"scale": "paper"})
    containers = Containers(paper, used=True)
    assert containers.kinds == ("cpu", "gpu", "lean")
    found: dict[str, set[tuple[str, str]]] = {kind: set() for kind in containers.kinds}
    for task in tasks.all_tasks(paper):
        found[containers.kind(task)].add((task.stage, task.target.partition("/")[0]))
    assert found["lean"] == {(stage, "prover") for stage in ("attempt", "retry", "skeleton", "evaluate")}
    assert {("train", "prover"), ("distill", "prover"), ("attempt", "small")} <= found["gpu"]
    assert {("theorems", "paper"), ("select", "prover"), ("gather", "prover"), ("fetch", "prover")} <= found["cpu"]
    monkeypatch.chdir(tmp_path)
    attempt, other = tasks.attempt(paper, "prover/base/s42"), tasks.attempt(paper, "small/base/s42")
    assert (containers.path(attempt), containers.path(other)) == ("images/lean.sif", "images/gpu.sif")
    assert containers.identity(attempt) == NOT_BUILT
    for name in ("lean", "gpu"):
        Path("images").mkdir(exist_ok=True)
        Path(f"images/{name}.sif").write_text(name)
    built = Containers(paper, used=True)
    assert built.identity(attempt) == read_image(Path("images/lean.sif")).sha256 != built.identity(other)


def test_a_local_dataset_outside_the_checkout_is_bound_into_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere/minif2f.jsonl"
    elsewhere.parent.mkdir()
    elsewhere.write_text("")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setattr(job, "variable_prefix", lambda: "APPTAINER")
    paper = changed_paper(tmp_path / "home", lambda scale: scale["prover"]["eval"].update(path=str(elsewhere)))
    assert str(elsewhere.parent) in Containers(paper, used=True).environment()["APPTAINER_BIND"].split(",")


def test_without_the_image_proofs_are_not_checked_and_nothing_is_started() -> None:
    paper = load_project(ROOT, {"scale": "paper"})
    attempt, other = tasks.attempt(paper, "prover/base/s42"), tasks.attempt(paper, "small/base/s42")
    with pytest.raises(PiretryError, match=r"/opt/lean/project is no Lake project.*--sdm apptainer"):
        require_checker(paper.scale, [other, attempt], images=False)
    require_checker(paper.scale, [other], images=False)
    require_checker(paper.scale, [attempt], images=True)


def test_a_local_dataset_must_be_there_before_a_job_starts(tmp_path: Path) -> None:
    paper = load_project(ROOT, {"scale": "paper"})
    jobs = [tasks.theorems(paper, "paper"), tasks.prepare(paper, "paper")]
    with pytest.raises(PiretryError, match=r"prover\.eval\.path: data/minif2f\.jsonl does not exist"):
        require_files(jobs, tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/minif2f.jsonl").write_text("")
    require_files(jobs, tmp_path)


def test_a_dataset_of_mathematics_is_no_dataset_of_theorems(tmp_path: Path) -> None:
    with pytest.raises(
        PiretryError, match=r"train\.format is 'math-500', which holds no theorems: expected one of min"
    ):
        changed_paper(tmp_path, lambda scale: scale["prover"]["train"].update(format="math-500"))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"toolchain": "command", "command": ["no-such-lean"]}, "the Lean command no-such-lean is not found"),
        ({"toolchain": "lake", "project": "no-such-project"}, "no-such-project is no Lake project"),
    ],
)
def test_other_toolchains_are_looked_for_too(settings: dict[str, Any], reason: str) -> None:
    assert reason in str(lean_settings.missing(settings))


def test_the_shards_of_a_provers_tables_are_gathered(project: Project) -> None:
    whole = tasks.sampling(project, "prover/base/s42", "skeletons")
    part = tasks.shard(project, "prover/base/s42", "skeletons", "0")
    assert whole.stage == part.stage == "skeleton"
    assert State.parse(part.target).role == "prover"
    assert maker(next(iter(part.outputs.values()))) == "skeleton"
