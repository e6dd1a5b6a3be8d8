"""A project: config.yaml, one scale and the claims, validated against each other, and what they need to be made.

Everything the workflow declares is derived here: which cells, which retries up to which K, which seeds of which base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from piretry.claims.model import Claim, ClaimsFile, TrendTest, Variant, claim_series, quantities
from piretry.errors import PiretryError, nearest
from piretry.grid.available import mark_not_run, notice, runnable, unavailable_roles
from piretry.grid.names import DISTILLED, PROVER, ROLES, Arm, State
from piretry.settings.config import Config
from piretry.settings.load import load, read_yaml, validate
from piretry.settings.scale import Scale
from piretry.settings.site import SiteSettings
from piretry.sources import read as published_figures
from piretry.sources.model import Published

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True)
class RetryDemand:
    """One file of retries: after the failed attempts of `series`, with `prompt`, written by role `writer`."""

    series: str
    prompt: str
    writer: str


@dataclass(frozen=True)
class Project:
    """The validated configuration of one run and the folder that its relative paths start from.

    `unavailable` says of each role that cannot be run why; the cells of such roles are left out of the grid, and in
    `claims` what is claimed of them is `not run`.
    """

    home: Path
    config: Config
    scale: Scale
    claims: ClaimsFile
    site: SiteSettings | None
    unavailable: dict[str, str]

    @property
    def results(self) -> Path:
        """The results folder of this scale, relative to the working directory when the configuration says so."""
        return Path(self.config.results) / self.scale.name

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the scale that can be run."""
        return tuple(str(role) for role in self.scale.roles if role not in self.unavailable)

    @property
    def notice(self) -> str | None:
        """One line on what of the scale cannot be run here, and how to mend it; None when all of it can."""
        return notice(self.scale, self.unavailable, self.claims)

    @cached_property
    def arms(self) -> dict[Arm, tuple[int, ...]]:
        """Every arm of the grid and of the scale's variants with its seeds, in the order of the files."""
        found: dict[Arm, tuple[int, ...]] = {}
        for group in (*self.config.grid, *self.scale.variants):
            for arm in group.arms():
                if not runnable(arm, self.unavailable, self.config.teachers):
                    continue
                seeds = (*found.get(arm, ()), *self.config.seeds[group.seeds])
                found[arm] = tuple(dict.fromkeys(seeds))
        return found

    def variants(self, claim: Claim) -> list[Variant]:
        """The other readings of `claim` that this scale has cells for."""
        return [v for v in claim.variants if State.of(v.of.series, 0).arm in self.arms]

    @cached_property
    def published(self) -> Published | None:
        """What the sources publish, from the file beside the claims; None where there is no such file."""
        path = (self.home / self.config.claims).with_name(published_figures.FILE)
        return published_figures.read_published(path) if path.exists() else None

    @cached_property
    def cells(self) -> list[State]:
        """Every cell of the grid: arms at each of their seeds."""
        return [State(arm.role, seed, arm) for arm, seeds in self.arms.items() for seed in seeds]

    def seeds(self, series: str) -> tuple[int, ...]:
        """The seeds at which `series` (an arm, or `ROLE/base`) is run."""
        state = State.of(series, 0)
        if state.arm is not None:
            if state.arm not in self.arms:
                raise PiretryError(
                    f"The cell {series} is not in the grid of {CONFIG_FILE}."
                    f"{nearest(series, [arm.name for arm in self.arms])}"
                )
            return self.arms[state.arm]
        pools = [seeds for arm, seeds in self.arms.items() if arm.role == state.role] or list(self.arms.values())
        return tuple(dict.fromkeys(seed for seeds in pools for seed in seeds))

    def common_seeds(self, *series: str) -> tuple[int, ...]:
        """The seeds that all of `series` have, in the order of the first."""
        return tuple(s for s in self.seeds(series[0]) if all(s in self.seeds(other) for other in series[1:]))

    def retry_demand(self, arm: Arm) -> RetryDemand:
        """The retries file that an arm of method retry or cross learns from."""
        source = State(arm.role, 0, arm.before()).series
        return RetryDemand(source, arm.prompt, self.config.teachers[arm.role] if arm.method == "cross" else arm.role)

    @cached_property
    def k_max(self) -> dict[RetryDemand, int]:
        """Every retries file of the grid and the claims, with the largest K that anything asks of it."""
        demands: dict[RetryDemand, int] = {}

        def ask(demand: RetryDemand, k: int) -> None:
            demands[demand] = max(k, demands.get(demand, 0))

        for arm in self.arms:
            if arm.method in ("retry", "cross"):
                ask(self.retry_demand(arm), arm.k)
            elif arm.method != DISTILLED and self.scale.selection[arm.method].match_examples_to == "retry":  # type: ignore[index]
                ask(RetryDemand(State(arm.role, 0, arm.before()).series, "bare", arm.role), arm.k)
        for claim in self.claims.claims:
            for test in claim.tests_for(self.scale.reading):
                for quantity in quantities(test):
                    if quantity.measure == "yield":
                        role = quantity.series.partition("/")[0]
                        ask(RetryDemand(quantity.series, str(quantity.prompt), role), quantity.k or 0)
                if isinstance(test, TrendTest):
                    ask(RetryDemand(test.series, test.prompt, test.series.partition("/")[0]), test.k)
        return demands

    def retry_jobs(self, series: str) -> list[tuple[str, tuple[str, ...]]]:
        """The jobs that make the retries of `series`: writer and prompts of each, as the scale shares them or not."""
        by_writer: dict[str, list[str]] = {}
        for demand in self.k_max:
            if demand.series == series:
                by_writer.setdefault(demand.writer, []).append(demand.prompt)
        if self.scale.share_engine_start:
            return [(writer, tuple(prompts)) for writer, prompts in by_writer.items()]
        return [(writer, (prompt,)) for writer, prompts in by_writer.items() for prompt in prompts]

    @cached_property
    def skeleton_max(self) -> dict[str, int]:
        """Series whose failed theorems are tried again with the sub-goals shown, and the largest K asked of it."""
        demands: dict[str, int] = {}
        for arm in self.arms:
            if arm.method == "skeleton_sft":
                source = State(arm.role, 0, arm.before()).series
                demands[source] = max(arm.k, demands.get(source, 0))
        return demands

    @cached_property
    def resample_max(self) -> dict[str, tuple[int, int]]:
        """Series whose problems get fresh attempts: the largest K asked for all problems, and for failed ones."""
        demands: dict[str, tuple[int, int]] = {}
        for arm in self.arms:
            if arm.method in ("rejection", "resample"):
                source = State(arm.role, 0, arm.before()).series
                everywhere, failed = demands.get(source, (0, 0))
                everywhere = max(everywhere, arm.k) if arm.method == "rejection" else everywhere
                demands[source] = (everywhere, max(failed, everywhere, arm.k))
        return demands


