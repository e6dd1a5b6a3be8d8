"""A Lean toolchain and a Lake project in small, for `piretry image build lean --lean`: the kernel of the extra `lean`.

The kernel has no standard library and no tactics; our own prelude, compiled, is the one library of the project. So the
way is the real one, and what is checked are proof terms: Mathlib cannot be had where these tests run.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from apptainer_tools import ROOT

from piretry.verifiers.lean import entry
from piretry.verifiers.lean.toolchain import _library_folder, kernel_available, kernel_toolchain
from piretry.verifiers.lean.verifier import compile_library

LEAN = """#!/bin/sh
if [ "$1" = --print-prefix ]; then echo /opt/lean/toolchain; exit; fi
exec /opt/piretry/bin/python -I -S /opt/lean/toolchain/entry.py /opt/lean/toolchain/lib -s65536 "$@"
"""


def make(folder: Path) -> Path:
    """`folder` with ``toolchain/`` and ``project/``; the test is skipped where the kernel is not installed."""
    libraries = _library_folder()
    if not kernel_available() or libraries is None:
        pytest.skip("no Lean kernel is installed (pip install 'piretry[lean]'): the Lean image was not built")
    toolchain, project = folder / "toolchain", folder / "project"
    (toolchain / "bin").mkdir(parents=True)
    (toolchain / "lib").mkdir()
    for name in entry.LIBRARIES:
        shutil.copyfile(libraries / name, toolchain / "lib" / name)
    shutil.copyfile(entry.__file__, toolchain / "entry.py")
    (toolchain / "bin/lean").write_text(LEAN)
    (toolchain / "bin/lean").chmod(0o755)
    shutil.copytree(ROOT / "envs/lean", project)
    (project / "lake-manifest.json").write_text('{"packages": []}\n')
    compiled = project / ".lake/packages/mathlib/.lake/build/lib"
    compiled.mkdir(parents=True)
    compile_library(kernel_toolchain(), compiled)
    return folder


def version() -> str:
    """What `lean --version` of the kernel says."""
    return subprocess.run([*kernel_toolchain().command, "--version"], capture_output=True, text=True).stdout
