"""The real Lean kernel for tests, or a loud reason why it is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from piretry.verifiers.lean.toolchain import KERNEL_PACKAGE, kernel_available, kernel_toolchain
from piretry.verifiers.lean.verifier import LeanVerifier


def open_verifier() -> Iterator[LeanVerifier]:
    """The kernel with our own library, for proof terms; the body of a fixture."""
    if not kernel_available():
        pytest.skip(f"no Lean kernel (pip install {KERNEL_PACKAGE}): generated proofs were not checked by one")
    with LeanVerifier(kernel_toolchain()) as verifier:
        yield verifier
