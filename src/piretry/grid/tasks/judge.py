"""Tasks that read what was made: verdicts on claims, tables, the count of tokens, the report."""

from __future__ import annotations

from importlib import resources
from typing import Any

from piretry.claims.model import Claim, Control, CountTest, Quantity, TrendTest, quantities
from piretry.errors import PiretryError, nearest
from piretry.grid import paths
from piretry.grid.domain import STAGES
from piretry.grid.names import DISTILLED, State
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.sources.read import to_settings


def judge(project: Project, name: str) -> Task:
    """The verdict on one claim (or negative control), with the family that shares its correction."""
    outputs = {"claim": paths.CLAIM.format(claim=name)}
    common: dict[str, Any] = {
        "scale": project.scale.name,
        "reading": project.scale.reading,
        "primary": project.scale.evaluation.primary,
        "statistics": project.config.statistics.plain(),
        "declared_train_problems": project.scale.data.train_problems,
        "target": str(project.results / paths.CLAIM.format(claim=name)),
        "tables": [table for table, members in project.claims.tables.items() if name in members],
    }
    modules = (f"{STAGES}.judge",)
    control = next((c for c in project.claims.controls if c.id == name), None)
    if control is not None:
        files = _control_files(project, control)
        settings = {**common, "control": control.plain(), "files": files}
        return Task("judge", name, _inputs(files), outputs, settings, modules)
    if name not in project.claims.ids:
        raise PiretryError(f"No claim is called {name!r}.{nearest(name, project.claims.ids)}")
    claim = project.claims.claim(name)
    # A claim that is not run has no numbers, so that the correction over its family is not needed either.
    family = [] if claim.not_run else [m for m in project.claims.family_of(claim) if not m.not_run]
    files = {key: value for member in family for key, value in _claim_files(project, member).items()}
    variants = project.variants(claim)
    for variant in variants:
        files |= _quantity_files(project, variant.of, project.seeds(variant.of.series))
    settings = {
        **common,
        "claim": {**claim.plain(), "variants": [variant.plain() for variant in variants]},
        "family": [member.plain() for member in family],
        "files": files,
    }
    return Task("judge", name, _inputs(files), outputs, settings, modules)


def table(project: Project, name: str) -> Task:
    """One table of the report as CSV."""
    if name not in project.claims.tables:
        raise PiretryError(f"No table is called {name!r}.{nearest(name, project.claims.tables)}")
    members = project.claims.tables[name]
    inputs = {member: paths.CLAIM.format(claim=member) for member in members}
    outputs = {"table": paths.TABLE.format(table=name)}
    return Task("table", name, inputs, outputs, {"members": members}, (f"{STAGES}.table",))


def cost(project: Project, target: str) -> Task:
    """Generated tokens of all cells together, and what each would have generated alone."""
    cells = {cell.name: _parts_alone(project, cell) for cell in project.cells}
    files = sorted({path for parts in cells.values() for part in parts for path in part["files"].values()})
    inputs = {path: path for path in files}
    return Task("cost", target, inputs, {"cost": paths.COST}, {"cells": cells}, (f"{STAGES}.cost",))


def report(project: Project, target: str) -> Task:
    """The report: every claim, every table, the overlap and the scale's description."""
    judged = [*project.claims.ids, *(control.id for control in project.claims.controls)]
    inputs = {f"claim:{name}": paths.CLAIM.format(claim=name) for name in judged}
    inputs |= {f"table:{name}": paths.TABLE.format(table=name) for name in project.claims.tables}
    inputs |= {"overlap": paths.OVERLAP, "cost": paths.COST}
    settings = {
        "scale": project.scale.plain(),
        "source": project.claims.source,
        "published": to_settings(project.published) if project.published is not None else None,
        "claims": [claim.plain() for claim in project.claims.claims],
        "controls": [control.id for control in project.claims.controls],
        "tables": project.claims.tables,
        "statistics": project.config.statistics.plain(),
        "results": project.results.as_posix(),
    }
    # The page is made by its templates as much as by its code; the grader's traps are graded for it.
    templates = sorted(entry.name for entry in resources.files("piretry.report").joinpath("templates").iterdir())
    modules = (
        f"{STAGES}.report",
        *(f"piretry/report/templates/{name}" for name in templates),
        "piretry/verifiers/traps.jsonl",
    )
    return Task("report", target, inputs, {"page": paths.REPORT}, settings, modules)


