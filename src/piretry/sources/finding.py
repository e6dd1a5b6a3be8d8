"""What the audit of the published figures finds: one sentence made from the figures it rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from piretry.sources.figures import Figure

Kind = Literal[
    "granularity",
    "arithmetic",
    "spread",
    "overlap",
    "ratio",
    "contradiction",
    "cause",
    "support",
    "sampling error",
]
# From the worst to the best. `impossible`: cannot come from the stated evaluation. `contradiction`: pages, or figure
# and statement, exclude each other. `unsupported`: said, and nothing printed shows it. `limit`: true, but says less
# than it seems to. `consistent`: checked, and in order.
Severity = Literal["impossible", "contradiction", "unsupported", "limit", "consistent"]
SEVERITIES: tuple[Severity, ...] = ("impossible", "contradiction", "unsupported", "limit", "consistent")


@dataclass(frozen=True)
class Finding:
    """One result of one check.

    `sentence` is made from the figures; `data` holds the computed numbers, ready for JSON; `claims` are those of
    claims.yaml that rest on the figures.
    """

    id: str
    kind: Kind
    severity: Severity
    sentence: str
    figures: tuple[Figure, ...] = ()
    claims: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.severity == "consistent"
