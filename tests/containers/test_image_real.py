"""The real CPU image under the real Apptainer and the real Snakemake: what a job finds inside, and the guards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from apptainer_tools import ROOT, patched_environment, run_in
from packaging.utils import canonicalize_name
from test_image_pins import pins

from piretry import __version__
from piretry.errors import PiretryError
from piretry.grid.project import load_project
from piretry.grid.tasks import BUILDERS
from piretry.images.apptainer import image_labels
from piretry.images.build import BuildOptions, build_image
from piretry.images.definition import DOCUMENTS, Definition
from piretry.images.guard import require_same_code, stale_modules
from piretry.images.sidecar import read_image, sidecar_path
from piretry.provenance.code import code_digest
from piretry.provenance.hashing import sha256_file
from piretry.provenance.record import read_record, record_path

pytestmark = pytest.mark.slow

SNAKEFILE = """
import os
from pathlib import Path
from piretry.images.job import container_environment
from piretry.images.sidecar import read_image

IMAGE = read_image(Path(config["image"]))
os.environ.update(container_environment([IMAGE], cache="cache"))

rule probe:
    output: "{name}.env"
    container: str(IMAGE.path)
    shell: "(env; echo nvidia=$(command -v nvidia-smi) piretry=$(command -v piretry); piretry --version) > {output}"

rule prepare:
    output: "results/mini/data/pool.parquet"
    container: str(IMAGE.path)
    params: task=Path("task.json").read_text() if Path("task.json").exists() else ""
    shell: "piretry prepare --task {params.task:q} --root results/mini"
"""


@pytest.fixture
def calls_apptainer(apptainer: dict[str, str]) -> Iterator[None]:
    """`os.environ` is Apptainer's in the test."""
    with patched_environment(apptainer):
        yield


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what an image is made of, to edit."""
    home = tmp_path / "checkout"
    for name in ("src/piretry", "containers", "envs", "rules"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", *DOCUMENTS):
        shutil.copy(ROOT / name, home / name)
    return home


def snakemake(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_image_has_the_pins_and_nothing_else(image: Path, apptainer: dict[str, str], tmp_path: Path) -> None:
    script = "import importlib.metadata as m, json; print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
    done = run_in(image, "python", "-c", script, env=apptainer, cwd=tmp_path)
    installed = {canonicalize_name(name): version.partition("+")[0] for name, version in json.loads(done.stdout)}
    locked = pins("cpu")
    for tool in ("pip", "setuptools"):  # what venv brings
        installed.pop(tool, None)
    assert installed.pop("piretry")
    loose = {name for name in installed if name not in locked}
    # The CUDA build of torch, where the builder's index has no other, brings packages that are pinned in the GPU lock.
    assert {name: installed[name] for name in loose} == {name: pins("gpu").get(name) for name in loose}
    assert {name: version for name, version in installed.items() if name in locked} == {
        name: locked[name] for name in installed if name in locked
    }
    assert "pytest" not in installed and {"torch", "transformers", "trl"} <= set(installed)
    sums = run_in(image, "cat", "/opt/piretry/wheels.sha256", env=apptainer, cwd=tmp_path).stdout
    assert len(sums.splitlines()) >= len(installed)


def test_labels_and_sidecar_agree(image: Path, calls_apptainer: None) -> None:
    known, labels = read_image(image), image_labels(image)
    assert known.sha256 == sha256_file(image)
    definition = Definition("cpu", ROOT)
    assert known.build["environment_sha256"] == labels["piretry.environment"] == definition.environment_digest
    assert known.build["commit"] == labels["piretry.commit"]
    assert labels["piretry.version.torch"].partition("+")[0] == pins("cpu")["torch"]


def test_the_image_holds_this_code(image: Path, apptainer: dict[str, str], tmp_path: Path) -> None:
    modules = ("piretry.stages.report", "piretry.stages.train", "piretry.stages.evaluate")
    assert stale_modules(read_image(image), modules) == []
    script = f"from piretry.provenance.code import code_digest; print(code_digest({modules!r}))"
    done = run_in(image, "python", "-c", script, env=apptainer, cwd=tmp_path)
    assert done.stdout.strip() == code_digest(modules), done.stderr


@pytest.mark.parametrize("visible", ["0,1", None])
def test_what_snakemake_gives_a_job(
    image: Path, apptainer: dict[str, str], tmp_path: Path, visible: str | None
) -> None:
    """GPUs by --nv where the job holds some, its own caches, nothing of the user's Python, and Slurm's variables."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    for poison in ("poison", ".local/lib/python3.11/site-packages"):  # by PYTHONPATH, and in the home that is bound
        (tmp_path / poison / "piretry").mkdir(parents=True)
        (tmp_path / poison / "piretry/__init__.py").write_text("raise SystemExit('not the image's own')")
    fake = tmp_path / "bin/nvidia-smi"  # --nv brings what it finds on the host's PATH
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    environment = apptainer | {"PATH": f"{fake.parent}:{apptainer['PATH']}", "SLURM_JOB_ID": "4711"}
    environment["APPTAINERENV_PYTHONPATH"] = f"{tmp_path}/poison"  # what a user's shell may have for other images
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    wanted = ("cell.env", "--config", f"image={image}", "--sdm", "apptainer")
    done = snakemake(tmp_path, environment, *wanted)
    assert done.returncode == 0, done.stderr
    *variables, found, version = (tmp_path / "cell.env").read_text().splitlines()
    inside = dict(line.split("=", 1) for line in variables if "=" in line)
    assert found == f"nvidia={'/usr/bin/nvidia-smi' if visible else ''} piretry=/opt/piretry/bin/piretry"
    assert version == f"piretry {__version__}"
    assert inside.get("CUDA_VISIBLE_DEVICES") == visible
    assert inside["SLURM_JOB_ID"] == "4711"
    assert (inside["PYTHONNOUSERSITE"], inside["PYTHONPATH"]) == ("1", "")
    assert inside["TRITON_CACHE_DIR"] == f"{tmp_path}/cache/jobs/4711/triton"
    assert json.loads(inside["PIRETRY_IMAGES"])[inside["APPTAINER_CONTAINER"]] == [
        image.as_posix(),
        read_image(image).sha256,
    ]


