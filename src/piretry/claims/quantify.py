"""Quantities of a claim measured: arrays, estimates, and everything that the report shows beside a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from piretry.claims.measure import Array, Tables
from piretry.claims.model import Quantity
from piretry.errors import PiretryError
from piretry.grid.names import State
from piretry.stats.decomposition import Decomposition, decomposition
from piretry.stats.estimate import Estimate, independent_difference, mean_estimate
from piretry.stats.mcnemar import mcnemar

# unit, factor from fractions to the unit, bounds of one problem's value
MEASURES: dict[str, tuple[str, float, tuple[float, float]]] = {
    "gain": ("pp", 100.0, (-1.0, 1.0)),
    "accuracy": ("%", 100.0, (0.0, 1.0)),
    "yield": ("per 1,000", 1000.0, (0.0, 1.0)),
    "diversity": ("%", 100.0, (0.0, 1.0)),
    "disagreement": ("%", 100.0, (0.0, 1.0)),
}
OTHER_DECODING = {"sampled": "greedy", "greedy": "sampled"}


@dataclass(frozen=True)
class Options:
    """The statistics settings and the primary decoding."""

    level: float
    bootstrap: int
    seed: int
    primary: str

    def estimate(self, values: Array, bounds: tuple[float, float]) -> Estimate:
        """The mean of an array of shape (seeds, problems)."""
        return mean_estimate(values, self.level, bounds=bounds, bootstrap=self.bootstrap, seed=self.seed)


@dataclass(frozen=True)
class Measured:
    """A quantity with its array (seeds, problems) and estimate, in fractions; `factor` turns them into `unit`."""

    quantity: Quantity
    seeds: tuple[int, ...]
    values: Array
    estimate: Estimate
    unit: str
    factor: float
    bounds: tuple[float, float]

    def at(self, seeds: Sequence[int]) -> Array:
        """The rows of these seeds."""
        return self.values[[self.seeds.index(seed) for seed in seeds]]


@dataclass
class Quantities:
    """Measures each quantity once."""

    tables: Tables
    options: Options
    _done: dict[str, Measured] = field(default_factory=dict)

    def get(self, quantity: Quantity) -> Measured:
        """The quantity, measured at every seed that its files have."""
        if quantity.label not in self._done:
            seeds = self.tables.seeds(quantity.series)
            unit, factor, bounds = MEASURES[quantity.measure]
            values = self.array(quantity, seeds, self.options.primary)
            estimate = self.options.estimate(values, bounds)
            self._done[quantity.label] = Measured(quantity, seeds, values, estimate, unit, factor, bounds)
        return self._done[quantity.label]

    def array(self, quantity: Quantity, seeds: Sequence[int], decoding: str) -> Array:
        """What each problem contributes, shape (seeds, problems), in fractions."""
        if quantity.measure == "yield":
            assert quantity.prompt is not None and quantity.k is not None
            return self.tables.yields(quantity.series, seeds, quantity.prompt, quantity.k)
        if quantity.measure == "disagreement":
            return self.tables.disagreement(quantity.series, seeds, "sampled")
        if quantity.measure == "diversity":
            return self._diversity(quantity, seeds)
        after = self.tables.accuracy(quantity.series, seeds, decoding)
        if quantity.measure == "accuracy":
            return after
        return after - self.tables.accuracy(base_of(quantity.series), seeds, decoding)

    def _diversity(self, quantity: Quantity, seeds: Sequence[int]) -> Array:
        assert quantity.size is not None
        values = self.tables.diversity(quantity.series, seeds, quantity.size)
        if values.shape[1] < 2:
            raise PiretryError(
                f"{quantity.series}: only {values.shape[1]} held-out problems have {quantity.size} correct samples at "
                "every seed, too few to measure diversity. Raise evaluation.samples in the scale file."
            )
        return values

    def difference(self, first: Quantity, second: Quantity) -> tuple[Estimate, tuple[int, ...], Array]:
        """first - second, paired by problem and by the seeds that both have; domains differ in both."""
        one, two = self.get(first), self.get(second)
        if first.measure == "diversity":
            # Which problems have enough correct samples differs between states, and between domains all of them do.
            return independent_difference(one.estimate, two.estimate, self.options.level), one.seeds, one.values
        seeds = tuple(seed for seed in one.seeds if seed in two.seeds)
        if not seeds:
            raise PiretryError(
                f"{first.label} and {second.label} have no seed in common: give them one in config.yaml."
            )
        values = one.at(seeds) - two.at(seeds)
        if first.measure == "gain" and base_of(first.series) != base_of(second.series):
            # Each gain lies in [-1, 1] and they share no base, so that a difference can reach 2.
            return self.options.estimate(values, (-2.0, 2.0)), seeds, values
        return self.options.estimate(values, (-1.0, 1.0)), seeds, values

    def describe(self, quantity: Quantity) -> dict[str, Any]:
        """The quantity as it stands in a claim's result file."""
        measured = self.get(quantity)
        described = {
            **estimate_numbers(measured.estimate, measured.factor),
            "label": quantity.label,
            "measure": quantity.measure,
            "series": quantity.series,
            "unit": measured.unit,
            "seeds": list(measured.seeds),
            "per_seed": [float(mean) * measured.factor for mean in measured.values.mean(axis=1)],
            "files": self.files(quantity, measured.seeds),
            "greedy": None,
            "mcnemar": None,
            "decomposition": None,
            "before": None,
            "after": None,
        }
        if quantity.measure in ("gain", "accuracy"):
            described |= self._decodings(quantity, measured)
        if quantity.measure == "gain":
            described |= self._gain_details(quantity, measured)
        if quantity.measure == "disagreement":
            described["opinions"] = self._opinions(quantity, measured.seeds)
        return described

    def files(self, quantity: Quantity, seeds: Sequence[int]) -> list[str]:
        """The files that the quantity was measured on."""
        names = [State.of(quantity.series, seed).name for seed in seeds]
        if quantity.measure == "yield":
            keys = [key for name in names for key in (f"attempts {name}", f"retries {name} {quantity.prompt}")]
        else:
            keys = [f"eval {name}" for name in names]
            if quantity.measure == "gain":
                keys += [f"eval {State.of(base_of(quantity.series), seed).name}" for seed in seeds]
        return [self.tables.relative(key) for key in keys]

    def _opinions(self, quantity: Quantity, seeds: Sequence[int]) -> dict[str, Any]:
        """The second opinion (for proofs, the heuristic verifier) against the verdict: counts and rates of error."""
        found = self.tables.opinions(quantity.series, seeds)
        counts = ("both", "heuristic_only", "checker_only", "neither", "decided", "undecided")
        rates = ("agreement", "false_accept_rate", "false_reject_rate", "precision", "kappa")
        return {**{name: getattr(found, name) for name in (*counts, *rates)}, "rows": found.rows()}

    def _decodings(self, quantity: Quantity, measured: Measured) -> dict[str, Any]:
        other = OTHER_DECODING[self.options.primary]
        values = self.array(quantity, measured.seeds, other)
        estimate = mean_estimate(values, self.options.level, bounds=measured.bounds, bootstrap=0)
        return {"greedy" if other == "greedy" else "sampled": numbers(estimate, measured.factor)}

    def _gain_details(self, quantity: Quantity, measured: Measured) -> dict[str, Any]:
        tables, seeds, base = self.tables, measured.seeds, base_of(quantity.series)
        exact = mcnemar(tables.accuracy(base, seeds, "greedy"), tables.accuracy(quantity.series, seeds, "greedy"))
        primary = self.options.primary
        before, after = (
            tables.verdicts(base, seeds, primary),
            tables.verdicts(quantity.series, seeds, primary),
        )
        return {
            "before": 100 * float(np.mean(before == "correct")),
            "after": 100 * float(np.mean(after == "correct")),
            "mcnemar": [
                {"seed": seed, "gained": table.won, "lost": table.lost, "p_value": table.p_value}
                for seed, table in zip(seeds, exact.per_seed, strict=True)
            ],
            "mcnemar_combined": {
                "gained": exact.problems_up,
                "lost": exact.problems_down,
                "p_value": exact.p_combined,
            },
            "decomposition": _parts(decomposition(before, after, self.options.level)),
        }


