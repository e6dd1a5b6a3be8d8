"""The ratio of two mean gains, with Fieller's set: every ratio that the data do not reject.

The ratio r is tested through the mean of ``numerator - r * denominator`` with the variance rule of
:mod:`piretry.stats.variance`; the set of r that are not rejected at the level is the answer. Where the
denominator's own interval covers 0 that set is not an interval: it is the whole line, or two rays that meet
at infinity (E. C. Fieller, Journal of the Royal Statistical Society B 16, 1954). It is kept as it is, in
`pieces`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from piretry.stats.bootstrap import bootstrap_means, percentile_interval
from piretry.stats.estimate import ONE_SEED_NOTE, fit
from piretry.stats.variance import Array, MeanSquares, SeedVariance, as_values, mean_squares, variance_of_mean

_ANGLES = 720
_HALVINGS = 60
_HUGE = 1e200  # stands for infinity in quantiles, which cannot interpolate to it


@dataclass(frozen=True)
class _Contrasts:
    """Mean squares of ``c * numerator - s * denominator`` for any c and s, from three two-way tables."""

    numerator: MeanSquares
    denominator: MeanSquares
    crossed: MeanSquares
    seed_variance: SeedVariance | None

    def at(self, c: Array, s: Array) -> tuple[Array, Array, Array]:
        """Mean, standard error and degrees of freedom of each contrast."""

        def combine(name: str) -> Array:
            n, d, x = (getattr(part, name) for part in (self.numerator, self.denominator, self.crossed))
            return np.maximum(c * c * n - 2.0 * c * s * x + s * s * d, 0.0)

        mean = c * self.numerator.grand - s * self.denominator.grand
        size = (self.numerator.n_seeds, self.numerator.n_problems)
        squares = MeanSquares(mean, combine("seeds"), combine("problems"), combine("errors"), *size)
        # each gain brings its own training seed: the seeds' variances of the two add up
        variance, df = variance_of_mean(squares, self.seed_variance, seed_scale=c * c + s * s)
        return mean, np.sqrt(variance), df


@dataclass(frozen=True)
class RatioEstimate:
    """A ratio of means with Fieller's set at `level`.

    `value` is None when the denominator's mean is 0. `kind`: "interval" (bounded), "rays" (unbounded, with
    a gap), "line" (no ratio is rejected) or "pieces" (anything else). `pieces` are the parts of the set in
    order; `low` and `high` their ends, infinite unless `kind` is "interval". `bootstrap_low`,
    `bootstrap_high`: percentile interval of the resampled ratios, which is misleading when the denominator
    is near 0.
    """

    value: float | None
    low: float
    high: float
    level: float
    kind: str
    pieces: tuple[tuple[float, float], ...]
    numerator: float
    denominator: float
    n_problems: int
    n_seeds: int
    bootstrap_low: float | None
    bootstrap_high: float | None
    bootstrap_draws: int
    notes: tuple[str, ...]
    usable: bool
    contrasts: _Contrasts = field(repr=False, compare=False)

    def inside(self, low: float, high: float) -> bool:
        """Whether every ratio of the set lies in [low, high]."""
        return all(low <= a and b <= high for a, b in self.pieces)

    def outside(self, low: float, high: float) -> bool:
        """Whether no ratio of the set lies in [low, high]."""
        return all(b < low or a > high for a, b in self.pieces)

    def covers(self, ratio: float) -> bool:
        """Whether the set holds this ratio."""
        return any(a <= ratio <= b for a, b in self.pieces)

    def p_greater(self, ratio: float) -> float:
        """One-sided p value for "numerator > ratio * denominator"."""
        return self._tail(ratio, -1.0)

    def p_less(self, ratio: float) -> float:
        """One-sided p value for "numerator < ratio * denominator"."""
        return self._tail(ratio, 1.0)

    def _tail(self, ratio: float, sign: float) -> float:
        from scipy import special

        if not self.usable:
            return 1.0
        mean, se, df = self.contrasts.at(np.asarray(1.0), np.asarray(ratio))
        if se == 0:
            return 0.0 if sign * mean < 0 else 1.0
        return float(special.stdtr(df, sign * mean / se))

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON: infinite ends become None (`kind` says what that means)."""
        return {
            "value": self.value, "low": _finite(self.low), "high": _finite(self.high), "level": self.level,
            "kind": self.kind, "pieces": [[_finite(a), _finite(b)] for a, b in self.pieces],
            "numerator": self.numerator, "denominator": self.denominator,
            "n_problems": self.n_problems, "n_seeds": self.n_seeds,
            "bootstrap_low": _finite(self.bootstrap_low), "bootstrap_high": _finite(self.bootstrap_high),
            "bootstrap_draws": self.bootstrap_draws, "notes": list(self.notes),
        }  # fmt: skip


