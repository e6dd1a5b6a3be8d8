"""Definitions, conda files, constraints and pyproject.toml say the same: one table of what may differ, and no more."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest
import yaml
from apptainer_tools import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from piretry.errors import PiretryError
from piretry.images.definition import BASES, KINDS, LOCKS, PYTHON, Definition
from piretry.images.wheels import check_build_of_torch

# Pins that the GPU lock may have otherwise than constraints.txt, with the reason.
MAY_DIFFER = {"numpy": "vLLM's mistral-common wants numpy below 2.4"}
# What the GPU image is for; the CPU environment has no vLLM.
VLLM = ("vllm", "0.32.0")
# Images with Python packages of their own; the others have those of the image that they start from.
OWN = tuple(kind for kind in KINDS if kind not in BASES)
# Lean's version, and the commit of Mathlib that has the tag of that version (a tag moves, a commit does not).
LEAN, MATHLIB = "v4.15.0", "9837ca9d65d9de6fad1ef4381750ca688774e608"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (ROOT / "envs" / LOCKS[kind]).read_text().splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!]+)", line)
            assert match, f"{LOCKS[kind]}: {line!r} is no pin"
            name = canonicalize_name(match[1])
            assert name not in found, f"{LOCKS[kind]} pins {name} twice"
            found[name] = match[2]
    return found


def requirements(*texts: str) -> dict[str, Requirement]:
    return {canonicalize_name(r.name): r for r in map(Requirement, texts)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_direct_dependency_is_pinned_as_pyproject_wants_it(kind: str) -> None:
    locked = pins(kind)
    for name, requirement in requirements(*PYPROJECT["dependencies"]).items():
        assert name in locked, f"{LOCKS[kind]} does not pin {name}"
        assert Version(locked[name]) in requirement.specifier, f"{LOCKS[kind]} has {name} {locked[name]}"


def test_development_tools_are_pinned_too() -> None:
    locked = pins("cpu")
    for name, requirement in requirements(*PYPROJECT["optional-dependencies"]["dev"]).items():
        assert Version(locked[name]) in requirement.specifier


def test_cpu_and_gpu_share_every_pin_but_the_listed_ones() -> None:
    cpu, gpu = pins("cpu"), pins("gpu")
    differ = {name for name in cpu.keys() & gpu.keys() if cpu[name] != gpu[name]}
    assert differ == set(MAY_DIFFER)
    assert gpu[VLLM[0]] == VLLM[1] and VLLM[0] not in cpu


def test_the_documentation_names_what_differs() -> None:
    text = (ROOT / "containers/README.md").read_text()
    cpu, gpu = pins("cpu"), pins("gpu")
    for name in MAY_DIFFER:
        assert f"| {name} | {cpu[name]} | {gpu[name]} |" in text
    assert f"| vllm | – | {VLLM[1]} |" in text


def test_the_gpu_lock_is_closed_over_the_shared_part() -> None:
    """Whatever the CPU environment brings along for a direct dependency is in the GPU lock as well."""
    direct = requirements(*PYPROJECT["dependencies"])
    gpu = pins("gpu")
    waiting, seen = list(direct), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        assert name in gpu, f"{name} is missing in {LOCKS['gpu']}"
        for text in _requires(name):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    assert len(seen) > len(direct)


def _requires(name: str) -> list[str]:
    from importlib.metadata import requires

    return requires(name) or []


@pytest.mark.parametrize("kind", OWN)
def test_the_conda_file_has_the_pins_of_the_image(kind: str) -> None:
    conda = yaml.safe_load((ROOT / f"envs/{kind}.yaml").read_text())
    assert conda["name"] == f"piretry-{kind}"
    assert f"python={PYTHON[0]}.{PYTHON[1]}" in conda["dependencies"]
    (pip,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    option = {"cpu": "-c", "gpu": "-r"}[kind]
    assert pip == [f"{option} {LOCKS[kind]}", "-e .."], "the package itself, and nothing that the lock does not pin"


@pytest.mark.parametrize("kind", OWN)
def test_the_definition_installs_the_lock_and_nothing_else(kind: str) -> None:
    text = (ROOT / f"containers/{kind}.def").read_text()
    assert f"envs/{LOCKS[kind]} /opt/source/constraints.txt" in text
    installs = [line.split() for line in text.splitlines() if " install " in line and "pip" in line]
    for words in installs:
        ends = words[words.index("PIP_OPTIONS") + 2 :]  # after {{ PIP_OPTIONS }}
        named = [word for word in ends if not word.startswith("-")]
        assert set(named) <= {"/opt/source", "/opt/source/constraints.txt"}, words
    assert installs and any("/opt/source/constraints.txt" in words for words in installs)
    if kind == "gpu":
        assert all("--no-deps" in words for words in installs), "the lock is complete: nothing is resolved"
    assert f"python{PYTHON[0]}.{PYTHON[1]}" in text
    assert f"piretry.kind {kind}" in text


def test_the_lean_image_takes_python_from_its_base_and_installs_piretry_alone() -> None:
    text = (ROOT / "containers/lean.def").read_text()
    (install,) = [line.split() for line in text.splitlines() if " install " in line and line.strip().startswith("$pip")]
    assert install[-2:] == ["--no-deps", "/opt/source"]
    base = (ROOT / f"containers/{BASES['lean']}.def").read_text()
    lines = base[base.index("%environment") : base.index("%labels")].splitlines()
    for line in (line.strip() for line in lines if line.strip().startswith("export") and "PATH=" not in line):
        assert line in text, f"{line}: a definition's environment replaces that of the image it starts from"


def test_lean_and_mathlib_are_pinned_and_fit_each_other() -> None:
    """The pins, their documentation and the scale's data: one version of Lean, and the Mathlib that was made for it."""
    assert (ROOT / "envs/lean/lean-toolchain").read_text().strip() == f"leanprover/lean4:{LEAN}"
    text = (ROOT / "envs/lean/lakefile.toml").read_text()
    (mathlib,) = tomllib.loads(text)["require"]
    assert (mathlib["name"], mathlib["rev"]) == ("mathlib", MATHLIB)
    assert f'"{MATHLIB}" # the tag {LEAN}' in text
    definition = (ROOT / "containers/lean.def").read_text()
    for check in ("cmp lean-toolchain .lake/packages/mathlib/lean-toolchain", "lake-manifest.json"):
        assert check in definition, "the build itself compares the two, and what Lake fetched with the pin"
    readme = (ROOT / "containers/README.md").read_text()
    assert f"| Lean | {LEAN} |" in readme and f"| Mathlib | {MATHLIB} |" in readme
    scale = yaml.safe_load((ROOT / "scales/paper.yaml").read_text())
    assert scale["prover"]["verifier"]["toolchain"] == "lake"