def evidence(project: Project, name: str) -> dict[str, str]:
    """The files that a claim (with its other readings) or a control is measured on, without those of its family."""
    control = next((c for c in project.claims.controls if c.id == name), None)
    if control is not None:
        return _control_files(project, control)
    claim = project.claims.claim(name)
    files = _claim_files(project, claim)
    for variant in project.variants(claim):
        files |= _quantity_files(project, variant.of, project.seeds(variant.of.series))
    return files


def _parts_alone(project: Project, cell: State) -> list[dict[str, Any]]:
    """The completions that a cell and its earlier rounds need when nothing is shared, as (files, largest K) parts."""
    parts: list[dict[str, Any]] = []
    state: State | None = cell
    while state is not None and state.arm is not None:
        arm, source = state.arm, state.sampled_from()
        if arm.method == DISTILLED:  # its rollouts are part of the training
            state = source
            continue
        attempts = paths.ATTEMPTS.format(state=source.name)
        parts.append({"kind": "attempts", "files": {"attempts": attempts}})
        if arm.method in ("retry", "cross"):
            demand = project.retry_demand(arm)
            retries = paths.retries(source, demand.prompt, demand.writer)
            parts.append({"kind": "retries", "k": arm.k, "files": {"retries": retries}})
        else:
            fresh = paths.SKELETONS if arm.method == "skeleton_sft" else paths.RESAMPLES
            resamples = fresh.format(state=source.name)
            kind = "resamples" if arm.method == "rejection" else "resamples of failed problems"
            parts.append({"kind": kind, "k": arm.k, "files": {"resamples": resamples, "attempts": attempts}})
        state = source
    for evaluated in (cell, State(cell.role, cell.seed)):
        parts.append({"kind": "evaluation", "files": {"eval": paths.EVALUATION.format(state=evaluated.name)}})
    return parts


def _quantity_files(project: Project, quantity: Quantity, seeds: tuple[int, ...]) -> dict[str, str]:
    """Files of one quantity, keyed by what the judge looks them up with."""
    files = {}
    for seed in seeds:
        state = State.of(quantity.series, seed)
        if quantity.measure == "yield":
            files[f"attempts {state.name}"] = paths.ATTEMPTS.format(state=state.name)
            files[f"retries {state.name} {quantity.prompt}"] = paths.RETRIES.format(
                state=state.name, prompt=quantity.prompt
            )
        else:
            files[f"eval {state.name}"] = paths.EVALUATION.format(state=state.name)
        if quantity.measure == "gain":
            base = State(state.role, seed)
            files[f"eval {base.name}"] = paths.EVALUATION.format(state=base.name)
    return files


def _claim_files(project: Project, claim: Claim) -> dict[str, str]:
    files: dict[str, str] = {}
    for test in claim.tests_for(project.scale.reading):
        for quantity in quantities(test):
            files |= _quantity_files(project, quantity, project.seeds(quantity.series))
        if isinstance(test, TrendTest):
            for seed in project.seeds(test.series):
                name = State.of(test.series, seed).name
                files[f"retries {name} {test.prompt}"] = paths.RETRIES.format(state=name, prompt=test.prompt)
                files[f"repeats {name} {test.prompt}"] = paths.REPEATS.format(state=name, prompt=test.prompt)
        if isinstance(test, CountTest):
            files["overlap"] = paths.OVERLAP
    return files


def _control_files(project: Project, control: Control) -> dict[str, str]:
    names = [State.of(control.series, seed).name for seed in project.seeds(control.series)]
    return {f"eval {name}": paths.EVALUATION.format(state=name) for name in names}


def _inputs(files: dict[str, str]) -> dict[str, str]:
    """Files as named inputs; the name is the path itself, which is unique and readable in a record."""
    return {path: path for path in files.values()}
