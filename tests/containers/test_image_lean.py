"""The Lean image: what it starts from and is made of; and a small one, built and asked under the real Apptainer."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lean_stand_in
import pytest
from apptainer_tools import ROOT, cpu_image, patched_environment, run_in, skip_unless

from piretry.errors import PiretryError
from piretry.images import build, proofs
from piretry.images.apptainer import image_labels
from piretry.images.build import BuildOptions, build_image, on_base
from piretry.images.definition import DOCUMENTS, Definition
from piretry.images.sidecar import read_image
from piretry.settings.lean import IMAGE_PROJECT
from piretry.verifiers.lean.toolchain import kernel_toolchain

ONE_JOB = """
import json, sys
from piretry.verifiers.base import GradeRequest
from piretry.verifiers.lean.settings import open_verifier
settings = {settings!r}
statement = "theorem t (p q : Prop) (h : And p q) : And q p"
completions = ["```lean4\\n" + statement + " := ⟨h.2, h.1⟩\\n```", ":= ⟨h.1, h.2⟩", "sorry", ":= by run_tac skip"]
with open_verifier(settings) as verifier:
    grades = verifier.grade([GradeRequest(str(n), statement, text) for n, text in enumerate(completions)])
    print(json.dumps([str(verifier.sandbox), *(grade.verdict.value for grade in grades)]))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the Lean image is made of, to edit."""
    home = tmp_path / "checkout"
    for name in ("src/piretry", "containers", "envs"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", *DOCUMENTS):
        shutil.copy(ROOT / name, home / name)
    return home


# Without Apptainer


def test_definition_and_settings_name_the_same_project() -> None:
    text = (ROOT / "containers/lean.def").read_text()
    assert f"/srv/project {Path(IMAGE_PROJECT).parent}/" in text
    assert f"cp -r /opt/source/lean {IMAGE_PROJECT}" in text and f"image proofs {IMAGE_PROJECT}" in text


def test_whatever_the_lean_image_is_made_of_changes_its_digest(checkout: Path) -> None:
    digest = Definition("lean", checkout).environment_digest
    assert digest == Definition("lean", ROOT).environment_digest
    copied = Definition("lean", checkout).copy(checkout.parent / "copy")
    assert copied.environment_digest == digest and copied.code_digest == Definition("lean", checkout).code_digest
    gpu = Definition("gpu", checkout).environment_digest
    for name, old, new in (
        ("envs/lean/lean-toolchain", "v4.15.0", "v4.16.0"),
        ("envs/lean/lakefile.toml", 'rev = "9837', 'rev = "9838'),
        ("containers/lean.def", "lake update", "lake update -v"),
        ("containers/gpu.def", "libc6-dev", "libc6"),
        ("envs/gpu-constraints.txt", "vllm==", "vllm==9."),
    ):
        path = checkout / name
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))
        assert Definition("lean", checkout).environment_digest != digest, name
        assert (Definition("gpu", checkout).environment_digest == gpu) is ("lean" in name)
        path.write_text(before)
    (checkout / "envs/lean/lakefile.toml").unlink()
    with pytest.raises(PiretryError, match=r"lakefile\.toml does not exist"):
        Definition("lean", checkout)


def labelled(monkeypatch: pytest.MonkeyPatch, labels: dict[str, str]) -> None:
    monkeypatch.setattr(build, "image_labels", lambda image: labels)


def test_it_starts_from_the_gpu_image_of_these_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition, usual = Definition("lean", ROOT), tmp_path / "gpu.sif"
    labelled(monkeypatch, {})
    with pytest.raises(PiretryError, match=r"gpu\.sif is not there. Build it first with `piretry image build gpu`"):
        on_base(definition, usual, BuildOptions())
    usual.write_text("no image")
    with pytest.raises(PiretryError, match="is no image that piretry built"):
        on_base(definition, usual, BuildOptions())
    labelled(monkeypatch, {"piretry.environment": "of other pins"})
    with pytest.raises(PiretryError, match="has other packages than are pinned now"):
        on_base(definition, usual, BuildOptions())
    labelled(monkeypatch, {"piretry.environment": Definition("gpu", ROOT).environment_digest})
    for options in (
        BuildOptions(),
        BuildOptions(origin="python:3.11-slim-bookworm"),
    ):  # what the other images start from
        found = on_base(definition, usual, options)
        assert (found.bootstrap, found.origin) == ("localimage", str(usual))


def test_a_named_image_of_other_pins_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names one knows what it holds: the CPU image for proofs alone, say."""
    named = tmp_path / "cpu.sif"
    named.write_text("an image")
    labelled(monkeypatch, {"piretry.environment": "other"})
    options = BuildOptions(bootstrap="localimage", origin=str(named))
    assert on_base(Definition("lean", ROOT), tmp_path / "gpu.sif", options).origin == str(named)


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        ("toolchain/bin/lean", "has no toolchain/bin/lean: expected toolchain/, an unpacked release of Lean"),
        ("project/.lake", r"has no project/\.lake: .* after `lake update` and `lake exe cache get`"),
        (
            "",
            r"its project is for leanprover/lean4:v4\.9\.0, but envs/lean/lean-toolchain pins leanprover/lean4:v4\.15",
        ),
    ],
)
def test_a_folder_without_the_pinned_lean_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str, sentence: str
) -> None:
    for name in {"toolchain/bin/lean", "project/lean-toolchain", "project/.lake"} - {lacking}:
        path = tmp_path / "lean" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("leanprover/lean4:v4.9.0\n")
    image = tmp_path / "cpu.sif"
    image.write_text("an image")
    labelled(monkeypatch, {"piretry.environment": "any"})
    options = BuildOptions(bootstrap="localimage", origin=str(image), lean=tmp_path / "lean")
    with pytest.raises(PiretryError, match=sentence):
        on_base(Definition("lean", ROOT), image, options)


