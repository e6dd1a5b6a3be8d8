"""The base of every settings class, so that all are frozen, closed and described."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; every field carries a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def plain(self) -> dict[str, Any]:
        """The settings as JSON-ready values: what goes into params and provenance records."""
        return self.model_dump(mode="json")
