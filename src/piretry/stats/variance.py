"""The variance of a mean over problems and seeds, both of them random and crossed.

Model: ``y[s, p] = mean + seed[s] + problem[p] + error[s, p]`` with independent terms of mean 0. Every seed
sees every problem, so the arrays are balanced and the mean squares of a two-way table estimate the three
variances without bias, for binary values as well as for normal ones (only exchangeability of seeds and of
problems is used):

``E[MS_seed] = P*v_seed + v_error``, ``E[MS_problem] = S*v_problem + v_error``, ``E[MS_error] = v_error``,
``Var(mean) = v_seed/S + v_problem/P + v_error/(S*P) = E[MS_seed + MS_problem - MS_error] / (S*P)``.

Everything here works on the last two axes, (seeds, problems), of an array of any shape, so that the
simulations in benchmarks/coverage.py run the code that judges the claims.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Degrees of freedom of the seeds' share of the variance, by number of seeds: (penalty, subtracted share of
# MS_error). Satterthwaite's formula would be (1, 0). With few seeds it reads its own noise: when MS_seed
# comes out small by chance, both the variance and the penalty for estimating it are too small. The
# constants were chosen on the exact coverage of the 95% interval (many problems; v_seed from 0 to 10 times,
# v_error from 5% to 95% of the rest): 2 seeds 93.3-98.7%, 3 seeds 93.3-97.3%, 4 and 5 seeds 93.3-96.8%. For
# 2 seeds no rule of this kind stays below 97% at v_seed = 0 without falling to 92% later; the longer
# interval was preferred.
_SEED_PENALTY = {2: (8.0, 0.0), 3: (3.0, 0.5)}
_SEED_PENALTY_OTHERWISE = (3.0, 0.75)
# A pooled seed variance is trusted from this many degrees of freedom on, and unless one cell sticks out.
_POOL_DF = 8.0
_POOL_ALPHA = 0.05


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of the two-way table of seeds and problems; fields have the leading shape of the values.

    With one seed `seeds` and `errors` are 0 and `problems` is the variance of the values over problems.
    """

    grand: Array
    seeds: Array
    problems: Array
    errors: Array
    n_seeds: int
    n_problems: int


@dataclass(frozen=True)
class VarianceComponents:
    """Variances of the three random terms, in squared units of the values.

    `seed` and `error` are None where one seed cannot show them; `problem` then holds problem and error
    together.
    """

    seed: float | None
    problem: float
    error: float | None

    @property
    def seed_sd(self) -> float | None:
        """Standard deviation between training seeds, None when not estimable."""
        return None if self.seed is None else math.sqrt(self.seed)


@dataclass(frozen=True)
class SeedVariance:
    """A seed-to-seed variance that comes from outside the array, with the degrees of freedom behind it.

    `variance` is that of the statistic itself: of a difference of two separately trained cells it is twice
    that of one cell (`times(2)`). `mean_square` is the estimate's own scale, before the error part was
    subtracted; its uncertainty is ``2 * mean_square**2 / df``. `df` is infinite for an assumption.
    `heterogeneity_p`: p value for "the cell that varies most between seeds varies more than the others"
    (Bonferroni), None when not pooled.
    """

    variance: float
    df: float
    mean_square: float
    source: str
    heterogeneity_p: float | None = None

    @property
    def usable(self) -> bool:
        """Whether it rests on 8 degrees of freedom or more and no cell sticks out at the 5% level."""
        alike = self.heterogeneity_p is None or self.heterogeneity_p >= _POOL_ALPHA
        return self.df >= _POOL_DF and alike

    def times(self, states: int) -> SeedVariance:
        """The variance of a sum or difference of this many separately trained states."""
        return replace(self, variance=states * self.variance, mean_square=states * self.mean_square)


