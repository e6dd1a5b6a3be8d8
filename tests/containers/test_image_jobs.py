"""What `apptainer exec` finds in its environment, per kind of job (test_image_real.py asks the real Apptainer)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.images import guard, job
from piretry.images.inside import FACTS_FILE, IMAGES_VARIABLE, image_facts, running_image
from piretry.images.job import container_environment, holds_gpus
from piretry.images.sidecar import ImageFile
from piretry.provenance.code import code_digest

Make = Callable[..., dict[str, str]]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a run, beside which other folders lie."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def made(work: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(job, "variable_prefix", lambda: "APPTAINER")
    image = ImageFile(Path("images/cpu.sif"), "ab" * 32, 1)

    def make(environ: dict[str, str] | None = None, cache: str = "cache", **more: object) -> dict[str, str]:
        return container_environment([image], cache=cache, environ=environ or {}, **more)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1"}, True),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "GPU-8f3a"}, True),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": ""}, False),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "NoDevFiles"}, False),
        ({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "-1"}, False),
        ({"SLURM_JOB_ID": "7"}, False),  # a CPU job on a node that has GPUs
        ({"CUDA_VISIBLE_DEVICES": "0"}, True),
        ({"CUDA_VISIBLE_DEVICES": ""}, False),
        ({}, True),  # a workstation with a driver
    ],
)
def test_gpus_are_those_of_the_job(tmp_path: Path, made: Make, environ: dict[str, str], wanted: bool) -> None:
    driver = tmp_path / "version"
    driver.write_text("driver")
    assert holds_gpus(environ, driver) is wanted
    assert holds_gpus(environ, tmp_path / "absent") is (wanted and "CUDA_VISIBLE_DEVICES" in environ)


def test_only_a_job_with_gpus_gets_nv(made: Make) -> None:
    assert made({"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"})["APPTAINER_NV"] == "1"
    # Also where the submitting shell had set it: what the submit host put there must not reach a CPU job.
    assert made({"SLURM_JOB_ID": "7", "APPTAINER_NV": "1"})["APPTAINER_NV"] == "0"


def test_compiled_caches_are_the_jobs_own_and_models_are_shared(made: Make, work: Path) -> None:
    one, two = made({"SLURM_JOB_ID": "7"}), made({"SLURM_JOB_ID": "8"})
    assert one["APPTAINERENV_HF_HOME"] == two["APPTAINERENV_HF_HOME"] == str(work / "cache/huggingface")
    for name in ("VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "XDG_CACHE_HOME"):
        mine, other = Path(one[f"APPTAINERENV_{name}"]), Path(two[f"APPTAINERENV_{name}"])
        assert mine != other and mine.is_dir() and other.is_dir()
        assert mine.is_relative_to(work / "cache/jobs/7")
    assert one["APPTAINERENV_PYTHONNOUSERSITE"] == "1"
    assert "APPTAINERENV_HF_HUB_OFFLINE" not in one, "fetch needs the hub, and every other stage goes offline by itself"


def test_binds_are_what_lies_outside_the_working_directory(made: Make, work: Path) -> None:
    for name in ("site", "models", "scratch/results", "caches"):
        (work.parent / name).mkdir(parents=True)
    (work / "data").mkdir()
    (work / "results").symlink_to(work.parent / "scratch/results")
    found = made(
        {"APPTAINER_BIND": "/etc/hosts"},
        cache=str(work.parent / "caches"),
        binds=[f"{work.parent}/site:/site:ro"],
        folders=[work / "data", Path("results"), work.parent / "models", work.parent / "absent"],
    )["APPTAINER_BIND"].split(",")
    assert found[:4] == ["/etc/hosts", f"{work.parent}/site:/site:ro", *_outside(work, "scratch/results", "models")]
    assert all(path.startswith(f"{work.parent}/caches/") for path in found[4:])


def _outside(work: Path, *names: str) -> list[str]:
    return [str(work.parent / name) for name in names]


def test_a_second_update_adds_nothing(made: Make, work: Path) -> None:
    """The job inherits the submit host's variables and makes its own from them."""
    (work.parent / "site").mkdir()
    first = made({}, binds=[str(work.parent / "site")])
    again = made({**first, "SLURM_JOB_ID": "7"}, binds=[str(work.parent / "site")])
    assert again["APPTAINER_BIND"] == first["APPTAINER_BIND"] == str(work.parent / "site")


