"""What the Snakemake rules ask of Python: inputs, parameters and resources of a task, and nothing else.

A rule's params hold the task (its settings and paths) and the code digest, so that an edit to a setting or to a
stage's code reruns exactly the cells that used it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from piretry.grid import paths, tasks
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.provenance.code import code_digest

Wildcards = Any


class Rules:
    """Builds tasks for rules and remembers them: Snakemake asks for inputs, params and resources separately."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._tasks: dict[tuple[str, tuple[str, ...]], Task] = {}

    def task(self, stage: str, *target: str) -> Task:
        """The task of `stage` for `target` (a state, a claim, a role, and for retries also prompt and writer)."""
        key = (stage, target)
        if key not in self._tasks:
            self._tasks[key] = tasks.BUILDERS[stage](self.project, *target)
        return self._tasks[key]

    def input(self, stage: str, *names: str, **fixed: str) -> Callable[[Wildcards], list[str]]:
        """An input function: the task's inputs, under the results folder."""

        def inputs(wildcards: Wildcards) -> list[str]:
            task = self._of(stage, names, fixed, wildcards)
            return [str(self.project.results / path) for path in task.inputs.values()]

        return inputs

    def params(self, stage: str, *names: str, **fixed: str) -> dict[str, Callable[[Wildcards], str]]:
        """The params of a rule: `task` as JSON, the results folder, and the digest of the code that the stage runs."""
        return {
            "root": lambda wildcards: str(self.project.results),
            "task": lambda wildcards: self._of(stage, names, fixed, wildcards).to_json(),
            "code": lambda wildcards: code_digest(self._of(stage, names, fixed, wildcards).modules),
        }

    def output(self, template: str) -> str:
        """An output pattern under the results folder."""
        return str(self.project.results / template)

    def record(self, template: str) -> str:
        """The pattern of the provenance record beside an output."""
        return paths.record(self.output(template))

    def resources(self, stage: str) -> dict[str, int]:
        """What one job of `stage` asks of the scheduler."""
        asked = self.project.scale.resources.get(stage, self.project.scale.resources["default"])
        return {
            "mem_mb": asked.mem_mb,
            "runtime": asked.runtime,
            **({"gpu": asked.gpus} if asked.gpus else {}),
        }

    def roles(self, source: str) -> str:
        """A wildcard constraint: the roles whose base comes from `source`, or one that matches nothing."""
        names = [role for role, binding in self.project.scale.roles.items() if binding.source == source]
        return "|".join(names) or "(?!)"

    def everything(self) -> list[str]:
        """What `all` asks for: the report, and every file that a claim is judged on.

        Snakemake looks for a missing file only where a rule that must run needs it, and `all` always runs: so a deleted
        evaluation is made again, and then what depends on it, although the report is still there.
        """
        claims = self.project.claims
        judged = [*claims.ids, *(control.id for control in claims.controls)]
        files = [path for name in judged for path in self.task("judge", name).inputs.values()]
        return [self.output(path) for path in dict.fromkeys([paths.REPORT, *files])]

    def _of(self, stage: str, names: tuple[str, ...], fixed: dict[str, str], wildcards: Wildcards) -> Task:
        values = {name: getattr(wildcards, name) for name in names} | fixed
        return self.task(stage, *values.values())
