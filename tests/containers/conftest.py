"""The real Apptainer and the real CPU image."""

from __future__ import annotations

from pathlib import Path

import pytest
from apptainer_tools import cpu_image, find_apptainer, skip_unless


@pytest.fixture(scope="session")
def apptainer() -> dict[str, str]:
    """The environment in which `apptainer` runs."""
    return skip_unless(find_apptainer)


@pytest.fixture(scope="session")
def image(apptainer: dict[str, str]) -> Path:
    """The CPU image of the present code."""
    return skip_unless(cpu_image)
