"""What the tests of theorems share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lean_kernel import open_verifier
from piretry.verifiers.lean.verifier import LeanVerifier


@pytest.fixture(scope="session")
def lean_verifier() -> Iterator[LeanVerifier]:
    """The real kernel; skips, loudly, where it is not installed."""
    yield from open_verifier()