@pytest.mark.parametrize("kind", KINDS)
def test_every_build_argument_has_a_default(kind: str) -> None:
    """So that plain `apptainer build` works, and no argument that the build passes is unknown (which is fatal)."""
    text = (ROOT / f"containers/{kind}.def").read_text()
    used = set(re.findall(r"\{\{ (\w+) \}\}", text)) - {"NAME"}
    section = text[text.index("%arguments") : text.index("%files")]
    assert set(re.findall(r"^ +(\w+)=", section, re.MULTILINE)) == used


def test_no_host_name_of_an_index_or_mirror_is_written_down() -> None:
    for path in (*(ROOT / "containers").iterdir(), *(ROOT / "envs").rglob("*")):
        if path.is_dir():
            continue
        assert not re.search(r"https?://|--(?:extra-)?index-url|find-links +(?!/mnt)", path.read_text()), path


def test_these_tests_run_with_the_pins() -> None:
    locked = pins("cpu")
    for name in requirements(*PYPROJECT["dependencies"]):
        assert Version(installed_version(name)).public == locked[name]


def test_the_gpu_image_refuses_a_cpu_build_of_torch(capsys: pytest.CaptureFixture[str]) -> None:
    cuda, cpu = "torch-2.13.0-cp311-cp311-linux.whl", "torch-2.13.0+cpu-cp311-cp311-linux.whl"
    with pytest.raises(PiretryError, match=r"prefers torch-2\.13\.0\+cpu"):
        check_build_of_torch("gpu", ["torchvision-0.28.0-cp311.whl", cpu])
    check_build_of_torch("gpu", [cuda])
    check_build_of_torch("cpu", [cpu])
    assert not capsys.readouterr().err
    check_build_of_torch("cpu", [cuda])
    assert "gets the CUDA build" in capsys.readouterr().err


def test_a_changed_pin_changes_the_environment_digest(tmp_path: Path) -> None:
    def digest(edited: str = "", old: str = "", new: str = "") -> str:
        for name in ("containers/cpu.def", "envs/constraints.txt", "pyproject.toml"):
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            text = (ROOT / name).read_text()
            assert name != edited or old in text
            (tmp_path / name).write_text(text.replace(old, new, 1) if name == edited else text)
        (tmp_path / "src/piretry").mkdir(parents=True, exist_ok=True)
        return Definition("cpu", tmp_path).environment_digest

    same = digest()
    assert same == Definition("cpu", ROOT).environment_digest
    assert digest("envs/constraints.txt", "torch==", "torch==9.") != same
    assert digest("containers/cpu.def", "python3-venv", "python3-full") != same
    assert digest("pyproject.toml", '"torch==', '"other==1.0", "torch==') != same
    assert digest("pyproject.toml", "setuptools==", "setuptools==9.") != same
    assert digest("pyproject.toml", '"torch==', '"torch>=') == same, "the lock has the version"
    assert digest("envs/constraints.txt", "# ", "# Another word. ") == same
    assert digest("containers/cpu.def", "# ", "# Another word. ") == same
