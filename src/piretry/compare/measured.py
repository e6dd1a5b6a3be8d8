"""The number that a claim states, measured again from the tables of a run, and the difference of two such numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pydantic

from piretry.claims.judging import UNITS, Judge
from piretry.claims.measure import Array, Tables
from piretry.claims.model import (
    AboveTest,
    Claim,
    CountTest,
    EquivalenceTest,
    Quantity,
    RatioTest,
    SignTest,
    TrendTest,
    ValueTest,
)
from piretry.claims.quantify import Options, base_of
from piretry.claims.rules import SignEvidence
from piretry.compare.model import LEVEL, Part
from piretry.compare.pairs import pair_seeds
from piretry.compare.runs import Run
from piretry.errors import PiretryError
from piretry.grid import paths
from piretry.stats.estimate import Estimate, independent_difference, mean_estimate
from piretry.stats.variance import assumed_seed_variance

_BESIDE = ": see the exact test beside it"  # which stands beside a claim's own numbers, not here
_LEARNED = ("gain", "accuracy")  # measures whose seed variance is that of a trained model's accuracy


@dataclass(frozen=True)
class Number:
    """One number that a claim states: a quantity, a difference of two, the slope of a trend, or a count (`exact`)."""

    label: str
    quantities: tuple[Quantity, ...] = ()
    trend: TrendTest | None = None
    exact: bool = False


@dataclass(frozen=True)
class Measured:
    """A number measured in one run: its estimate in fractions, and where it is a mean its array (seeds, problems)."""

    number: Number
    estimate: Estimate
    values: Array | None
    seeds: tuple[int, ...]
    bounds: tuple[float, float]
    unit: str
    factor: float
    trained: int


@dataclass(frozen=True)
class Side:
    """A claim of one run with its judge."""

    run: Run
    claim: Claim
    reading: str
    judge: Judge

    @classmethod
    def of(cls, run: Run, name: str) -> Side:
        """Rebuild the judge of claim `name` from its record; PiretryError when the record does not allow it."""
        record = run.records.get(paths.CLAIM.format(claim=name))
        if record is None:
            raise PiretryError(f"claim {name} of {run.root} has no provenance record that can be read.")
        settings = record.settings
        try:
            claim = Claim.model_validate(settings["claim"])
            options = Options(LEVEL, 0, settings["statistics"]["seed"], settings["primary"])
            tables = Tables(settings["files"], lambda path: run.root / path)
            judge = Judge(tables, options, settings["reading"], settings["declared_train_problems"])
            return cls(run, claim, settings["reading"], judge)
        except (KeyError, TypeError, ValueError, pydantic.ValidationError) as error:
            first = str(error).splitlines()[0]
            raise PiretryError(
                f"the settings of claim {name} in {run.root} are of another version ({first})."
            ) from error

    def files(self, number: Number) -> list[str]:
        """The files that `number` is measured on, relative to the results folder."""
        if number.trend is not None:
            test, tables = number.trend, self.judge.tables
            kinds = ("retries", "repeats")
            return [
                tables.relative(f"{kind} {test.series}/s{seed} {test.prompt}")
                for seed in tables.seeds(test.series)
                for kind in kinds
            ]
        return sorted(
            {
                file
                for quantity in number.quantities
                for file in self.judge.quantities.files(quantity, self.judge.tables.seeds(quantity.series))
            }
        )


def statistics(side: Side) -> list[Number]:
    """The numbers that the claim states: of its published value where it has one, else of its first test.

    A ratio is compared as its two gains, an equivalence as all pairs.
    """
    stated = next((test for test in side.claim.tests if isinstance(test, ValueTest)), None)
    tests = [stated] if stated is not None else side.claim.tests_for(side.reading)
    if not tests:
        return []
    match tests[0]:
        case ValueTest() | AboveTest() as test:
            return [_single(test.of)]
        case SignTest() as test:
            return [_two(test.greater, test.smaller)]
        case RatioTest() as test:
            return [_single(test.numerator), _single(test.denominator)]
        case EquivalenceTest() as test:
            return [_two(first, second) for first, second in combinations(test.of, 2)]
        case TrendTest() as test:
            return [Number(f"trend of {test.series} {test.prompt} k{test.k}", trend=test)]
        case CountTest() as test:
            return [Number(test.of.replace("_", " "), exact=True)]
    raise AssertionError("unreachable")


def _single(quantity: Quantity) -> Number:
    return Number(_label(quantity), (quantity,))


def _two(first: Quantity, second: Quantity) -> Number:
    return Number(f"{_label(first)} − {_label(second)}", (first, second))


def _label(quantity: Quantity) -> str:
    """The quantity's label with all that it takes to be the same number in two runs."""
    return quantity.label if quantity.size is None else f"{quantity.label} among {quantity.size}"


