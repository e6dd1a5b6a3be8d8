"""The real kernel, or a skip that says how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from piretry.verifiers.lean import LeanVerifier, Toolchain, kernel_available, kernel_toolchain
from piretry.verifiers.lean.verifier import compile_library


@pytest.fixture(scope="session")
def kernel() -> Toolchain:
    if not kernel_available():
        pytest.skip("no Lean kernel is installed: make test installs one")
    return kernel_toolchain()


@pytest.fixture(scope="session")
def library(kernel: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our own compiled library."""
    folder = tmp_path_factory.mktemp("library")
    compile_library(kernel, folder)
    return folder


@pytest.fixture(scope="module")
def terms(kernel: Toolchain) -> Iterator[LeanVerifier]:
    with LeanVerifier(kernel, "term", workers=2, timeout_s=30) as verifier:
        yield verifier


@pytest.fixture(scope="module")
def files(kernel: Toolchain) -> Iterator[LeanVerifier]:
    with LeanVerifier(kernel, "file", workers=2, timeout_s=30) as verifier:
        yield verifier


@pytest.fixture
def lean_program(kernel: Toolchain, library: Path, tmp_path: Path) -> Path:
    """A folder like that of an installed Lean: ``bin/lean`` is the real kernel, with a library that it finds itself.

    ``bin/leanchecker`` stands in for the real one, which needs a whole toolchain: it notes its arguments and ends with
    the status in the file ``status``.
    """
    folder = tmp_path / "toolchain"
    (folder / "bin").mkdir(parents=True)
    call = " ".join(f"'{word}'" for word in kernel.command if not word.startswith("-j"))
    script = (
        "#!/bin/sh\n"
        f'test "$1" = --print-prefix && echo "{folder}" && exit\n'
        f'export LEAN_PATH="$LEAN_PATH:{library}"\n'
        f'exec {call} "$@"\n'
    )
    checker = f'#!/bin/sh\necho "$@" >> "{folder}/calls"\nexit $(cat "{folder}/status")\n'
    for name, text in (("lean", script), ("leanchecker", checker)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "status").write_text("0")
    return folder


@pytest.fixture
def lake_project(lean_program: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A Lake project and a ``lake`` whose ``env`` names the Lean of `lean_program`; (project, lake)."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "lakefile.toml").write_text('name = "miniature"\n')
    (project / "lean-toolchain").write_text("leanprover/lean4:v4.35.0\n")
    lake = tmp_path / "lake"
    lake.write_text(
        f'#!/bin/sh\ntest "$1" = env || exit 2\nshift\n'
        f'export LEAN="{lean_program}/bin/lean" LEAN_PATH="{project}"\nexec "$@"\n'
    )
    lake.chmod(0o755)
    return project, lake