def as_values(values: object, name: str = "values") -> Array:
    """The array as float64 with at least the axes (seeds, problems); ValueError says what is wrong."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(f"{name} must have shape (seeds, problems) and hold something, not shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity: every seed needs a value for every problem")
    return array


def mean_squares(values: Array) -> MeanSquares:
    """Mean squares of values of shape (..., S, P)."""
    n_seeds, n_problems = values.shape[-2:]
    grand = values.mean((-2, -1))
    by_seed = values.mean(-1)
    by_problem = values.mean(-2)
    seed_squares = n_problems * ((by_seed - grand[..., None]) ** 2).sum(-1)
    problem_squares = n_seeds * ((by_problem - grand[..., None]) ** 2).sum(-1)
    zero = np.zeros_like(grand)
    problems = problem_squares / (n_problems - 1) if n_problems > 1 else zero
    if n_seeds == 1:
        return MeanSquares(grand, zero, problems, zero, n_seeds, n_problems)
    seeds = seed_squares / (n_seeds - 1)
    if n_problems == 1:
        return MeanSquares(grand, seeds, zero, zero, n_seeds, n_problems)
    residual = values - by_seed[..., :, None] - by_problem[..., None, :] + grand[..., None, None]
    errors = (residual**2).sum((-2, -1)) / ((n_seeds - 1) * (n_problems - 1))
    return MeanSquares(grand, seeds, problems, errors, n_seeds, n_problems)


def variance_of_mean(
    squares: MeanSquares, seed_variance: SeedVariance | None = None, seed_scale: Array | float = 1.0
) -> tuple[Array, Array]:
    """Estimated variance of the mean and the degrees of freedom of its t distribution.

    One seed and no `seed_variance`: the variance over problems alone, conditional on that seed. With
    `seed_variance` the seeds' part is taken from there, times `seed_scale` (Satterthwaite's degrees of
    freedom). Otherwise the estimate is ``(max(MS_seed - MS_error, 0) + MS_problem) / (S*P)``.
    """
    n_seeds, n_problems = squares.n_seeds, squares.n_problems
    cells = n_seeds * n_problems
    problem_df = max(n_problems - 1, 1)
    if seed_variance is not None:
        between = np.zeros_like(squares.problems) + seed_scale * seed_variance.variance / n_seeds
        noise = seed_scale * seed_variance.mean_square / n_seeds
        within = squares.problems / cells
        variance = between + within
        spread = noise**2 / seed_variance.df + within**2 / problem_df
        return variance, np.maximum(_ratio(variance**2, spread, problem_df), 1.0)
    if n_seeds == 1:
        return squares.problems / cells, np.full_like(squares.problems, float(problem_df))
    total = np.maximum(squares.seeds - squares.errors, 0.0) + squares.problems
    return total / cells, _degrees_of_freedom(squares, total)


def _degrees_of_freedom(squares: MeanSquares, total: Array) -> Array:
    penalty, share = _SEED_PENALTY.get(squares.n_seeds, _SEED_PENALTY_OTHERWISE)
    seed_df, problem_df = squares.n_seeds - 1, max(squares.n_problems - 1, 1)
    noisy = np.maximum(squares.seeds - share * squares.errors, 0.0)
    spread = penalty * noisy**2 / seed_df + squares.problems**2 / problem_df
    return np.clip(_ratio(total**2, spread, problem_df), min(seed_df, problem_df), max(seed_df, problem_df))


def _ratio(top: Array, bottom: Array, otherwise: float) -> Array:
    """top / bottom, and `otherwise` where both vanish (no variation at all)."""
    safe = np.where(bottom > 0, bottom, 1.0)
    return np.where(bottom > 0, top / safe, otherwise)


def components(squares: MeanSquares, seed_variance: SeedVariance | None = None) -> VarianceComponents:
    """Method-of-moments variance components, none below 0, from the mean squares of one array (S, P).

    The seeds' component is that of `seed_variance` where one is given.
    """
    given = None if seed_variance is None else seed_variance.variance
    if squares.n_seeds == 1:
        return VarianceComponents(given, float(squares.problems), None)
    error = float(squares.errors)
    seed = max(float(squares.seeds) - error, 0.0) / squares.n_problems if given is None else given
    problem = max(float(squares.problems) - error, 0.0) / squares.n_seeds
    return VarianceComponents(seed, problem, error)


def expected_squares(parts: VarianceComponents, n_seeds: int, n_problems: int) -> MeanSquares:
    """The mean squares that a design of this size has on average: planning uses them for measured ones."""
    seed, error = parts.seed or 0.0, parts.error or 0.0
    values = (n_problems * seed + error, n_seeds * parts.problem + error, error)
    if n_seeds == 1:
        values = (0.0, parts.problem + error, 0.0)
    grand, seeds, problems, errors = (np.asarray(value, dtype=np.float64) for value in (0.0, *values))
    return MeanSquares(grand, seeds, problems, errors, n_seeds, n_problems)


def pool_seed_variance(arrays: Sequence[Array], source: str = "pooled over cells") -> SeedVariance:
    """The seed-to-seed variance shared by several arrays of the same statistic, each (S, P) with S >= 2.

    Each array's estimate ``(MS_seed - MS_error) / P`` is weighted by its S - 1 degrees of freedom; a
    negative total is 0. Pooling assumes that the cells vary alike between seeds: `heterogeneity_p` and
    `usable` say whether that is believable. ValueError when no array has two seeds.
    """
    found = []
    for array in arrays:
        squares = mean_squares(as_values(array))
        if squares.n_seeds > 1:
            seeds, errors = float(squares.seeds), float(squares.errors)
            found.append((squares.n_seeds - 1, seeds / squares.n_problems, errors / squares.n_problems))
    if not found:
        raise ValueError("a pooled seed variance needs at least one array with two seeds")
    df = sum(item[0] for item in found)
    mean_square = sum(item[0] * item[1] for item in found) / df
    error = sum(item[0] * item[2] for item in found) / df
    return SeedVariance(
        max(mean_square - error, 0.0), float(df), mean_square, source, _heterogeneity([item[:2] for item in found])
    )


def _heterogeneity(found: Sequence[tuple[int, float]]) -> float | None:
    """F test of the largest mean square against the mean of the others, times the number of arrays."""
    from scipy import special

    if len(found) < 2:
        return None
    df, largest = max(found, key=lambda item: item[1])
    rest = sum(item[0] for item in found) - df
    others = (sum(n * square for n, square in found) - df * largest) / rest
    if others <= 0:
        return None if largest <= 0 else 0.0
    return min(1.0, len(found) * float(special.fdtrc(df, rest, largest / others)))


def assumed_seed_variance(sd: float = 0.009) -> SeedVariance:
    """A seed-to-seed SD of one trained state taken as known; `times(2)` for a difference of two.

    The default, 0.9 percentage points, is the mean over 66 published models with three seeds on 500
    problems (the data of the "sober reasoning" study; their median is 0.6, their largest 6.9).
    """
    return SeedVariance(sd**2, math.inf, sd**2, f"assumed: SD {100 * sd:.1f} pp")
