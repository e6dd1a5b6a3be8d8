"""Power: what a design can see, and what it would take to see a given effect.

Effects and standard deviations are fractions of 1 (0.02 is two percentage points). Tests are two-sided t
tests at level `alpha`; the far tail is ignored, which matters only for power near `alpha`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from piretry.stats.variance import Array, SeedVariance, VarianceComponents, expected_squares, variance_of_mean

POWER = 0.8
_DRAWS = 100


def detectable_effect(se: float, df: float, alpha: float = 0.05, power: float = POWER) -> float:
    """The true effect that a t test with this standard error finds with this power (noncentral t)."""
    from scipy import special

    df = min(df, 1e6)
    return se * float(special.nctdtrinc(df, 1.0 - power, special.stdtrit(df, 1.0 - alpha / 2.0)))


def equivalence_margin(se: float, df: float, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest margin at which two one-sided tests, at a true difference of 0, have this power."""
    from scipy import special

    df = min(df, 1e6)
    return se * float(special.stdtrit(df, 1.0 - alpha) + special.stdtrit(df, (1.0 + power) / 2.0))


@dataclass(frozen=True)
class Design:
    """A planned size: the true standard error of its mean, and how its estimates of it will scatter.

    `estimated` holds equally likely pairs (standard error, degrees of freedom) that the run may find: with
    few seeds the variance between them is itself a draw, and power is the mean over these draws.
    """

    n_seeds: int
    n_problems: int
    se: float
    estimated: tuple[tuple[float, float], ...]

    def power(self, effect: float, alpha: float = 0.05) -> float:
        """Probability of a significant result of the right sign when the true effect is `effect`."""
        return self._mean_power(lambda half: abs(effect) - half, 1.0 - alpha / 2.0, two_sided=False)

    def equivalence_power(self, margin: float, alpha: float = 0.05) -> float:
        """Probability that two one-sided tests establish a true difference of 0 within the margin."""
        return self._mean_power(lambda half: margin - half, 1.0 - alpha, two_sided=True)

    def detectable(self, alpha: float = 0.05, power: float = POWER) -> float:
        """The smallest effect seen with this power."""
        return self._smallest(lambda effect: self.power(effect, alpha), power)

    def margin(self, alpha: float = 0.05, power: float = POWER) -> float:
        """The smallest equivalence margin established with this power at a true difference of 0."""
        return self._smallest(lambda margin: self.equivalence_power(margin, alpha), power)

    def _mean_power(self, room: Callable[[Array], Array], quantile: float, two_sided: bool) -> float:
        from scipy import special

        errors, df = np.array(self.estimated).T
        left = room(special.stdtrit(np.minimum(df, 1e6), quantile) * errors)
        if self.se == 0:
            return float(np.mean(left > 0))
        chance = special.ndtr(left / self.se)
        return float(np.mean(np.maximum(2.0 * chance - 1.0, 0.0) if two_sided else chance))

    def _smallest(self, power_at: Callable[[float], float], power: float) -> float:
        low, high = 0.0, max(self.se, 1e-12)
        while power_at(high) < power:
            high *= 2.0
        for _ in range(40):
            middle = (low + high) / 2.0
            low, high = (low, middle) if power_at(middle) >= power else (middle, high)
        return high


def design(parts: VarianceComponents, n_seeds: int, n_problems: int, seed_df: float | None = None) -> Design:
    """The design's standard error when the variances are as given, and what a run of it will estimate.

    `seed_df`: degrees of freedom of a seed variance pooled over cells; without it the seeds' own are used,
    and one seed leaves the seeds' variance out, as the interval then does.
    """
    from scipy import special

    if n_seeds < 1 or n_problems < 1:
        raise ValueError(f"a design needs at least one seed and one problem, not {n_seeds} and {n_problems}")
    squares = expected_squares(parts, n_seeds, n_problems)
    seed, error = parts.seed or 0.0, parts.error or 0.0
    true = parts.problem / n_problems + error / (n_seeds * n_problems)
    pooled = None
    if seed_df is not None:
        pooled = SeedVariance(seed, seed_df, seed + error / n_problems, "planned")
    if n_seeds > 1 or pooled is not None:
        true += seed / n_seeds
    if n_seeds > 1 and pooled is None:
        chances = (np.arange(_DRAWS) + 0.5) / _DRAWS
        draws = special.chdtri(n_seeds - 1, 1.0 - chances) / (n_seeds - 1)
        squares = replace(squares, seeds=squares.seeds * draws)
    variance, df = (np.atleast_1d(value) for value in variance_of_mean(squares, pooled))
    pairs = zip(np.sqrt(variance).tolist(), df.tolist(), strict=True)
    return Design(n_seeds, n_problems, math.sqrt(true), tuple(pairs))


