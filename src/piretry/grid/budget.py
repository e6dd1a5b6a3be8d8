"""The budget: whether a plan stays within so many GPU-hours, and what can be dropped so that it does.

Every alternative is a grid of its own whose hours are computed anew: what is shared with the rest is not saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from piretry.claims.model import ClaimsFile, TrendTest, quantities
from piretry.errors import PiretryError
from piretry.grid.hours import Hours
from piretry.grid.ledger import Ledger
from piretry.grid.names import Arm
from piretry.grid.project import Project
from piretry.report.numbers import listed
from piretry.settings.grid import GridGroup

SHOWN = 3  # stages and claims named in a refusal
NAMED = 6  # claims named where they would be lost; more are counted
LEAST_SAVED = 0.01  # share of the hours below which dropping something is not worth a line


@dataclass(frozen=True)
class Change:
    """One way to a smaller grid: how many seeds of each set stay, and which cells and roles go."""

    says: str
    seeds: int | None = None
    role: str | None = None
    dimension: str | None = None
    value: object = None
    variants: bool = False

    def drops(self, project: Project, arm: Arm) -> bool:
        """Whether `arm` is not in the grid any more."""
        if self.role is not None and self.role in (arm.role, _teacher(project, arm)):
            return True
        if self.dimension == "round":
            return arm.round >= int(str(self.value))
        return self.dimension is not None and getattr(arm, self.dimension) == self.value


@dataclass(frozen=True)
class Alternative:
    """What a change (or several) leaves: its hours, and the claims and controls that can then not be judged."""

    says: tuple[str, ...]
    hours: Hours
    lost: tuple[str, ...]

    def text(self, named: int | None = NAMED) -> str:
        """One line; more than `named` lost claims are counted (None: never)."""
        whole = named is None or len(self.lost) <= named
        names = ", ".join(self.lost) if whole else f"{len(self.lost)} claims and controls"
        lost = f"; not judged then: {names}" if self.lost else ""
        return f"{', '.join(self.says)}: {self.hours.gpu:,.1f} GPU-hours{lost}"

    def plain(self) -> dict[str, object]:
        """JSON-ready values."""
        return {"drop": list(self.says), **self.hours.plain(), "claims_lost": list(self.lost)}


@dataclass(frozen=True)
class Verdict:
    """A plan against a budget of GPU-hours."""

    ledger: Ledger
    budget: float

    @property
    def exceeded(self) -> bool:
        """Whether the estimate is above the budget."""
        return self.ledger.total.gpu > self.budget

    @cached_property
    def alternatives(self) -> tuple[Alternative, ...]:
        """What dropping one thing leaves: what costs the fewest claims first, then what saves most."""
        found = [reduced(self.ledger.project, [change]) for change in changes(self.ledger.project)]
        least = self.ledger.total.gpu * (1 - LEAST_SAVED)
        return tuple(
            sorted((one for one in found if one.hours.gpu < least), key=lambda one: (len(one.lost), one.hours.gpu))
        )

    @cached_property
    def within(self) -> Alternative | None:
        """A combination of changes that is within the budget: each time the one that saves most of what is still too
        much for each claim that it costs; then without those that turned out not to be needed. None when there is none.
        """
        project, chosen, left = self.ledger.project, list[Change](), changes(self.ledger.project)
        now = reduced(project, [])
        while now.hours.gpu > self.budget:
            options = [(reduced(project, [*chosen, change]), change) for change in left]
            options = [option for option in options if option[0].hours.gpu < now.hours.gpu]
            if not options:
                return None
            now, change = max(options, key=lambda option: self._worth(now, option[0]))
            chosen.append(change)
            left = [other for other in left if other is not change]
        for change in list(chosen):
            fewer = [other for other in chosen if other is not change]
            if reduced(project, fewer).hours.gpu <= self.budget:
                chosen = fewer
        return reduced(project, chosen)

    def _worth(self, now: Alternative, option: Alternative) -> tuple[float, float]:
        """Hours saved of those that are too many, for each claim that is lost besides; of equals the fewest hours."""
        saved = min(now.hours.gpu - option.hours.gpu, now.hours.gpu - self.budget)
        return saved / (len(option.lost) - len(now.lost) + 0.5), -option.hours.gpu

    def text(self) -> str:
        """What could be dropped and what that leaves; or that the plan is within the budget."""
        ledger = self.ledger
        if not self.exceeded:
            return f"Within the budget: {ledger.total.gpu:,.1f} of {self.budget:,.1f} GPU-hours."
        single = [one for one in self.alternatives if one.hours.gpu <= self.budget]
        lines = [f"Over the budget: {ledger.total.gpu:,.1f} of {self.budget:,.1f} GPU-hours.", ""]
        lines += ["What dropping one thing leaves, the least loss first:"]
        lines += [f"  {'*' if one in single else ' '} {one.text()}" for one in self.alternatives]
        if single:
            return "\n".join([*lines, "", "  * is within the budget."])
        together = self.within
        if together is None:
            claim, hours = self._cheapest()
            rest = f"The cheapest claim that needs a GPU is {claim}: {hours.gpu:,.1f} GPU-hours from nothing."
            return "\n".join([*lines, "", f"No grid of this configuration is within the budget. {rest}"])
        return "\n".join([*lines, "", "Together within the budget:", f"  * without {together.text(None)}"])

    def reason(self) -> str:
        """The refusal in one sentence or two."""
        ledger, total = self.ledger, self.ledger.total.gpu
        stages = sorted(ledger.stages.items(), key=lambda entry: -entry[1].hours.gpu)[:SHOWN]
        claims = sorted(ledger.portions[0].items(), key=lambda entry: -entry[1].share.gpu)[:SHOWN]
        return (
            f"The plan of scale {ledger.project.scale.name!r} needs {total:,.1f} GPU-hours, more than the budget of "
            f"{self.budget:,.1f}. Most is in {listed(f'{name} ({one.hours.gpu:,.1f} h)' for name, one in stages)}; by "
            f"claim, in {listed(f'{name} ({one.share.gpu:,.1f} h)' for name, one in claims)}."
        )

    def plain(self) -> dict[str, object]:
        """JSON-ready values."""
        together = self.within if self.exceeded else None
        return {
            "gpu_hours": self.budget,
            "exceeded": self.exceeded,
            "alternatives": [one.plain() for one in self.alternatives] if self.exceeded else [],
            "within": together.plain() if together else None,
        }

    def _cheapest(self) -> tuple[str, Hours]:
        found = [(name, one.nothing) for name, one in self.ledger.portions[0].items() if one.nothing.gpu]
        return min(found, key=lambda entry: entry[1].gpu)


def require_budget(ledger: Ledger) -> None:
    """Raise PiretryError when the jobs of `ledger` need more GPU-hours than `budget_gpu_hours` of config.yaml."""
    budget = ledger.project.config.budget_gpu_hours
    if budget is None:
        return
    verdict = Verdict(ledger, budget)
    if verdict.exceeded:
        raise PiretryError(
            f"{verdict.reason()} Raise or clear budget_gpu_hours in config.yaml, or run less: `piretry plan --budget "
            f"{budget:g}` says what to drop."
        )


def changes(project: Project) -> list[Change]:
    """The ways to a smaller grid: fewer seeds, no variants, or without one value of any dimension."""
    found = []
    most = max(len(seeds) for seeds in project.config.seeds.values())
    for kept in range(1, most):
        found.append(Change(f"{most - kept} of {most} seeds", seeds=kept))
    if project.scale.variants:
        found.append(Change(f"the variants of scales/{project.scale.name}.yaml", variants=True))
    arms = list(project.arms)
    roles = list(project.scale.roles)
    found += [Change(f"role {role}", role=role) for role in roles if len(roles) > 1]
    for dimension, says in (("method", "method"), ("tuning", "tuning"), ("k", "K ="), ("prompt", "prompt")):
        values = list(dict.fromkeys(getattr(arm, dimension) for arm in arms if getattr(arm, dimension) != "none"))
        if len(values) > 1:
            found += [Change(f"{says} {value}", dimension=dimension, value=value) for value in values]
    rounds = max(arm.round for arm in arms)
    found += [
        Change(f"round {first}" if first == rounds else f"rounds {first} to {rounds}", dimension="round", value=first)
        for first in range(2, rounds + 1)
    ]
    return found


def reduced(project: Project, chosen: Iterable[Change]) -> Alternative:
    """What is left of `project` after the `chosen` changes."""
    changed, says = list(chosen), []
    seeds = {name: list(values) for name, values in project.config.seeds.items()}
    kept = [one.seeds for one in changed if one.seeds is not None]
    if kept:
        seeds = {name: values[: min(kept)] for name, values in seeds.items()}
    says = [one.says for one in changed]
    variants = any(one.variants for one in changed)
    groups = []
    for group in (*project.config.grid, *(() if variants else project.scale.variants)):
        for arm in group.arms():
            if not any(one.drops(project, arm) for one in changed):
                groups.append(_alone(arm, group.seeds))
    gone = {one.role for one in changed if one.role is not None}
    scale = project.scale.model_copy(
        update={
            "roles": {role: value for role, value in project.scale.roles.items() if role not in gone},
            "variants": [],
        }
    )
    config = project.config.model_copy(update={"grid": groups, "seeds": seeds})
    smaller = replace(project, config=config, scale=scale)
    claims, lost = _judged(smaller)
    smaller = replace(smaller, claims=claims)
    return Alternative(tuple(says), Ledger.of(smaller).total if groups else Hours(), lost)


def _judged(project: Project) -> tuple[ClaimsFile, tuple[str, ...]]:
    """The claims file without what `project` cannot judge, and the names of that."""
    claims = project.claims
    known = {arm.name for arm in project.arms} | {f"{role}/base" for role in project.scale.roles}
    lost = []
    for claim in claims.claims:
        series = [q.series for test in claim.tests for q in quantities(test)]
        series += [test.series for test in claim.tests if isinstance(test, TrendTest)]
        if not known.issuperset(series):
            lost.append(claim.id)
    for control in claims.controls:
        if control.series not in known or len(project.seeds(control.series)) < 2:
            lost.append(control.id)
    update = {
        "claims": [claim for claim in claims.claims if claim.id not in lost],
        "controls": [control for control in claims.controls if control.id not in lost],
        "tables": {name: [m for m in members if m not in lost] for name, members in claims.tables.items()},
    }
    return claims.model_copy(update=update), tuple(lost)


def _alone(arm: Arm, seeds: str) -> GridGroup:
    """A block of the grid with one cell of one round and no others."""
    return GridGroup.model_construct(
        roles=[arm.role], methods=[arm.method], tunings=[arm.tuning], k=[arm.k], prompts=[arm.prompt], rounds=arm.round,
        seeds=seeds,
    )  # fmt: skip


def _teacher(project: Project, arm: Arm) -> str | None:
    return project.config.teachers.get(arm.role) if arm.method == "cross" else None