def test_variables_of_the_site_are_filled_in(made: Make, work: Path) -> None:
    (work.parent / "scratch").mkdir()
    found = made({"SCRATCH": str(work.parent / "scratch")}, cache="$SCRATCH/cache", binds=["$SCRATCH:/s"])
    assert found["APPTAINERENV_HF_HOME"] == str(work.parent / "scratch/cache/huggingface")
    assert found["APPTAINER_BIND"].startswith(f"{work.parent}/scratch:/s,")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"binds": ["/no/such/folder:/x"]}, "binds: '/no/such/folder' does not exist"),
        ({"binds": [""]}, "binds: ''"),
        ({"cache": "$NOWHERE/cache"}, r"cache: '\$NOWHERE/cache' names a variable that is not set"),
        ({"cache": "a`id`"}, "character that Apptainer's variables cannot carry"),
        ({"cache": "$$HOME"}, "character that Apptainer's variables cannot carry"),
        ({"cache": "/proc/cache"}, "cannot be made"),
        ({"folders": [Path("../with,comma")]}, "comma or a colon"),
    ],
)
def test_what_apptainer_would_stumble_over_is_said(
    made: Make, work: Path, arguments: dict[str, object], sentence: str
) -> None:
    (work.parent / "with,comma").mkdir()
    with pytest.raises(PiretryError, match=sentence):
        made({}, **arguments)


def test_the_job_knows_which_image_it_runs_in(made: Make, work: Path) -> None:
    announced = made()[IMAGES_VARIABLE]
    inside = {IMAGES_VARIABLE: announced, "APPTAINER_CONTAINER": str(work / "images/cpu.sif")}
    assert running_image(inside) == ("images/cpu.sif", "ab" * 32)
    assert running_image({IMAGES_VARIABLE: announced}) == (None, None), "not in an image"
    other = str(work / "images/other.sif")
    assert running_image({**inside, "APPTAINER_CONTAINER": other}) == (other, None)
    for nonsense in ("", "[]", "{", json.dumps({other: 3}), json.dumps({other: None}), json.dumps({other: ["a"]})):
        assert running_image({IMAGES_VARIABLE: nonsense, "SINGULARITY_CONTAINER": other}) == (other, None)
    assert json.loads(announced)[str(work / "images/cpu.sif")] == ["images/cpu.sif", "ab" * 32]


def test_the_guard_refuses_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = ("piretry.stages.select",)
    guard.check_code(modules, code_digest(modules), {})
    with pytest.raises(PiretryError, match=r"other code for piretry\.stages\.select than the workflow"):
        guard.check_code(modules, "0" * 64, {})
    monkeypatch.setattr(guard, "image_facts", lambda: {"kind": "gpu", "commit": "abc123"})
    with pytest.raises(PiretryError, match=r"The image /i/gpu.sif was built from other code.*abc123.*image build gpu"):
        guard.check_code(modules, "0" * 64, {"APPTAINER_CONTAINER": "/i/gpu.sif"})


def test_the_facts_of_an_image(tmp_path: Path) -> None:
    assert image_facts(tmp_path) is None
    (tmp_path / FACTS_FILE).write_text('{"kind": "cpu", "dirty": null}')
    assert image_facts(tmp_path) == {"kind": "cpu", "dirty": None}
    (tmp_path / FACTS_FILE).write_text("[")
    with pytest.raises(PiretryError, match="build the image again"):
        image_facts(tmp_path)