def load_project(home: Path, overrides: Mapping[str, Any] | None = None) -> Project:
    """Load config.yaml of folder `home`, the scale and the claims it names, and check them against each other.

    Args:
        home: the folder that holds config.yaml, scales/ and report/.
        overrides: keys that replace those of config.yaml, e.g. ``{"scale": "paper"}`` (Snakemake's merged config).
    """
    source = home / CONFIG_FILE
    merged = {**read_yaml(source), **(overrides or {})}
    config = validate(Config, merged, str(source))
    scales = sorted(path.stem for path in (home / "scales").glob("*.yaml"))
    if config.scale not in scales:
        raise PiretryError(f"{source}: scale {config.scale!r} has no file in scales/.{nearest(config.scale, scales)}")
    scale = load(Scale, home / "scales" / f"{config.scale}.yaml")
    if scale.name != config.scale:
        raise PiretryError(
            f"scales/{config.scale}.yaml calls itself {scale.name!r}: its key 'name' must be {config.scale!r}, because "
            "results are kept under that name."
        )
    site_file = home / config.site
    site = load(SiteSettings, site_file) if site_file.exists() else None
    declared = load(ClaimsFile, home / config.claims)
    unavailable = unavailable_roles(scale)
    claims = mark_not_run(declared, unavailable, config.teachers)
    project = Project(home, config, scale, claims, site, unavailable)
    _check(project, source)
    return project


