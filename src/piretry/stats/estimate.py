"""Means over problems and seeds with intervals, p values and smallest visible effects."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from piretry.stats import sparse
from piretry.stats.bootstrap import bootstrap_means, percentile_interval
from piretry.stats.power import detectable_effect
from piretry.stats.variance import (
    Array,
    SeedVariance,
    VarianceComponents,
    as_values,
    components,
    mean_squares,
    variance_of_mean,
)

_ROUNDING = 1e-9
ONE_SEED_NOTE = "one training seed: the interval holds for that seed and says nothing about others"


@dataclass(frozen=True)
class Fit:
    """Mean, standard error and degrees of freedom of arrays (..., S, P), with their departing problems.

    The vectorised core of `Estimate`: its fields have the leading shape of the values.
    """

    value: Array
    se: Array
    df: Array
    bounds: tuple[float, float]
    departures: sparse.Departures | None

    @property
    def sparse(self) -> bool:
        """Whether the exact bounds apply, for a single array."""
        return self.departures is not None and bool(self.departures.sparse)

    def interval(self, level: float) -> tuple[Array, Array]:
        """Two-sided interval within `bounds`: t, or the exact one of :mod:`piretry.stats.sparse`."""
        from scipy import special

        half = special.stdtrit(self.df, (1.0 + level) / 2.0) * self.se
        low = np.clip(self.value - half, *self.bounds)
        high = np.clip(self.value + half, *self.bounds)
        if self.departures is None:
            return low, high
        exact_low, exact_high = sparse.exact_interval(self.departures, level)
        few = self.departures.sparse
        return np.where(few, exact_low, low), np.where(few, exact_high, high)

    def p_greater(self, null: float) -> Array:
        """One-sided p value for "the true mean is greater than `null`"."""
        return self._tail(-(self.value - null), "greater", null)

    def p_less(self, null: float) -> Array:
        """One-sided p value for "the true mean is less than `null`"."""
        return self._tail(self.value - null, "less", null)

    def p_value(self, null: float) -> Array:
        """Two-sided p value against `null`."""
        return np.minimum(1.0, 2.0 * np.minimum(self.p_greater(null), self.p_less(null)))

    def _tail(self, distance: Array, side: str, null: float) -> Array:
        from scipy import special

        safe = np.where(self.se > 0, self.se, 1.0)
        certain = np.where(distance < 0, 0.0, np.where(distance > 0, 1.0, 0.5))
        tail = np.where(self.se > 0, special.stdtr(self.df, distance / safe), certain)
        if self.departures is None:
            return tail
        exact = sparse.exact_p_greater if side == "greater" else sparse.exact_p_less
        return np.where(self.departures.sparse, exact(self.departures, null), tail)


@dataclass(frozen=True)
class Estimate:
    """A measured mean; all numbers are in the unit of the values (fractions, unless said otherwise).

    `low`, `high`: the primary interval at `level` (`method` names it). `bootstrap_low`, `bootstrap_high`:
    the plain percentile interval over `bootstrap_draws` resamples of problems and seeds, None when none
    were drawn. `p_value`: two-sided, against `null`. `mde`: the smallest effect that this run finds with
    80% power at `level`. `seed_df`: degrees of freedom of a seed variance that came from outside, None when
    the seeds' own was used.
    """

    value: float
    low: float
    high: float
    level: float
    se: float
    df: float
    null: float
    p_value: float
    n_problems: int
    n_seeds: int
    mde: float
    method: str
    notes: tuple[str, ...]
    bootstrap_low: float | None
    bootstrap_high: float | None
    bootstrap_draws: int
    components: VarianceComponents
    seed_df: float | None
    fit: Fit = field(repr=False, compare=False)

    def interval(self, level: float) -> tuple[float, float]:
        """The primary interval at another level."""
        low, high = self.fit.interval(level)
        return float(low), float(high)

    def p_greater(self, null: float) -> float:
        """One-sided p value for "the true value is greater than `null`"."""
        return float(self.fit.p_greater(null))

    def p_less(self, null: float) -> float:
        """One-sided p value for "the true value is less than `null`"."""
        return float(self.fit.p_less(null))

    def mde_at(self, alpha: float, power: float = 0.8) -> float:
        """The smallest effect found with this power by a two-sided test at level `alpha`."""
        return _detectable(self.fit, alpha, power)

    @property
    def sparse(self) -> bool:
        """Whether so few problems depart from a common value that the exact bounds are used."""
        return self.fit.sparse

    @property
    def half_width(self) -> float:
        """Half the length of the primary interval."""
        return (self.high - self.low) / 2.0

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON; infinite degrees of freedom become None."""
        return {
            "value": self.value, "low": self.low, "high": self.high, "level": self.level,
            "se": self.se, "df": self.df if math.isfinite(self.df) else None,
            "null": self.null, "p_value": self.p_value,
            "n_problems": self.n_problems, "n_seeds": self.n_seeds, "mde": self.mde,
            "method": self.method, "notes": list(self.notes),
            "bootstrap_low": self.bootstrap_low, "bootstrap_high": self.bootstrap_high,
            "bootstrap_draws": self.bootstrap_draws,
            "seed_sd": self.components.seed_sd,
            "problem_variance": self.components.problem, "error_variance": self.components.error,
        }  # fmt: skip


