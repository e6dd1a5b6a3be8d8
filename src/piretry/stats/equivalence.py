"""Two one-sided tests: is a difference within a margin that was declared beforehand?"""

from __future__ import annotations

from dataclasses import dataclass

from piretry.stats.estimate import Estimate
from piretry.stats.power import equivalence_margin


@dataclass(frozen=True)
class Tost:
    """Equivalence of a mean difference to 0 within +-`margin`.

    `p_value` is the larger of the two one-sided p values; below `alpha` the difference is established to
    lie within the margin, which is the same as the interval of level 1 - 2*alpha, (`low`, `high`), lying
    inside it. `p_outside` is the two-sided p value for "the difference is larger than the margin".
    `smallest_margin` could have been established here with 80% power at a true difference of 0 (where
    departures are rare: was established).
    """

    estimate: Estimate
    margin: float
    alpha: float
    p_value: float
    p_outside: float
    low: float
    high: float
    smallest_margin: float

    @property
    def equivalent(self) -> bool:
        """Whether the difference is established to lie within the margin."""
        return self.p_value < self.alpha


def tost(estimate: Estimate, margin: float, alpha: float = 0.05) -> Tost:
    """Test the difference `estimate` against +-`margin` (same unit); ValueError unless margin > 0."""
    if not margin > 0:
        raise ValueError(f"an equivalence margin must be greater than 0, not {margin}")
    low, high = estimate.interval(1.0 - 2.0 * alpha)
    return Tost(
        estimate,
        margin,
        alpha,
        max(estimate.p_greater(-margin), estimate.p_less(margin)),
        outside_p(estimate, -margin, margin),
        low,
        high,
        max(-low, high) if estimate.sparse else equivalence_margin(estimate.se, estimate.df, alpha),
    )


def outside_p(estimate: Estimate, low: float, high: float) -> float:
    """Two-sided p value for "the true value lies outside [low, high]": below 0.05 the 95% interval does."""
    return min(1.0, 2.0 * min(estimate.p_less(low), estimate.p_greater(high)))
