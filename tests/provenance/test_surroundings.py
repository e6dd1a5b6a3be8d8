"""What a record says about versions, checkout, GPUs and command."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from piretry.provenance import environment


def git(folder: Path, *arguments: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=clean).stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file in the only commit of a new checkout."""
    folder = tmp_path / "checkout" / "src"
    folder.mkdir(parents=True)
    (folder / "module.py").write_text("X = 1\n")
    (folder.parent / ".gitignore").write_text("results/\n.venv/\n")
    git(folder.parent, "init", "-q")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-q", "-m", "Start")
    return folder / "module.py"


def test_a_clean_checkout(source: Path) -> None:
    (source.parents[1] / "results").mkdir()
    (source.parents[1] / "results" / "ignored").touch()
    state = environment.checkout(source)
    assert (state.commit, state.dirty, state.reason) == (git(source.parent, "rev-parse", "HEAD"), False, None)


@pytest.mark.parametrize("edit", ["tracked", "new", "staged"])
def test_a_dirty_checkout(source: Path, edit: str) -> None:
    if edit == "new":
        (source.parent / "other.py").touch()
    else:
        source.write_text("X = 2\n")
    if edit == "staged":
        git(source.parent, "add", ".")
    assert environment.checkout(source).dirty is True


def test_inside_a_git_hook_the_right_repository_is_asked(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    monkeypatch.setenv("GIT_WORK_TREE", "/nowhere")
    assert environment.checkout(source).dirty is False


def test_no_checkout_is_said_with_the_reason(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = source.parents[1] / ".venv" / "module.py"
    installed.parent.mkdir()
    installed.touch()
    why = "the installed package is not part of a git checkout"
    assert environment.checkout(installed) == environment.Checkout(None, None, why)
    alone = tmp_path / "alone.py"
    alone.touch()
    assert environment.checkout(alone).reason == why
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.checkout(source).reason == "git is not installed here"


def test_versions_are_those_installed() -> None:
    found = environment.packages()
    assert found["numpy"] == importlib.metadata.version("numpy")
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(found) == {"python", *environment.PACKAGES}


def test_the_cpu_has_a_name(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: a b\n")
    assert environment.cpu_model(info) == "Some CPU @ 2 GHz"
    assert environment.cpu_model(tmp_path / "absent")


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """The files of the NVIDIA driver on a host with two GPUs."""
    for bus, name in (("0000:07:00.0", "NVIDIA H200"), ("0000:0f:00.0", "NVIDIA H100 80GB HBM3")):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t {name}\nIRQ:   \t\t 90\n")
    return tmp_path


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0", ("NVIDIA H200",)),
        ("1,0", ("NVIDIA H100 80GB HBM3", "NVIDIA H200")),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("0,-1,1", ("NVIDIA H200",)),
        ("5", ("GPU 5, name not known",)),
        ("GPU-8932f937", ("GPU GPU-8932f937, name not known",)),
    ],
)
def test_gpus_by_cuda_visible_devices(
    driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str, expected: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert environment.gpus(driver) == expected


def test_gpus_that_nobody_gave_count_when_they_are_used(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert environment.gpus(driver) == ()
    used = False
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        is_initialized=lambda: used, device_count=lambda: 2, get_device_name=lambda index: f"card {index}"
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert environment.gpus(driver) == ()
    used = True
    assert environment.gpus(driver) == ("card 0", "card 1")


def test_the_command_is_what_one_would_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/env/bin/piretry", "attempt", "small/base/s42", "--note", "two words"])
    assert environment.command_line() == "piretry attempt small/base/s42 --note 'two words'"
    monkeypatch.setattr(sys, "argv", ["-c"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "print(1)"])
    assert environment.command_line() == "python -c 'print(1)'"