def _check(project: Project, source: Path) -> None:
    roles, tunings = list(project.scale.roles), list(project.scale.training.tunings)
    scale_file = f"scales/{project.scale.name}.yaml"
    groups = [(f"{source}: grid.{number}", group) for number, group in enumerate(project.config.grid)]
    groups += [(f"{scale_file}: variants.{number}", group) for number, group in enumerate(project.scale.variants)]
    for where, group in groups:
        if group.seeds not in project.config.seeds:
            raise PiretryError(
                f"{where}.seeds: {group.seeds!r} is not defined under seeds of {source}."
                f"{nearest(group.seeds, project.config.seeds)}"
            )
        for role in group.roles:
            if role not in ROLES:
                raise PiretryError(f"{where}.roles: {role!r} is not a role of {scale_file}.{nearest(role, roles)}")
        for tuning in group.tunings if set(group.roles) & set(roles) else ():
            if tuning not in tunings:
                raise PiretryError(
                    f"{where}.tunings: {tuning!r} is not defined under training.tunings of {scale_file}."
                    f"{nearest(tuning, tunings)}"
                )
        try:
            arms = group.arms()
        except PiretryError as error:
            raise PiretryError(f"{where}: {error}") from None
        for arm in arms:
            if arm.method == DISTILLED and runnable(arm, project.unavailable, {}):
                gpus = project.scale.asks("distill", arm.role, arm.tuning).gpus
                if gpus > 1:
                    raise PiretryError(
                        f"{where}: {arm.name} runs in one process, because its student samples between the steps: set "
                        f"gpus: 1 for it (resources.distill of {scale_file})."
                    )
            if arm.method == "cross" and arm.role not in project.config.teachers:
                raise PiretryError(f"{where}: {arm.name} needs a teacher: add {arm.role!r} under 'teachers'.")
    for student, teacher in project.config.teachers.items():
        for role in (student, teacher):
            if role not in ROLES:
                raise PiretryError(
                    f"{source}: teachers.{student}: {role!r} is not a role of {scale_file}.{nearest(role, roles)}"
                )
        if student == teacher:
            raise PiretryError(f"{source}: teachers.{student}: a role cannot be its own teacher; method retry is that.")
    for tuning, settings in project.scale.training.tunings.items():
        for role in settings.learning_rate_by_role:
            if role not in roles:
                raise PiretryError(
                    f"{scale_file}: training.tunings.{tuning}.learning_rate_by_role.{role}: not a role of this scale."
                    f"{nearest(role, roles)}"
                )
    if PROVER in {*project.config.teachers, *project.config.teachers.values()}:
        raise PiretryError(
            f"{source}: teachers: a prover neither teaches a model of mathematics nor learns from one: leave it out."
        )
    known = [arm.name for arm in project.arms] + [f"{role}/base" for role in project.roles]
    for claim in project.claims.claims:
        _known_series(project, f"claim {claim.id!r}", claim_series(claim), known)
    for control in project.claims.controls:
        _known_series(project, f"control {control.id!r}", [control.series], known)
        if len(project.seeds(control.series)) < 2:
            raise PiretryError(
                f"{project.config.claims}: control {control.id!r} compares two seeds of {control.series}, which has "
                f"only one. Give it a second seed in {CONFIG_FILE}."
            )


def _known_series(project: Project, owner: str, series: list[str], known: list[str]) -> None:
    for name in series:
        if name not in known:
            raise PiretryError(
                f"{project.config.claims}: {owner} names the cell {name}, which is not in the grid of {CONFIG_FILE}."
                f"{nearest(name, known)} Add the cell to the grid, or mend the claim."
            )