def ratio_estimate(
    numerator: object,
    denominator: object,
    level: float = 0.95,
    *,
    bounds: tuple[float, float] = (-1.0, 1.0),
    bootstrap: int = 2000,
    seed: int = 0,
    seed_variance: SeedVariance | None = None,
) -> RatioEstimate:
    """mean(numerator) / mean(denominator) for paired arrays of one shape (S, P) with values in `bounds`.

    `seed_variance` is that of one gain; the two gains' seeds are taken as independent. ValueError when the
    shapes differ.
    """
    top, bottom = as_values(numerator, "numerator"), as_values(denominator, "denominator")
    if top.shape != bottom.shape or top.ndim != 2:
        raise ValueError(f"numerator and denominator must have one shape (S, P): {top.shape}, {bottom.shape}")
    tops, bottoms = mean_squares(top), mean_squares(bottom)
    contrasts = _Contrasts(tops, bottoms, _cross(top, bottom), seed_variance)
    notes = [ONE_SEED_NOTE] if top.shape[0] == 1 and seed_variance is None else []
    n_mean, d_mean = float(tops.grand), float(bottoms.grand)
    usable = not _rarely_departs_from_zero(bottom, level, bounds)
    if not usable:
        notes.append("the denominator departs from 0 on so few problems that no ratio can be excluded")
        pieces: tuple[tuple[float, float], ...] = ((-math.inf, math.inf),)
    else:
        pieces = _pieces(contrasts, n_mean, d_mean, level)
    kind = _kind(pieces)
    if usable and kind != "interval":
        notes.append("the denominator's gain is not distinguishable from 0: the ratio is unbounded")
    resampled: tuple[float | None, float | None] = (None, None)
    if bootstrap:
        means = bootstrap_means(np.stack([top, bottom]), bootstrap, seed)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = means[:, 0] / means[:, 1]
        ratios = ratios[~np.isnan(ratios)]
        resampled = _percentiles(ratios, level) if len(ratios) else (None, None)
    return RatioEstimate(
        n_mean / d_mean if d_mean else None,
        min(a for a, _ in pieces), max(b for _, b in pieces), level, kind, pieces,
        n_mean, d_mean, top.shape[1], top.shape[0],
        resampled[0], resampled[1], bootstrap, tuple(notes), usable, contrasts,
    )  # fmt: skip


def _rarely_departs_from_zero(denominator: Array, level: float, bounds: tuple[float, float]) -> bool:
    fitted = fit(denominator, bounds)
    low, high = fitted.interval(level)
    return fitted.sparse and bool(low <= 0 <= high)


def _cross(first: Array, second: Array) -> MeanSquares:
    """Mean cross products: a quarter of the mean squares of the sum minus those of the difference."""
    plus, minus = mean_squares(first + second), mean_squares(first - second)

    def quarter(name: str) -> Array:
        return (getattr(plus, name) - getattr(minus, name)) / 4.0

    return MeanSquares(
        plus.grand, quarter("seeds"), quarter("problems"), quarter("errors"), plus.n_seeds, plus.n_problems
    )


def _pieces(contrasts: _Contrasts, top: float, bottom: float, level: float) -> tuple[tuple[float, float], ...]:
    """Fieller's set, found on the circle of angles, ``r = scale * tan(angle)``, where infinity is a point."""
    from scipy import special

    one, none = np.asarray(1.0), np.asarray(0.0)
    top_se, bottom_se = float(contrasts.at(one, none)[1]), float(contrasts.at(none, one)[1])
    if bottom_se == 0 and bottom == 0:
        return ((-math.inf, math.inf),)
    scale = top_se / bottom_se if top_se > 0 and bottom_se > 0 else max(abs(top), 1e-12) / max(abs(bottom), 1e-12)

    def rejected(angle: Array) -> Array:
        mean, se, df = contrasts.at(np.cos(angle), scale * np.sin(angle))
        return np.abs(mean) > special.stdtrit(df, (1.0 + level) / 2.0) * se + 1e-15

    estimate = math.atan2(top, scale * bottom) % math.pi
    grid = np.unique(np.append((np.arange(_ANGLES) + 0.5) * math.pi / _ANGLES, estimate))
    state = rejected(grid)
    if not state.any():
        return ((-math.inf, math.inf),)
    following = np.append(grid[1:], grid[0] + math.pi)
    changes = np.flatnonzero(state != np.roll(state, -1))
    left, right = grid[changes].copy(), following[changes].copy()
    for _ in range(_HALVINGS):
        middle = (left + right) / 2.0
        same = rejected(middle) == state[changes]
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    if len(changes) == 0:  # every angle rejected but the estimate's own: no spread at all
        return ((top / bottom, top / bottom),) if bottom else ((-math.inf, math.inf),)
    opens = [float(edge) for edge, index in zip(right, changes, strict=True) if state[index]]
    closes = [float(edge) for edge, index in zip(left, changes, strict=True) if not state[index]]
    return tuple(sorted(_arcs(opens, closes, scale)))


def _arcs(opens: list[float], closes: list[float], scale: float) -> list[tuple[float, float]]:
    """Arcs of angles as intervals of ratios; an arc through pi/2 passes infinity and becomes two rays."""
    pieces = []
    for start in opens:
        end = min((close if close >= start else close + math.pi) for close in closes)
        crossing = math.pi / 2 if start < math.pi / 2 else 3 * math.pi / 2
        low, high = scale * math.tan(start), scale * math.tan(end)
        if start < crossing < end:
            pieces += [(-math.inf, high), (low, math.inf)]
        else:
            pieces.append((low, high))
    return pieces


def _kind(pieces: tuple[tuple[float, float], ...]) -> str:
    if pieces == ((-math.inf, math.inf),):
        return "line"
    if len(pieces) == 1 and math.isfinite(pieces[0][0]) and math.isfinite(pieces[0][1]):
        return "interval"
    if len(pieces) == 2 and math.isinf(pieces[0][0]) and math.isinf(pieces[1][1]):
        return "rays"
    return "pieces"


def _percentiles(ratios: Array, level: float) -> tuple[float | None, float | None]:
    ends = percentile_interval(np.clip(ratios, -_HUGE, _HUGE), level)
    low, high = (None if abs(end) > _HUGE / 1e6 else end for end in ends)
    return low, high


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