def test_a_lean_that_judges_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that knows no library refuses what is right: an image with it must not be built."""
    if not lean_stand_in.kernel_available():
        pytest.skip("no Lean kernel is installed (pip install 'piretry[lean]')")
    kernel = kernel_toolchain()
    monkeypatch.setattr(proofs, "lake_toolchain", lambda project: kernel)
    assert list(proofs.try_proofs(tmp_path))[-1] == "3 of 3 verdicts as they must be"
    right, *others = proofs.PLAIN
    monkeypatch.setattr(proofs, "PLAIN", (replace(right, completion=":= ⟨h.2, h.2⟩"), *others))
    with pytest.raises(PiretryError, match=r"judges wrongly: ':= ⟨h\.2, h\.2⟩' .* is wrong, but must be correct"):
        list(proofs.try_proofs(tmp_path))
    (tmp_path / "Mathlib.olean").write_text("")
    with_mathlib = replace(kernel, environment={**kernel.environment, "LEAN_PATH": str(tmp_path)})
    assert proofs.has_mathlib(with_mathlib) and not proofs.has_mathlib(kernel)


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "images"), [("mini", 2), ("paper", 3)])
def test_the_target_images_is_what_the_scale_needs(scale: str, images: int) -> None:
    wanted = ["--config", f"scale={scale}", "--", "images"]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", *wanted]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert re.search(rf"^ *image +{images}\b", done.stdout + done.stderr, re.MULTILINE), done.stderr


# With it


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toolchain and a project for --lean."""
    return lean_stand_in.make(tmp_path_factory.mktemp("lean"))


@pytest.fixture(scope="session")
def lean_image(folder: Path, apptainer: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Lean image on the CPU image, built without a network (but for what building piretry itself needs of pip)."""
    base, target = skip_unless(cpu_image), tmp_path_factory.mktemp("images") / "lean.sif"
    with patched_environment(apptainer):
        build_image("lean", ROOT, BuildOptions(bootstrap="localimage", origin=str(base), lean=folder), target)
    yield target
    target.unlink()  # 0.7 GB


@pytest.mark.slow
def test_proofs_are_checked_in_the_image(lean_image: Path, apptainer: dict[str, str], tmp_path: Path) -> None:
    """As a job does it: the settings of the paper scale, the Lake project of the image, Lean in its cage."""
    settings = {"toolchain": "lake", "command": None, "project": IMAGE_PROJECT, "proofs": "file", "workers": 2}
    settings |= {"timeout_s": 60.0, "memory_mb": 32000, "batch": 1}
    done = run_in(lean_image, "python", "-c", ONE_JOB.format(settings=settings), env=apptainer, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sandbox, *verdicts = json.loads(done.stdout)
    assert verdicts == ["correct", "wrong", "sorry", "banned"]
    assert sandbox == "no network, own process namespace"
    tried = run_in(lean_image, "piretry", "image", "proofs", env=apptainer, cwd=tmp_path)
    assert tried.stdout.splitlines()[-1] == "3 of 3 verdicts as they must be", tried.stderr
    asked = run_in(lean_image, "lake", "build", env=apptainer, cwd=tmp_path)
    assert asked.returncode == 2 and "knows 'lake env' alone" in asked.stderr


@pytest.mark.slow
def test_the_image_says_what_it_is(lean_image: Path, apptainer: dict[str, str], folder: Path) -> None:
    with patched_environment(apptainer):
        labels = image_labels(lean_image)
    assert labels["piretry.kind"] == "lean"
    version = re.search(r"version ([\w.]+)", lean_stand_in.version())
    assert version and labels["piretry.version.lean"] == version[1]
    known = read_image(lean_image)
    assert known.build["environment_sha256"] == Definition("lean", ROOT).environment_digest
    assert known.environment == known.sha256, "it has packages of its own"


@pytest.mark.slow
def test_other_users_can_read_the_project_and_nobody_can_write_it(
    lean_image: Path, apptainer: dict[str, str], tmp_path: Path
) -> None:
    script = f"find {Path(IMAGE_PROJECT).parent} -printf '%m\\n' | sort -u"
    modes = [
        int(mode, 8) for mode in run_in(lean_image, "sh", "-c", script, env=apptainer, cwd=tmp_path).stdout.split()
    ]
    assert modes and all(mode & stat.S_IROTH or mode == 0o777 for mode in modes)
    done = run_in(lean_image, "sh", "-c", f"touch {IMAGE_PROJECT}/x", env=apptainer, cwd=tmp_path)
    assert done.returncode != 0
