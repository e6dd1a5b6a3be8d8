"""The plain bootstrap of crossed seeds and problems, reported beside every primary interval.

Seeds and problems are drawn with replacement, independently, and every drawn seed meets every drawn problem
(the "pigeonhole" bootstrap of A. B. Owen, Annals of Applied Statistics 1, 2007). It is not the primary
interval: it shrinks the seeds' variance by (S-1)/S and triples the error term, so that it covers too much
where seeds do not matter and too little where they do (docs/statistics.md has both figures). One seed: only
problems are drawn.
"""

from __future__ import annotations

import numpy as np

from piretry.stats.variance import Array

_CHUNK_CELLS = 4_000_000


def bootstrap_means(values: Array, draws: int, seed: int) -> Array:
    """Means over `draws` resamples: (draws,) for values (S, P), (draws, K) for K arrays (K, S, P)."""
    stacked = values if values.ndim == 3 else values[None]
    n_arrays, n_seeds, n_problems = stacked.shape
    generator = np.random.default_rng(seed)
    result = np.empty((draws, n_arrays))
    chunk = max(1, _CHUNK_CELLS // n_problems)
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        seed_counts = _counts(generator, size, n_seeds)
        problem_counts = _counts(generator, size, n_problems)
        by_seed = stacked @ problem_counts.T  # (K, S, size)
        result[start : start + size] = np.einsum("ksb,bs->bk", by_seed, seed_counts) / (n_seeds * n_problems)
    return result if values.ndim == 3 else result[:, 0]


def percentile_interval(means: Array, level: float) -> tuple[float, float]:
    """The central `level` of the resampled means."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def _counts(generator: np.random.Generator, draws: int, n: int) -> Array:
    """How often each of n units is drawn, for each draw: (draws, n)."""
    picks = generator.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(picks.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float64)
