"""Does a share rise with the retry index? Shares by index and a slope, problems and seeds as clusters.

Each retained retry is a row: its seed, its problem, its retry index and whether its success failed to
repeat on an independent resample (0 or 1, or the share of several resamples). The slope is that of least
squares over the rows (a linear probability model, in share per retry index). Standard errors are those of
the rows' influence summed by (seed, problem) and put through the two-way variance rule; with one seed that
is the cluster-robust sandwich estimator with problems as clusters, times P/(P-1).

The slope describes the retained retries. Problems that need more retries are harder, so it mixes the effect
of retrying longer with the difficulty of the problems that get there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from piretry.stats.estimate import Estimate, bounded_estimate, linearised_estimate
from piretry.stats.sparse import MOST_DEPARTURES
from piretry.stats.variance import Array, SeedVariance


@dataclass(frozen=True)
class IndexShare:
    """The share at one retry index with its interval (Clopper-Pearson on the effective number of rows)."""

    index: int
    share: float
    low: float
    high: float
    rows: int
    effective_rows: float


@dataclass(frozen=True)
class Trend:
    """Shares by retry index and the slope per index; `slope` is None when only one index has rows."""

    shares: tuple[IndexShare, ...]
    slope: Estimate | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    seed: NDArray[np.intp]
    problem: NDArray[np.intp]
    x: Array
    y: Array

    @property
    def size(self) -> tuple[int, int]:
        return int(self.seed.max()) + 1, int(self.problem.max()) + 1

    def influence(self, contribution: Array) -> Array:
        """Rows' contributions to a statistic as an (S, P) array whose mean is their sum."""
        cells = np.zeros(self.size)
        np.add.at(cells, (self.seed, self.problem), contribution)
        return cells * cells.size


def trend_estimate(
    seeds: object,
    problems: object,
    index: object,
    not_repeated: object,
    level: float = 0.95,
    seed_variance: SeedVariance | None = None,
) -> Trend:
    """Trend over rows: four columns of one length (seed, problem, retry index, value in [0, 1]).

    Problems without a retained retry do not enter. ValueError for no rows, unequal lengths or values
    outside [0, 1].
    """
    columns = [np.asarray(column) for column in (seeds, problems, index, not_repeated)]
    if len({len(column) for column in columns}) != 1 or len(columns[0]) == 0:
        raise ValueError("seed, problem, index and not_repeated need one entry for each retained retry, at least one")
    x, y = columns[2].astype(np.float64), columns[3].astype(np.float64)
    if not (np.isfinite(x).all() and (y >= 0).all() and (y <= 1).all()):
        raise ValueError("retry indices must be numbers and not_repeated must lie in [0, 1]")
    rows = _Rows(_codes(columns[0]), _codes(columns[1]), x, y)
    shares = tuple(_share(rows, float(value), level, seed_variance) for value in np.unique(x))
    notes = []
    if rows.size[1] < 30:
        notes.append(f"only {rows.size[1]} problems have a retained retry: intervals are approximate")
    if len(shares) < 2:
        return Trend(shares, None, (*notes, "one retry index only: no slope"))
    common = np.sort(y)[(len(y) - 1) // 2]
    rare = int((y != common).sum()) <= MOST_DEPARTURES
    slope = _bounded_slope(rows, shares, level) if rare else _slope(rows, level, seed_variance)
    return Trend(shares, slope, tuple(notes))


def _codes(column: NDArray[np.generic]) -> NDArray[np.intp]:
    return np.unique(column, return_inverse=True)[1]


def _line(rows: _Rows) -> tuple[Array, float, float]:
    """Centred indices, their sum of squares and the least-squares slope."""
    centred = rows.x - rows.x.mean()
    squares = float((centred**2).sum())
    return centred, squares, float((centred * rows.y).sum()) / squares


def _slope(rows: _Rows, level: float, seed_variance: SeedVariance | None) -> Estimate:
    centred, squares, slope = _line(rows)
    residual = rows.y - rows.y.mean() - slope * centred
    return linearised_estimate(slope, rows.influence(centred * residual / squares), level, seed_variance=seed_variance)


def _bounded_slope(rows: _Rows, shares: tuple[IndexShare, ...], level: float) -> Estimate:
    """Almost all rows alike: bound the slope by exact intervals of the shares (Bonferroni), which is wide."""
    centred, squares, slope = _line(rows)
    each = 1.0 - (1.0 - level) / len(shares)
    low = high = 0.0
    for share in shares:
        weight = float(centred[rows.x == share.index].sum()) / squares
        ends = _clopper_pearson(share.share, float(share.rows), each)
        low += min(weight * ends[0], weight * ends[1])
        high += max(weight * ends[0], weight * ends[1])
    note = "almost every retained retry has the same outcome: the slope is bounded, not estimated"
    return bounded_estimate(slope, max(slope - low, high - slope), level, rows.size[1], rows.size[0], (note,))


def _share(rows: _Rows, index: float, level: float, seed_variance: SeedVariance | None) -> IndexShare:
    from scipy import special

    here = rows.x == index
    count = int(here.sum())
    share = float(rows.y[here].mean())
    estimate = linearised_estimate(
        share, rows.influence(np.where(here, rows.y - share, 0.0) / count), level, seed_variance=seed_variance
    )
    effective = float(count)
    if estimate.se > 0:
        quantile = (1.0 + level) / 2.0
        fewer = float(special.stdtrit(max(count - 1, 1), quantile) / special.stdtrit(estimate.df, quantile)) ** 2
        effective = min(effective, share * (1.0 - share) / estimate.se**2 * fewer)
    low, high = _clopper_pearson(share, effective, level)
    return IndexShare(int(index), share, low, high, count, effective)


def _clopper_pearson(share: float, n: float, level: float) -> tuple[float, float]:
    """Exact binomial interval, for a fractional n too (Korn and Graubard, Survey Methodology 24, 1998)."""
    from scipy import special

    tail = (1.0 - level) / 2.0
    hits = share * n
    low = 0.0 if hits <= 0 else float(special.betaincinv(hits, n - hits + 1.0, tail))
    high = 1.0 if hits >= n else float(special.betaincinv(hits + 1.0, n - hits, 1.0 - tail))
    return low, high
