"""What a fine-tuning reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Counters for the provenance record, the logged losses as (step, loss), and facts about the saved model.

    `counters["resumed_at"]` is the step that this run went on from, 0 when it started afresh.
    """

    counters: dict[str, float] = field(default_factory=dict)
    losses: list[tuple[int, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
