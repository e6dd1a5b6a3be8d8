"""Simulated verdicts with known truth: what benchmarks/coverage.py and tests/stats draw their data from.

A problem has a difficulty theta ~ N(0, problem_sd) on the logit scale. The base answers it right with
probability expit(theta + m0). A trained cell adds its own level m1, an effect of its training seed and a
deviation for each problem and seed: expit(theta + m1 + seed[s] + deviation[s, p]). The levels are solved so
that the mean accuracies are exactly `base` and `base + gain`, and the seed effect so that the accuracy over
infinitely many problems has standard deviation `seed_sd` between seeds. Verdicts are then Bernoulli draws:

- kind "greedy": one verdict a problem; the base is evaluated once and shared by all seeds (greedy text is
the same); - kind "mean4": the mean of four samples a problem, the base sampled anew for each seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_DEVIATION_SD = 0.5


@dataclass(frozen=True)
class Design:
    """A simulated comparison; accuracies, gains and `seed_sd` are fractions, `problem_sd` is in logits."""

    kind: str = "greedy"
    problem_sd: float = 3.0
    n_problems: int = 500
    n_seeds: int = 3
    seed_sd: float = 0.0
    base: float = 0.4

    def but(self, **changes) -> Design:
        """The design with some fields changed."""
        return replace(self, **changes)


def accuracy(level, spread):
    """Mean of expit(level + N(0, spread)), by Gauss-Hermite quadrature; `level` may be an array."""
    level = np.asarray(level, dtype=float)
    return (special.expit(level[..., None] + spread * _NODES) * _WEIGHTS).sum(-1)


def accuracy_spread(design: Design) -> float:
    """Standard deviation over problems of the base's chance of a right answer."""
    level, _ = _base_level(design.base, design.problem_sd)
    chances = special.expit(level + design.problem_sd * _NODES)
    return float(np.sqrt((chances**2 * _WEIGHTS).sum() - (chances * _WEIGHTS).sum() ** 2))


def draw(rng: np.random.Generator, replicates: int, design: Design, gains: list[float]):
    """Scores of the base and of one cell a gain, and each cell's gain given its seeds.

    Returns (base, cells, conditional): base and cells of shape (R, S, P), conditional gains of shape (R,
    S).
    """
    size = (replicates, design.n_seeds, design.n_problems)
    theta = rng.normal(0.0, design.problem_sd, (replicates, 1, design.n_problems))
    level, _ = _base_level(design.base, design.problem_sd)
    base_chance = special.expit(theta + level)
    if design.kind == "greedy":
        base = np.broadcast_to((rng.random(base_chance.shape) < base_chance).astype(float), size)
    else:
        base = rng.binomial(4, np.broadcast_to(base_chance, size)) / 4.0
    cells, conditional = [], []
    for gain in gains:
        cell_level, seed_logit_sd = _cell_level(design.base + gain, design.problem_sd, design.seed_sd)
        effect = rng.normal(0.0, seed_logit_sd, size[:2]) if seed_logit_sd > 0 else np.zeros(size[:2])
        chance = theta + (cell_level + effect)[..., None] + rng.normal(0.0, _DEVIATION_SD, size)
        special.expit(chance, out=chance)
        cells.append(
            (rng.random(size) < chance).astype(float) if design.kind == "greedy" else rng.binomial(4, chance) / 4.0
        )
        conditional.append(accuracy(cell_level + effect, np.hypot(design.problem_sd, _DEVIATION_SD)) - design.base)
    return base, cells, conditional


@lru_cache
def _base_level(target: float, spread: float) -> tuple[float, float]:
    return _solve(lambda level: accuracy(level, spread) - target, -30.0, 30.0), spread


@lru_cache
def _cell_level(target: float, problem_sd: float, seed_sd: float) -> tuple[float, float]:
    """Level and SD of the seed effect, both in logits, that give this accuracy and this SD between seeds."""
    within = float(np.hypot(problem_sd, _DEVIATION_SD))
    effect = 0.0
    level = _solve(lambda m: accuracy(m, within) - target, -30.0, 30.0)
    if seed_sd == 0:
        return level, 0.0
    for _ in range(15):

        def excess(sd: float, level: float = level) -> float:
            by_seed = accuracy(level + sd * _NODES, within)
            mean = (by_seed * _WEIGHTS).sum()
            return float(np.sqrt(((by_seed - mean) ** 2 * _WEIGHTS).sum()) - seed_sd)

        effect = _solve(excess, 0.0, 5.0)
        level = _solve(lambda m, sd=effect: accuracy(m, np.hypot(within, sd)) - target, -30.0, 30.0)
    return level, effect


def _solve(rising, low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2.0
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