def base_of(series: str) -> str:
    """The untrained base of a series' role."""
    return f"{series.partition('/')[0]}/base"


def numbers(estimate: Estimate, factor: float) -> dict[str, float]:
    """Value and interval in the quantity's unit."""
    return {"value": estimate.value * factor, "low": estimate.low * factor, "high": estimate.high * factor}


def estimate_numbers(estimate: Estimate, factor: float) -> dict[str, Any]:
    """Everything of an estimate that a result file keeps, in the quantity's unit."""
    plain = estimate.as_dict()
    scaled = ("value", "low", "high", "se", "mde", "bootstrap_low", "bootstrap_high", "seed_sd")
    result: dict[str, Any] = {key: _scaled(plain[key], factor) for key in scaled}
    kept = ("level", "df", "p_value", "n_problems", "n_seeds", "method", "notes", "bootstrap_draws")
    return {**result, **{key: plain[key] for key in kept}}


def _scaled(value: Any, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _parts(found: Decomposition) -> dict[str, Any]:
    parts: Mapping[str, Any] = {
        name: {"arrived": 100 * part.arrived, "left": 100 * part.left, "net": numbers(part.net, 100.0)}
        for name, part in ((part.kind, part) for part in found.parts)
    }
    return {
        "parts": dict(parts),
        "answering": numbers(found.answering, 100.0),
        "answers": numbers(found.answers, 100.0),
        "sentence": found.sentence,
        "wrong->correct": 100 * found.part("wrong").arrived,
        "no_answer->correct": 100 * found.part("no_answer").arrived,
        "correct->wrong": -100 * found.part("wrong").left,
        "correct->no_answer": -100 * found.part("no_answer").left,
        "format_pp": 100 * found.answering.value,
        "reasoning_pp": 100 * found.answers.value,
    }