def fit(values: Array, bounds: tuple[float, float] = (-1.0, 1.0), seed_variance: SeedVariance | None = None) -> Fit:
    """Fit arrays of shape (..., S, P); infinite bounds switch the exact bounds for rare departures off."""
    squares = mean_squares(values)
    variance, df = variance_of_mean(squares, seed_variance)
    found = sparse.departures(values, bounds) if math.isfinite(bounds[0]) and math.isfinite(bounds[1]) else None
    return Fit(squares.grand, np.sqrt(variance), df, bounds, found)


def mean_estimate(
    values: object,
    level: float = 0.95,
    null: float = 0.0,
    *,
    bounds: tuple[float, float] = (-1.0, 1.0),
    bootstrap: int = 2000,
    seed: int = 0,
    seed_variance: SeedVariance | None = None,
) -> Estimate:
    """The mean of values (S, P) in `bounds`: (-1, 1) for gains, (0, 1) for accuracies and yields.

    Pairing happens before: a gain is the array of differences, problem by problem and seed by seed. With
    one seed the interval is conditional on it, unless `seed_variance` brings the seeds' variance from
    elsewhere. ValueError for a wrong shape, NaN, or a value outside the bounds.
    """
    array = as_values(values)
    if array.ndim != 2:
        raise ValueError(f"values must have shape (seeds, problems), not {array.shape}")
    if array.min() < bounds[0] - _ROUNDING or array.max() > bounds[1] + _ROUNDING:
        raise ValueError(f"values must lie in [{bounds[0]}, {bounds[1]}]: found {array.min()} to {array.max()}")
    fitted = fit(array, bounds, seed_variance)
    return _estimate(
        fitted, _Size.of(array, seed_variance), level, null,
        _method(fitted, array.shape[0], seed_variance), _notes(fitted, array, seed_variance),
        bootstrap_means(array, bootstrap, seed) if bootstrap else None,
    )  # fmt: skip