def number_of(side: Side, number: Number) -> Measured:
    """Measure `number` in the run of `side`; PiretryError for a table that is missing or damaged."""
    missing = [file for file in side.files(number) if not (side.run.root / file).exists()]
    if missing:
        raise PiretryError(f"{side.run.root / missing[0]} is not there.")
    if number.trend is not None:
        tested = side.judge.evidence(number.trend)
        assert isinstance(tested.evidence, SignEvidence)
        seeds = side.judge.tables.seeds(number.trend.series)
        unit = tested.evidence.unit
        return Measured(number, tested.evidence.estimate, None, seeds, _UNBOUNDED, unit.name, unit.factor, 0)
    quantities = side.judge.quantities
    first = quantities.get(number.quantities[0])
    trained = sum(_is_trained(quantity) for quantity in number.quantities)
    unit = UNITS[first.quantity.measure]
    if len(number.quantities) == 1:
        values = None if first.quantity.measure == "diversity" else first.values
        return Measured(
            number, first.estimate, values, first.seeds, first.bounds, unit.name, unit.factor, trained
        )  # fmt: skip
    name = "pp" if unit.name == "%" else unit.name
    estimate, seeds, values = quantities.difference(*number.quantities)
    if first.quantity.measure == "diversity":
        return Measured(number, estimate, None, seeds, (-1.0, 1.0), name, unit.factor, trained)
    crossed = first.quantity.measure == "gain" and len({base_of(q.series) for q in number.quantities}) == 2
    bounds = (-2.0, 2.0) if crossed else (-1.0, 1.0)
    return Measured(number, estimate, values, seeds, bounds, name, unit.factor, trained)


_UNBOUNDED = (-float("inf"), float("inf"))


def _is_trained(quantity: Quantity) -> bool:
    """Whether the quantity's seeds are training runs: then one seed says nothing about the others."""
    return quantity.measure in _LEARNED and quantity.series != base_of(quantity.series)


def difference(a: Measured, b: Measured, same_problems: bool) -> tuple[Part, bool]:
    """B - A, and whether it was paired by problem.

    Paired: the mean of b[s, p] - a[s, p] over paired seeds and all problems, with the two-way variance of
    `mean_estimate`. Otherwise Welch's difference of the two estimates. A single training seed has no variance of its
    own: the assumed one of published three-seed evaluations stands in for it.
    """
    pairs = pair_seeds(a.seeds, b.seeds)
    width = a.bounds[1] - a.bounds[0]
    bounds = (-width, width)
    paired = same_problems and a.values is not None and b.values is not None and bool(pairs)
    if paired:
        assert a.values is not None and b.values is not None
        rows = [[m.seeds.index(pair[side]) for pair in pairs] for side, m in enumerate((a, b))]
        found = _mean(b.values[rows[1]] - a.values[rows[0]], bounds, len(pairs), a.trained + b.trained)
    else:
        pairs = ()
        found = independent_difference(_alone(b), _alone(a), LEVEL, bounds=bounds)
    unit = "pp" if a.unit == "%" else a.unit
    left_out = _left_out(a, b, pairs) if paired else ()
    part = Part(
        label=a.number.label,
        unit=unit,
        a=a.estimate.value * a.factor,
        b=b.estimate.value * b.factor,
        difference=found.value * a.factor,
        low=found.low * a.factor,
        high=found.high * a.factor,
        p=found.p_value,
        n_problems=found.n_problems,
        seeds=pairs,
        method=found.method,
        notes=(*(note.removesuffix(_BESIDE) for note in found.notes), *left_out),
    )
    return part, paired


def _mean(values: Array, bounds: tuple[float, float], n_seeds: int, trained: int) -> Estimate:
    assumed = assumed_seed_variance().times(trained) if n_seeds == 1 and trained else None
    return mean_estimate(values, LEVEL, bounds=bounds, bootstrap=0, seed_variance=assumed)


def _alone(measured: Measured) -> Estimate:
    """The estimate of one run for an unpaired difference: with a seed variance also where it has one seed."""
    if measured.values is None or len(measured.seeds) > 1 or not measured.trained:
        return measured.estimate
    return _mean(measured.values, measured.bounds, 1, measured.trained)


def _left_out(a: Measured, b: Measured, pairs: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    notes = []
    for name, side, measured in (("A", 0, a), ("B", 1, b)):
        alone = sorted(set(measured.seeds) - {pair[side] for pair in pairs})
        if alone:
            notes.append(f"run {name} has no partner for seed {', '.join(map(str, alone))}: left out of the difference")
    return tuple(notes)
