"""What the Snakemake rules ask of Python: inputs, parameters and resources of a task, and nothing else.

A rule's params hold the task (its settings and paths) and the code digest, so that an edit to a setting or to a
stage's code reruns exactly the cells that used it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from piretry.grid import paths, tasks
from piretry.grid.containers import Containers
from piretry.grid.estimates import asks
from piretry.grid.names import STATE_PATTERN, TABLE_STAGES
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.provenance.code import code_digest
from piretry.settings.scale import ResourceSettings

Wildcards = Any


@dataclass(frozen=True)
class SharedRetries:
    """Prompts of one set, and the series of states whose retries with all of them one job samples."""

    prompts: tuple[str, ...]
    series: tuple[str, ...]

    @property
    def name(self) -> str:
        """The end of a rule's name."""
        return "_".join(self.prompts)

    def pattern(self, template: str, prompt: str) -> str:
        """The output pattern `template` (a table of retries, or a shard of it) for one prompt of the set."""
        return template.replace("{prompt}", prompt).replace("{completions}", f"retries-{prompt}")

    @property
    def states(self) -> str:
        """A constraint on `state`."""
        return rf"(?:{'|'.join(re.escape(series) for series in self.series)})/s\d+"


class Rules:
    """Builds tasks for rules and remembers them: Snakemake asks for inputs, params and resources separately."""

    def __init__(self, project: Project, containers: Containers) -> None:
        self.project = project
        self.site = project.site
        self.containers = containers
        self._tasks: dict[tuple[str, tuple[str, ...]], Task] = {}

    def task(self, stage: str, *target: str) -> Task:
        """The task of `stage` for `target` (a state, a claim, a role, and for retries also prompt and writer)."""
        key = (stage, target)
        if key not in self._tasks:
            self._tasks[key] = tasks.BUILDERS[stage](self.project, *target)
        return self._tasks[key]

    def input(self, stage: str, *names: str, **fixed: str | None) -> Callable[[Wildcards], list[str]]:
        """An input function: the task's inputs, under the results folder.

        The target of the task is made of the wildcards `names`, then of `fixed`; a fixed None is a wildcard too.
        """

        def inputs(wildcards: Wildcards) -> list[str]:
            task = self._of(stage, names, fixed, wildcards)
            return [str(self.project.results / path) for path in task.inputs.values()]

        return inputs

    def params(self, stage: str, *names: str, **fixed: str | None) -> dict[str, Callable[[Wildcards], str]]:
        """The params of a rule: `task` as JSON, the results folder, the code digest of the stage, and the image."""
        return {
            "root": lambda wildcards: str(self.project.results),
            "task": lambda wildcards: self._of(stage, names, fixed, wildcards).to_json(),
            "code": lambda wildcards: code_digest(self._of(stage, names, fixed, wildcards).modules),
            "image": lambda wildcards: self.containers.identity(self._of(stage, names, fixed, wildcards)),
        }

    def output(self, template: str) -> str:
        """An output pattern under the results folder."""
        return str(self.project.results / template)

    def record(self, template: str) -> str:
        """The pattern of the provenance record beside an output."""
        return paths.record(self.output(template))

    def resources(self, stage: str, *names: str, **fixed: str | None) -> dict[str, Callable[..., int | str]]:
        """What a job of `stage` asks of the scheduler; memory and time grow when Slurm has ended the job before."""

        def grown(key: Literal["mem_mb", "runtime"]) -> Callable[..., int]:
            def value(wildcards: Wildcards, attempt: int) -> int:
                asked = getattr(self._asked(stage, names, fixed, wildcards), key)
                wanted = round(asked * self.project.scale.resource_growth ** (attempt - 1))
                # What the scale states is asked for even where it is above the cluster's limit: plan and Slurm say so.
                return max(asked, min(wanted, getattr(self.site.limits, key))) if self.site else wanted

            return value

        found: dict[str, Callable[..., int | str]] = {"mem_mb": grown("mem_mb"), "runtime": grown("runtime")}
        found["nodes"] = lambda wildcards: 1  # Slurm may spread the GPUs of a job over several otherwise
        stages = set(TABLE_STAGES.values()) if stage == "shard" else {stage}
        on_gpu = any(asked.gpus for key, asked in self.project.scale.resources.items() if key.split(".")[0] in stages)
        if on_gpu:
            found["gpu"] = lambda wildcards: self._asked(stage, names, fixed, wildcards).gpus
        if self.site is None:
            return found
        site = self.site
        if site.account:
            account = site.account
            found["slurm_account"] = lambda wildcards: account
        if site.partitions.cpu or site.partitions.gpu:
            found["slurm_partition"] = lambda wildcards: (
                (site.partitions.gpu if self._asked(stage, names, fixed, wildcards).gpus else site.partitions.cpu) or ""
            )
        if on_gpu and site.gpu.model:
            model = site.gpu.model
            found["gpu_model"] = lambda wildcards: model if self._asked(stage, names, fixed, wildcards).gpus else ""
        return found

    def image(self, stage: str, *names: str, **fixed: str | None) -> Callable[[Wildcards], str]:
        """The container of a job: the GPU image where it asks for GPUs, else the CPU image."""
        return lambda wildcards: self.containers.path(self._of(stage, names, fixed, wildcards))

    def roles(self, *sources: str) -> str:
        """A wildcard constraint: the roles whose base comes from one of `sources`, or one that matches nothing."""
        names = [role for role, binding in self.project.scale.roles.items() if binding.source in sources]
        return "|".join(names) or "(?!)"

    def shared_retries(self) -> list[SharedRetries]:
        """The sets of prompts whose retries one job samples together, each with the states that ask for that set."""
        bases = [f"{role}/base" for role in self.project.roles]
        found: dict[tuple[str, ...], list[str]] = {}
        for series in (*bases, *(arm.name for arm in self.project.arms)):
            for writer, prompts in self.project.retry_jobs(series):
                if len(prompts) > 1 and writer == series.partition("/")[0]:
                    found.setdefault(prompts, []).append(series)
        return [SharedRetries(prompts, tuple(series)) for prompts, series in found.items()]

    def alone(self, folder: str) -> str:
        """A constraint on `state`: no table of retries in `folder` (of the state's own) that a shared job makes."""
        shared = [re.escape(series) for group in self.shared_retries() for series in group.series]
        ahead = rf"(?!(?:{'|'.join(shared)})/s\d+/{folder}retries-[a-z]+\.(?!by-))" if shared else ""
        return f"{ahead}{STATE_PATTERN}"

    def everything(self) -> list[str]:
        """What `all` asks for: the report, and every file that a claim is judged on.

        Snakemake looks for a missing file only where a rule that must run needs it, and `all` always runs: so a deleted
        evaluation is made again, and then what depends on it, although the report is still there.
        """
        claims = self.project.claims
        judged = [*claims.ids, *(control.id for control in claims.controls)]
        files = [path for name in judged for path in self.task("judge", name).inputs.values()]
        return [self.output(path) for path in dict.fromkeys([paths.REPORT, *files])]

    def _asked(
        self, stage: str, names: tuple[str, ...], fixed: dict[str, str | None], wildcards: Wildcards
    ) -> ResourceSettings:
        return asks(self.project.scale, self._of(stage, names, fixed, wildcards))

    def _of(self, stage: str, names: tuple[str, ...], fixed: dict[str, str | None], wildcards: Wildcards) -> Task:
        values = [getattr(wildcards, name) for name in names]
        values += [getattr(wildcards, name) if value is None else value for name, value in fixed.items()]
        return self.task(stage, *values)