@pytest.mark.parametrize(
    ("options", "variable", "wanted"),
    [
        (("--nv",), {}, True),
        ((), {"APPTAINER_NV": "1"}, True),
        ((), {"APPTAINER_NV": "0"}, False),
        ((), {}, False),
    ],
)
def test_the_variable_acts_like_the_flag(
    image: Path,
    apptainer: dict[str, str],
    tmp_path: Path,
    options: tuple[str, ...],
    variable: dict[str, str],
    wanted: bool,
) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    environment = apptainer | variable | {"PATH": f"{tmp_path}:{apptainer['PATH']}"}
    done = run_in(image, "test", "-x", "/usr/bin/nvidia-smi", env=environment, cwd=tmp_path, args=options)
    assert (done.returncode == 0) is wanted, done.stderr


def test_a_stage_in_the_image_gives_the_bytes_of_the_host_and_a_full_record(
    image: Path, apptainer: dict[str, str], tmp_path: Path
) -> None:
    task = BUILDERS["prepare"](load_project(ROOT, {"scale": "mini"}), "mini")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    target = "results/mini/data/pool.parquet"
    (tmp_path / "task.json").write_text(task.to_json())
    done = snakemake(tmp_path, apptainer, target, "--config", f"image={image}", "--sdm", "apptainer")
    assert done.returncode == 0, done.stderr
    host = [sys.executable, "-m", "piretry.cli", "prepare", "--task", task.to_json(), "--root", str(tmp_path / "host")]
    subprocess.run(host, check=True, cwd=tmp_path, capture_output=True)
    for path in task.outputs.values():
        made, same = tmp_path / "results/mini" / path, tmp_path / "host" / path
        assert sha256_file(made) == sha256_file(same)
        record, other = read_record(record_path(made)), read_record(record_path(same))
        assert (record.image.path, record.image.sha256) == (image.as_posix(), read_image(image).sha256)
        assert record.code.digest == other.code.digest
        assert record.checkout.commit == read_image(image).build["commit"]
        assert record.checkout.dirty == read_image(image).build["dirty"]
        assert other.image.path is None


