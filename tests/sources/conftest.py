"""The real file of published figures."""

from __future__ import annotations

import pytest
from sound_source import REPOSITORY

from piretry.sources.model import Published
from piretry.sources.read import read_published


@pytest.fixture(scope="session")
def published() -> Published:
    return read_published(REPOSITORY / "report" / "published.yaml")
