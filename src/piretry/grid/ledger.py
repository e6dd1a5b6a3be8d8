"""The jobs of a grid with their estimates: what depends on what, what each stage and each claim takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from piretry.grid import paths
from piretry.grid.estimates import Estimate, RetryK, estimate, tuning
from piretry.grid.hours import Hours, Portion, portions
from piretry.grid.names import State
from piretry.grid.project import Project, RetryDemand
from piretry.grid.task import Task
from piretry.grid.tasks import all_tasks, evidence
from piretry.settings.compute import PublishedPart

STAGE_ORDER = (
    *("fetch", "prepare", "overlap", "theorems", "pretrain", "attempt", "resample", "retry", "repeat", "skeleton"),
    *("select", "train", "distill", "evaluate", "gather", "judge", "table", "cost", "report"),
)


@dataclass(frozen=True)
class StageTotal:
    """The jobs of a stage (and role and tuning): how many, seconds one after another, hours, tokens."""

    jobs: int
    seconds: float
    hours: Hours
    tokens: float


@dataclass(frozen=True)
class Ledger:
    """Every job of a project's grid, named by its first output, with its estimate."""

    project: Project
    jobs: dict[str, Task]
    estimates: dict[str, Estimate]

    @classmethod
    def of(cls, project: Project, tasks: Iterable[Task] | None = None) -> Ledger:
        """The ledger of `tasks`, or of the whole grid; PiretryError when the throughput table lacks a role."""
        jobs = {job_name(task): task for task in (all_tasks(project) if tasks is None else tasks)}
        return cls(
            project,
            jobs,
            {name: estimate(project.scale, task, retry_k(project)) for name, task in jobs.items()},
        )

    @cached_property
    def makers(self) -> dict[str, str]:
        """Path -> the job that makes it."""
        return {path: name for name, task in self.jobs.items() for path in task.outputs.values()}

    @cached_property
    def before(self) -> dict[str, tuple[str, ...]]:
        """Job -> the jobs whose outputs it reads."""
        return {
            name: tuple(dict.fromkeys(self.makers[path] for path in task.inputs.values() if path in self.makers))
            for name, task in self.jobs.items()
        }

    def closure(self, files: Iterable[str]) -> set[str]:
        """The jobs that make `files` from nothing."""
        found: set[str] = set()
        waiting = [self.makers[path] for path in files]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self.before[name])
        return found

    def hours(self, jobs: Iterable[str]) -> Hours:
        """Hours of `jobs` together."""
        return Hours.sum(self.estimates[name].hours for name in jobs)

    @cached_property
    def total(self) -> Hours:
        """Hours of all jobs."""
        return self.hours(self.jobs)

    @cached_property
    def evidence(self) -> dict[str, set[str]]:
        """Claim or control -> the jobs that its own numbers need, other readings included, and its verdict's; without
        what only its family needs.
        """
        claims = self.project.claims
        found = {}
        for name in (*claims.ids, *(control.id for control in claims.controls)):
            found[name] = self.closure(evidence(self.project, name).values()) | {self.makers[_verdict(name)]}
        return found

    @cached_property
    def portions(self) -> tuple[dict[str, Portion], Hours]:
        """What each claim and control takes, and the hours of jobs that none of them needs."""
        return portions({name: found.hours for name, found in self.estimates.items()}, self.evidence)

    def with_family(self, name: str) -> Hours:
        """Hours of building the verdict `name` alone, with the family that its correction reads."""
        return self.hours(self.closure([_verdict(name)]))

    @cached_property
    def stages(self) -> dict[str, StageTotal]:
        """Totals by stage, in the order of the work."""
        groups: dict[str, list[str]] = {}
        for name, task in self.jobs.items():
            groups.setdefault(task.stage, []).append(name)
        order = [*STAGE_ORDER, *sorted(set(groups) - set(STAGE_ORDER))]
        return {stage: self._sum(groups[stage]) for stage in order if stage in groups}

    @cached_property
    def training(self) -> dict[str, StageTotal]:
        """Totals of the training jobs by role and tuning (`medium.lora`)."""
        groups: dict[str, list[str]] = {}
        for name, task in self.jobs.items():
            if task.stage == "train":
                groups.setdefault(f"{State.parse(task.target).role}.{tuning(task)}", []).append(name)
        return {key: self._sum(names) for key, names in groups.items()}

    def published(self, part: PublishedPart) -> Hours | None:
        """Hours of the cells that stand beside a published part, from nothing; None when the grid has none of them.

        Each cell at the first seeds of its arm, as many as the sources state, with the evaluation of its base.
        """
        arms = {arm.name: seeds for arm, seeds in self.project.arms.items()}
        states = [State.of(name, seed) for name in part.series if name in arms for seed in arms[name][: part.seeds]]
        if not states:
            return None
        evaluated = [*states, *(State(state.role, state.seed) for state in states)]
        return self.hours(self.closure(dict.fromkeys(paths.EVALUATION.format(state=s.name) for s in evaluated)))

    def _sum(self, names: Iterable[str]) -> StageTotal:
        found = [self.estimates[name] for name in names]
        return StageTotal(
            len(found),
            sum(one.seconds for one in found),
            Hours.sum(one.hours for one in found),
            sum(one.tokens for one in found),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.jobs)


def job_name(task: Task) -> str:
    """The name of a job: its first output, which no other job makes."""
    return next(iter(task.outputs.values()))


def retry_k(project: Project) -> RetryK:
    """(state, prompt) -> K of its retries by its own model, as an estimate of stage repeat asks."""

    def largest(state: str, prompt: str) -> int:
        series, _, _ = state.rpartition("/s")
        return project.k_max[RetryDemand(series, prompt, series.partition("/")[0])]

    return largest


def _verdict(name: str) -> str:
    return paths.CLAIM.format(claim=name)