def test_edited_code_is_refused_until_the_image_has_it(
    image: Path, apptainer: dict[str, str], checkout: Path, tmp_path: Path, calls_apptainer: None
) -> None:
    """And then only the code is replaced: the packages come from the image that was there."""
    copy = checkout / "images/cpu.sif"
    copy.parent.mkdir()
    shutil.copyfile(image, copy)
    edited = checkout / "src/piretry/errors.py"
    edited.write_text(edited.read_text() + "\nEDITED = 'yes'\n")
    script = "from piretry.provenance.code import code_digest; print(code_digest(['piretry.stages.select']))"
    host = apptainer | {"PYTHONPATH": str(checkout / "src")}
    digest = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, env=host
    ).stdout.strip()
    assert digest != code_digest(["piretry.stages.select"]), "the edited checkout has other code"
    check = f"from piretry.images.guard import check_code; check_code(['piretry.stages.select'], {digest!r})"
    before = run_in(copy, "python", "-c", check, env=apptainer, cwd=tmp_path)
    assert "was built from other code" in before.stderr and "piretry image build cpu" in before.stderr

    built = build_image("cpu", checkout)  # from itself: no registry, no mirror and no index is asked for packages
    assert built.sha256 != read_image(image).sha256
    assert built.build["built_from"] == read_image(image).build["built_from"]
    assert built.environment == read_image(image).environment, "the packages are those of the image before"
    assert run_in(copy, "python", "-c", check, env=apptainer, cwd=tmp_path).returncode == 0
    # The code that runs, not only the source that is digested.
    runs = run_in(copy, "python", "-c", "from piretry.errors import EDITED; print(EDITED)", env=apptainer, cwd=tmp_path)
    assert runs.stdout == "yes\n"
    with pytest.raises(PiretryError, match=r"piretry\.errors"):
        require_same_code(built, ["piretry.stages.select"], "cpu")  # this checkout is the unedited one
    again = build_image("cpu", checkout)
    assert again.sha256 == built.sha256, "it is up to date"
    assert not list(copy.parent.glob(".cpu.sif-*"))


def test_a_failed_build_leaves_the_image_that_was_there(checkout: Path, image: Path, calls_apptainer: None) -> None:
    there = checkout / "images/cpu.sif"
    there.parent.mkdir()
    there.write_bytes(b"the image before")
    definition = checkout / "containers/cpu.def"
    definition.write_text(definition.read_text().replace("%post\n", "%pre\n    exit 3\n\n%post\n"))
    options = BuildOptions(bootstrap="localimage", origin=str(image), online=True)
    with pytest.raises(PiretryError, match="apptainer build ended with status"):
        build_image("cpu", checkout, options)
    assert there.read_bytes() == b"the image before"
    assert not sidecar_path(there).exists()
    assert not list(there.parent.glob(".cpu.sif-*"))


def test_the_rule_builds_once_and_again_after_an_edit(checkout: Path, image: Path, apptainer: dict[str, str]) -> None:
    (checkout / "Snakefile").write_text('from pathlib import Path\n\ninclude: "rules/images.smk"\n')
    target = "images/cpu.sif.json"
    (checkout / "images").mkdir()
    shutil.copyfile(image, checkout / "images/cpu.sif")
    environment = apptainer | {"PATH": f"{Path(sys.executable).parent}:{apptainer['PATH']}"}
    environment["PYTHONPATH"] = str(checkout / "src")
    done = snakemake(checkout, environment, target)
    log = (checkout / "images/cpu.log").read_text() if (checkout / "images/cpu.log").exists() else ""
    assert done.returncode == 0, done.stderr + log
    assert "is up to date" in log
    assert read_image(checkout / "images/cpu.sif").sha256 == read_image(image).sha256
    assert "Nothing to be done" in snakemake(checkout, environment, target, "--dry-run").stdout
    edited = checkout / "src/piretry/errors.py"
    edited.write_text(edited.read_text() + "\nEDITED = 'yes'\n")
    assert "Params have changed" in snakemake(checkout, environment, target, "--dry-run").stdout