def complete(parts: VarianceComponents, seed_sd: float = 0.009, error_share: float = 0.5) -> VarianceComponents:
    """Fill in what one seed cannot show: a seed SD (see `assumed_seed_variance`) and the share of error."""
    seed = seed_sd**2 if parts.seed is None else parts.seed
    if parts.error is not None:
        return VarianceComponents(seed, parts.problem, parts.error)
    return VarianceComponents(seed, (1.0 - error_share) * parts.problem, error_share * parts.problem)


def assumed_components(
    flip_rate: float, gain: float = 0.0, seed_sd: float = 0.009, samples: int = 1, between_seeds: float = 0.5
) -> VarianceComponents:
    """Components of a paired gain before any measurement.

    `flip_rate` is the share of problems whose verdict differs between the two states for one sample each,
    so a gain in {-1, 0, 1} has variance ``flip_rate - gain**2``. `between_seeds` is the correlation of a
    problem's gain between seeds (the problem's share of that variance); the rest is error, divided by
    `samples` for each problem. ValueError when the flips cannot give the gain or a share lies outside [0,
    1].
    """
    if not (abs(gain) <= flip_rate <= 1 and 0 <= between_seeds <= 1 and samples >= 1):
        raise ValueError(
            f"impossible design: gain {gain} with flip rate {flip_rate}, between_seeds {between_seeds}, "
            f"samples {samples}; needed |gain| <= flip_rate <= 1, 0 <= between_seeds <= 1 and samples >= 1"
        )
    total = flip_rate - gain**2
    return VarianceComponents(seed_sd**2, between_seeds * total, (1.0 - between_seeds) * total / samples)


def accuracy_components(
    accuracy: float, seed_sd: float = 0.009, samples: int = 1, between_seeds: float = 0.5
) -> VarianceComponents:
    """Components of one state's accuracy: binomial variance split as in `assumed_components`."""
    if not 0 <= accuracy <= 1:
        raise ValueError(f"an accuracy lies between 0 and 1, not {accuracy}")
    total = accuracy * (1.0 - accuracy)
    return VarianceComponents(seed_sd**2, between_seeds * total, (1.0 - between_seeds) * total / samples)


def minimum_detectable_effect(
    parts: VarianceComponents,
    n_seeds: int,
    n_problems: int,
    alpha: float = 0.05,
    power: float = POWER,
    seed_df: float | None = None,
) -> float:
    """The smallest effect that this design sees with this power."""
    return design(parts, n_seeds, n_problems, seed_df).detectable(alpha, power)


def seeds_needed(
    effect: float,
    parts: VarianceComponents,
    n_problems: int,
    alpha: float = 0.05,
    power: float = POWER,
    most: int = 50,
    seed_df: float | None = None,
) -> int | None:
    """The smallest number of seeds (2 to `most`) that shows `effect` on these problems; None when none does.

    None is common: with the same problems the problems' variance stays, whatever the number of seeds.
    """

    def enough(seeds: int) -> bool:
        return design(parts, seeds, n_problems, seed_df).power(effect, alpha) >= power

    return next(filter(enough, range(2, most + 1)), None) if enough(most) else None


def problems_needed(
    effect: float,
    parts: VarianceComponents,
    n_seeds: int,
    alpha: float = 0.05,
    power: float = POWER,
    most: int = 1_000_000,
    seed_df: float | None = None,
) -> int | None:
    """The smallest number of problems (2 to `most`) that shows `effect` with these seeds, else None."""
    if design(parts, n_seeds, most, seed_df).power(effect, alpha) < power:
        return None
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        if design(parts, n_seeds, middle, seed_df).power(effect, alpha) >= power:
            high = middle
        else:
            low = middle
    return high


def mcnemar_net_needed(n_problems: int, flip_rate: float, alpha: float = 0.05) -> float | None:
    """The net share of problems that one state must win for an exact McNemar test to reach `alpha`.

    `flip_rate` is the share of problems whose verdict differs. None when even winning all of them is not
    enough.
    """
    from piretry.stats.mcnemar import exact_p

    flips = round(flip_rate * n_problems)
    for won in range((flips + 1) // 2, flips + 1):
        if exact_p(won, flips - won) < alpha:
            return (2 * won - flips) / n_problems
    return None
