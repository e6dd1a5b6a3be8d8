"""`piretry plan --power`: what each test of each claim could see with the planned seeds and problems, before any run.

The variances are assumptions, stated with the table; after a run every claim carries its own smallest visible effect.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from piretry.claims.model import (
    Claim,
    EquivalenceTest,
    Quantity,
    RatioTest,
    SignTest,
    Test,
    TrendTest,
    ValueTest,
    quantities,
)
from piretry.grid.domain import domain
from piretry.grid.project import Project
from piretry.stats.power import accuracy_components, assumed_components, design, problems_needed, seeds_needed
from piretry.stats.variance import VarianceComponents

# One sample of 500 problems near 45% flips on about a quarter of them between two trained states; the seed-to-seed SD
# of published three-seed evaluations has a mean of 0.9 pp; half of a problem's variance is taken to be its own.
FLIP_RATE = 0.25
SEED_SD = 0.009
BETWEEN_SEEDS = 0.5


@dataclass(frozen=True)
class PowerRow:
    """One test: smallest effect seen with 80% power at the family's strictest level, and what the published one needs.

    Effects are in `unit`. `published` is None where the sources give no figure for this comparison.
    """

    claim: str
    test: str
    unit: str
    seeds: int
    problems: int
    alpha: float
    smallest: float
    published: float | None
    seeds_needed: int | None
    problems_needed: int | None

    @property
    def enough(self) -> bool | None:
        """Whether the plan can see the published effect; None when there is none."""
        return None if self.published is None else self.smallest <= abs(self.published)


@dataclass(frozen=True)
class PowerTable:
    """The rows of every claim that has tests at this scale's reading."""

    scale: str
    rows: tuple[PowerRow, ...]

    def plain(self) -> dict[str, object]:
        """The table as JSON-ready values, with its assumptions."""
        assumed = {"flip_rate": FLIP_RATE, "seed_sd_pp": 100 * SEED_SD, "between_seeds": BETWEEN_SEEDS, "power": 0.8}
        return {"scale": self.scale, "assumptions": assumed, "rows": [asdict(row) for row in self.rows]}

    def text(self) -> str:
        """The table for people."""
        lines = [
            f"Scale {self.scale}: the smallest effect that each test sees with 80% power, at its family's strictest",
            f"level (assumed: {FLIP_RATE:.0%} of problems flip between two states, seed SD {100 * SEED_SD:.1f} pp)",
            "",
            f"  {'claim':<22}{'test':<14}{'seeds x problems':<18}{'sees':>9}{'published':>11}  to see the published",
        ]
        for row in self.rows:
            published = "–" if row.published is None else f"{row.published:+.1f}"
            size = f"{row.seeds} x {row.problems}"
            lines.append(f"  {row.claim:<22}{row.test:<14}{size:<18}{row.smallest:>9.1f}{published:>11}  {_need(row)}")
        return "\n".join(lines)


def power_table(project: Project) -> PowerTable:
    """What the planned run can see, test by test."""
    rows = []
    known = _published(project)
    for claim in project.claims.claims:
        tests = claim.tests_for(project.scale.reading)
        family = [member for member in project.claims.family_of(claim) if not member.not_run]
        alpha = (1 - project.config.statistics.level) / max(len(family), 1)
        rows += [row for test in tests for row in _rows(project, claim, test, alpha, known)]
    return PowerTable(project.scale.name, tuple(rows))


def _rows(project: Project, claim: Claim, test: Test, alpha: float, known: dict[str, float]) -> list[PowerRow]:
    measured = quantities(test)
    if isinstance(test, TrendTest) or not measured or measured[0].measure in ("diversity", "disagreement"):
        return []  # these depend on how many completions succeed; a count has no power
    seeds = len(project.common_seeds(*(quantity.series for quantity in measured)))
    is_yield = measured[0].measure == "yield"
    world = domain(project.scale, measured[0].series.partition("/")[0])
    problems = world.train_problems if is_yield else world.eval_problems
    factor, unit = (1000.0, "per 1,000") if is_yield else (100.0, "pp")
    parts = _components(project, measured[0])
    published = _effect(test, known)
    plan = design(parts, seeds, problems)
    smallest = plan.margin(alpha) if isinstance(test, EquivalenceTest) else plan.detectable(alpha)
    effect = None if published is None else abs(published) / factor
    return [
        PowerRow(
            claim=claim.id,
            test=test.test,
            unit=unit,
            seeds=seeds,
            problems=problems,
            alpha=alpha,
            smallest=smallest * factor,
            published=published,
            seeds_needed=seeds_needed(effect, parts, problems, alpha) if effect else None,
            problems_needed=problems_needed(effect, parts, max(seeds, 3), alpha) if effect else None,
        )
    ]


def _components(project: Project, quantity: Quantity) -> VarianceComponents:
    if quantity.measure == "yield":
        accuracy = project.scale.throughput.first_attempt_accuracy.get(quantity.series.partition("/")[0], 0.5)
        return accuracy_components(accuracy * (1 - accuracy), SEED_SD, 1, BETWEEN_SEEDS)
    samples = project.scale.evaluation.samples if project.scale.evaluation.primary == "sampled" else 1
    return assumed_components(FLIP_RATE, 0.0, SEED_SD, samples, BETWEEN_SEEDS)


def _published(project: Project) -> dict[str, float]:
    """Published figures of single quantities, from the value tests of all claims; the first one of each counts."""
    known: dict[str, float] = {}
    for claim in project.claims.claims:
        for test in claim.tests:
            if isinstance(test, ValueTest):
                known.setdefault(test.of.label, test.published)
    return known


def _effect(test: Test, known: dict[str, float]) -> float | None:
    """The effect that the sources claim, where their figures give one; for an equivalence its margin."""
    if isinstance(test, ValueTest):
        return test.published
    if isinstance(test, EquivalenceTest):
        return test.margin
    if isinstance(test, SignTest):
        first, second = test.greater.label, test.smaller.label
    elif isinstance(test, RatioTest):
        first, second = test.numerator.label, test.denominator.label
    else:
        return None
    return known[first] - known[second] if first in known and second in known else None


def _need(row: PowerRow) -> str:
    if row.published is None:
        return "the sources give no figure"
    if row.enough:
        return "this plan is enough"
    options = []
    if row.seeds_needed is not None:
        options.append(f"{row.seeds_needed} seeds")
    if row.problems_needed is not None:
        options.append(f"{row.problems_needed:,} problems")
    return " or ".join(options) or "more than 50 seeds or a million problems"
