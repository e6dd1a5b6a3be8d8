"""Fixtures of the training tests."""

from __future__ import annotations

from typing import Any

import pytest
from tuning_case import small_settings


@pytest.fixture
def settings(mini: dict[str, Any]) -> dict[str, Any]:
    return small_settings(mini)
