"""Several tests at once: Holm's correction, and claims that need several signs to hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from piretry.stats.estimate import Estimate


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's step-down adjusted p values, in the order given; None stays None and is not counted.

    An adjusted p value below alpha is significant with the chance of any false rejection in the family at
    most alpha, whatever the dependence (S. Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    known = [(p, index) for index, p in enumerate(p_values) if p is not None]
    if any(not 0.0 <= p <= 1.0 for p, _ in known):
        raise ValueError(f"p values lie between 0 and 1: {[p for p, _ in known]}")
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, index) in enumerate(sorted(known)):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[index] = running
    return tuple(adjusted)


@dataclass(frozen=True)
class Required:
    """One difference and the sign it must have: +1 or -1."""

    label: str
    estimate: Estimate
    sign: int

    @property
    def p_right(self) -> float:
        """Two-sided p value when the difference has the required sign, else 1 (twice the one-sided one)."""
        return min(1.0, 2.0 * self._one_sided(self.sign))

    @property
    def p_wrong(self) -> float:
        """The same for the opposite sign."""
        return min(1.0, 2.0 * self._one_sided(-self.sign))

    def _one_sided(self, sign: int) -> float:
        return self.estimate.p_greater(0.0) if sign > 0 else self.estimate.p_less(0.0)


@dataclass(frozen=True)
class Ordering:
    """Whether all required signs hold.

    `p_holds` tests "at least one sign is not as required": the largest p of the parts (intersection-union,
    no correction needed; ties belong to the null hypothesis, so equal states are never ordered in more than
    alpha/2 of runs for each part). `p_broken` tests "every sign is as required or tied": the smallest p for
    a wrong sign times the number of parts (Bonferroni).
    """

    parts: tuple[Required, ...]
    p_holds: float
    p_broken: float


def ordering(parts: Sequence[Required]) -> Ordering:
    """Judge several required signs together; ValueError when there is none."""
    if not parts:
        raise ValueError("an ordering needs at least one difference")
    broken = min(1.0, len(parts) * min(part.p_wrong for part in parts))
    return Ordering(tuple(parts), max(part.p_right for part in parts), broken)