def linearised_estimate(
    value: float,
    influence: Array,
    level: float = 0.95,
    null: float = 0.0,
    *,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    seed_variance: SeedVariance | None = None,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """A smooth function of means, by the delta method: its value, and the influence of each (seed, problem).

    `influence` has shape (S, P) and mean 0; its mean's standard error is the estimate's. No bootstrap is
    drawn.
    """
    array = as_values(influence, "influence")
    squares = mean_squares(array)
    variance, df = variance_of_mean(squares, seed_variance)
    fitted = Fit(_scalar(value), np.sqrt(variance), df, bounds, None)
    extra = (ONE_SEED_NOTE,) if array.shape[0] == 1 and seed_variance is None else ()
    return _estimate(
        fitted, _Size.of(array, seed_variance), level, null, "delta method, two-way t", (*notes, *extra), None
    )


def bounded_estimate(
    value: float, half_width: float, level: float, n_problems: int, n_seeds: int, notes: tuple[str, ...]
) -> Estimate:
    """An estimate whose interval was bounded by other means: a normal one of this half width at `level`."""
    from scipy import special

    se = half_width / float(special.ndtri((1.0 + level) / 2.0))
    unbounded = (-math.inf, math.inf)
    fitted = Fit(_scalar(value), _scalar(se), _scalar(math.inf), unbounded, None)
    size = _Size(n_seeds, n_problems, VarianceComponents(None, se**2 * n_problems, None))
    return _estimate(fitted, size, level, 0.0, "bound", notes, None)


def independent_difference(
    first: Estimate, second: Estimate, level: float = 0.95, *, bounds: tuple[float, float] = (-1.0, 1.0)
) -> Estimate:
    """first - second, where the two share neither problems nor seeds: two domains, or two runs on other data.

    Squared standard errors a and b are added, with the degrees of freedom of Welch and Satterthwaite,
    ``(a + b)^2 / (a^2 / df_a + b^2 / df_b)`` (Satterthwaite 1946, *Biometrics Bulletin* 2, 110-114). Where an estimate
    rests on few departing problems its standard error is the one that the longer side of its exact interval stands for,
    so that the difference is never surer than its parts. `n_problems` and `n_seeds` are those of the smaller one.
    """
    errors = [_standard_error(estimate) for estimate in (first, second)]
    total = sum(error**2 for error, _ in errors)
    share = sum(error**4 / df for error, df in errors)
    df = total**2 / share if share > 0 else math.inf
    fitted = Fit(_scalar(first.value - second.value), _scalar(math.sqrt(total)), _scalar(df), bounds, None)
    problems, seeds = min(first.n_problems, second.n_problems), min(first.n_seeds, second.n_seeds)
    size = _Size(seeds, problems, VarianceComponents(None, total * problems, None))
    notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
    return _estimate(fitted, size, level, 0.0, "Welch's t over independent means", notes, None)


def _standard_error(estimate: Estimate) -> tuple[float, float]:
    """Standard error and degrees of freedom; those of a normal mean where the interval is an exact one."""
    from scipy import special

    if not estimate.sparse:
        return estimate.se, estimate.df
    side = max(estimate.high - estimate.value, estimate.value - estimate.low)
    return side / float(special.ndtri((1.0 + estimate.level) / 2.0)), math.inf


@dataclass(frozen=True)
class _Size:
    n_seeds: int
    n_problems: int
    parts: VarianceComponents
    seed_df: float | None = None

    @staticmethod
    def of(array: Array, seed_variance: SeedVariance | None) -> _Size:
        parts = components(mean_squares(array), seed_variance)
        return _Size(array.shape[0], array.shape[1], parts, None if seed_variance is None else seed_variance.df)


def _scalar(value: float) -> Array:
    return np.asarray(value, dtype=np.float64)


def _estimate(
    fitted: Fit,
    size: _Size,
    level: float,
    null: float,
    method: str,
    notes: tuple[str, ...],
    means: Array | None,
) -> Estimate:
    low, high = fitted.interval(level)
    resampled = percentile_interval(means, level) if means is not None else (None, None)
    return Estimate(
        float(fitted.value), float(low), float(high), level, float(fitted.se), float(fitted.df),
        null, float(fitted.p_value(null)), size.n_problems, size.n_seeds,
        _detectable(fitted, 1.0 - level, 0.8), method, notes,
        resampled[0], resampled[1], 0 if means is None else len(means),
        size.parts, size.seed_df, fitted,
    )  # fmt: skip


def _detectable(fitted: Fit, alpha: float, power: float) -> float:
    if fitted.departures is not None and fitted.sparse:
        return sparse.detectable(fitted.departures, alpha, power)
    return detectable_effect(float(fitted.se), float(fitted.df), alpha, power)


def _method(fitted: Fit, n_seeds: int, seed_variance: SeedVariance | None) -> str:
    if fitted.sparse:
        return "exact bounds for rare departures"
    if seed_variance is not None:
        return f"two-way t, seed variance {seed_variance.source}"
    return "two-way t over seeds and problems" if n_seeds > 1 else "t over problems, given one seed"


def _notes(fitted: Fit, array: Array, seed_variance: SeedVariance | None) -> tuple[str, ...]:
    notes = []
    if array.shape[0] == 1 and seed_variance is None:
        notes.append(ONE_SEED_NOTE)
    if array.shape[0] == 2 and seed_variance is None:
        notes.append("two training seeds: the interval is wider than it need be when seeds agree")
    found = fitted.departures
    if found is not None and fitted.sparse:
        notes.append(
            f"{int(found.total)} of {found.n_problems} problems differ from the common value "
            f"{float(found.common):g}: exact bounds replace the t interval"
        )
    elif found is not None and int(found.total) < 4 * sparse.MOST_DEPARTURES:
        notes.append(f"only {int(found.total)} of {found.n_problems} problems differ: see the exact test beside it")
    return tuple(notes)
