"""Exact bounds for a mean when almost every problem shows the same value.

Five or fewer departing problems cannot reject "no effect" at the 5% level by any exact sign test (5 against
0 has p = 0.0625), and a t interval around them is too short or has no length at all. What is then known is
how rare departures are: with `k` of `P` problems above the common value m, the share of problems above it
is at most the Clopper-Pearson bound U(k), and none is higher than the largest possible value, so the mean
is at most ``m + (top - m) * U(k+)``, and at least ``m - (m - bottom) * U(k-)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from piretry.stats.variance import Array

#: Largest number of departing problems for which the exact bounds replace the t interval.
MOST_DEPARTURES = 5


@dataclass(frozen=True)
class Departures:
    """Problems that depart from the commonest value; fields have the leading shape of the values.

    `above` and `below` count problems whose mean over seeds lies above or below `common`; `total` counts
    all problems where any seed departs. `bottom` and `top` are the smallest and largest value a problem can
    have.
    """

    common: Array
    above: NDArray[np.int64]
    below: NDArray[np.int64]
    total: NDArray[np.int64]
    n_problems: int
    bottom: float
    top: float

    @property
    def sparse(self) -> NDArray[np.bool_]:
        """Where the exact bounds apply."""
        return self.total <= MOST_DEPARTURES


def departures(values: Array, bounds: tuple[float, float]) -> Departures:
    """Count the problems that depart from the common value of values of shape (..., S, P).

    The common value is the lower median: where at most five problems depart and P > 10 it is the mode.
    """
    n_seeds, n_problems = values.shape[-2:]
    flat = values.reshape(*values.shape[:-2], n_seeds * n_problems)
    middle = (flat.shape[-1] - 1) // 2
    common = np.partition(flat, middle, axis=-1)[..., middle]
    away = (values != common[..., None, None]).any(-2)
    means = values.mean(-2)
    above = (away & (means > common[..., None])).sum(-1)
    below = (away & (means < common[..., None])).sum(-1)
    return Departures(common, above, below, away.sum(-1), n_problems, bounds[0], bounds[1])


def exact_interval(found: Departures, level: float) -> tuple[Array, Array]:
    """The interval of the module's docstring; its coverage is at least `level`."""
    tail = (1.0 - level) / 2.0
    low = found.common - (found.common - found.bottom) * _upper(found.below, found.n_problems, tail)
    high = found.common + (found.top - found.common) * _upper(found.above, found.n_problems, tail)
    return low, high


def exact_p_greater(found: Departures, null: float) -> Array:
    """One-sided p value for "the mean is greater than `null`"; an exact sign test at the common value."""
    from scipy import special

    moved = found.above + found.below
    sign_test = np.where(found.above > 0, special.bdtrc(np.maximum(found.above - 1, 0), moved, 0.5), 1.0)
    room = found.common - found.bottom
    share = np.clip((found.common - null) / np.where(room > 0, room, 1.0), 0.0, 1.0)
    rare = np.where(room > 0, special.bdtr(found.below, found.n_problems, share), 0.0)
    return np.where(null > found.common, 1.0, np.where(null == found.common, sign_test, rare))


def exact_p_less(found: Departures, null: float) -> Array:
    """One-sided p value for "the mean is less than `null`"."""
    mirrored = Departures(
        -found.common, found.below, found.above, found.total, found.n_problems, -found.top, -found.bottom
    )
    return exact_p_greater(mirrored, -null)


def detectable(found: Departures, alpha: float, power: float) -> float:
    """The smallest effect that an exact sign test finds with this power, departures all one way."""
    from scipy import special

    needed = 1
    while 2.0 * 0.5**needed > alpha:
        needed += 1
    reach = max(found.top - float(found.common), float(found.common) - found.bottom)
    if needed > found.n_problems:
        return reach
    return reach * float(special.bdtri(needed - 1, found.n_problems, 1.0 - power))


def _upper(count: NDArray[np.int64], n: int, tail: float) -> Array:
    """Clopper-Pearson upper bound of a share."""
    from scipy import special

    bound = special.betaincinv(count + 1.0, np.maximum(n - count, 1e-9), 1.0 - tail)
    return np.where(count >= n, 1.0, bound)
