"""The checker that a scale file describes: found, or the reason why it is not there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from piretry.verifiers.lean.toolchain import (
    HOW_TO_ADD,
    Toolchain,
    command_toolchain,
    kernel_available,
    kernel_toolchain,
    lake_toolchain,
)
from piretry.verifiers.lean.verifier import LeanVerifier


def missing(settings: Mapping[str, Any]) -> str | None:
    """Why the checker of `settings` (see LeanSettings) cannot be used here and how to add it; None when it can.

    It is looked for and not started, so that a workflow is parsed as fast without it as with it.
    """
    match settings["toolchain"]:
        case "kernel":
            return None if kernel_available() else f"no Lean kernel is installed; add it with: {HOW_TO_ADD}"
        case "command":
            program = settings["command"][0]
            if shutil.which(program) is None:
                return f"the Lean command {program} is not found; install Lean or correct prover.verifier.command"
            return None
        case _:
            project = Path(settings["project"])
            if not any((project / name).exists() for name in ("lakefile.lean", "lakefile.toml")):
                return f"{project} is no Lake project; make it or correct prover.verifier.project"
            return None if shutil.which("lake") else "the command lake is not found; install Lean with elan"


def toolchain_of(settings: Mapping[str, Any]) -> Toolchain:
    """The toolchain of `settings`; PiretryError when it is not there."""
    match settings["toolchain"]:
        case "kernel":
            return kernel_toolchain()
        case "command":
            return command_toolchain(settings["command"])
        case _:
            return lake_toolchain(Path(settings["project"]))


def open_verifier(settings: Mapping[str, Any]) -> LeanVerifier:
    """The verifier with the limits of `settings`."""
    return LeanVerifier(
        toolchain_of(settings),
        proofs=settings["proofs"],
        workers=settings["workers"],
        timeout_s=settings["timeout_s"],
        memory_mb=settings["memory_mb"],
        batch=settings["batch"],
    )
