"""Lean proofs, checked by Lean: see docs/lean.md for the rules and for what they do not cover.

Importing this package starts nothing and loads no Lean.
"""

from piretry.verifiers.lean.statement import Statement, parse_statement
from piretry.verifiers.lean.toolchain import (
    Toolchain,
    command_toolchain,
    kernel_available,
    kernel_toolchain,
    lake_toolchain,
)
from piretry.verifiers.lean.verifier import LeanVerifier

__all__ = [
    "LeanVerifier",
    "Statement",
    "Toolchain",
    "command_toolchain",
    "kernel_available",
    "kernel_toolchain",
    "lake_toolchain",
    "parse_statement",
]
