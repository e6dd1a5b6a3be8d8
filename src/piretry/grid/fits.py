"""Whether every kind of GPU job fits the memory of the GPUs that it asks for, before anything is submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from piretry.grid.domain import domain
from piretry.grid.estimates import SAMPLING_STAGES, asks, model_role
from piretry.grid.estimates import tuning as tuning_of
from piretry.grid.ledger import Ledger
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.settings.scale import Role
from piretry.training.memory import Memory, Shape, check_fits, sampling_memory, training_memory

_GB = 1e9


@dataclass(frozen=True)
class Fit:
    """One kind of GPU job: the jobs of the grid that it has (0: none), its GPUs, and memory on each of them in bytes.

    `memory.least` is what it cannot do without, `memory.total` what it takes where there is room. `has` is what a
    GPU of the site has of it, None without a site file. `refusal` says why the jobs must not be submitted.
    """

    job: str
    jobs: int
    gpus: int
    memory: Memory
    has: float | None
    refusal: str | None

    @property
    def fits(self) -> bool | None:
        """Whether it fits; None where the GPUs are not known."""
        return None if self.has is None else self.memory.least <= self.has

    def plain(self) -> dict[str, object]:
        """JSON-ready values, in GB of 10^9 bytes."""
        return {
            "job": self.job,
            "jobs": self.jobs,
            "gpus": self.gpus,
            "least_gb": round(self.memory.least / _GB, 2),
            "most_gb": round(self.memory.total / _GB, 2),
            "has_gb": None if self.has is None else round(self.has / _GB, 2),
            "fits": self.fits,
            "parts_gb": {name: round(size / _GB, 2) for name, size in self.memory.parts.items()},
            "refusal": self.refusal,
        }


def memory_fits(ledger: Ledger) -> tuple[Fit, ...]:
    """Sampling by role, then training by role and tuning, distillation apart: the kinds of jobs that ask for GPUs.

    Training is listed for every role and tuning of the scale, also where no cell of the grid has it: such a kind is
    never refused.
    """
    return (*_sampling(ledger), *_training(ledger), *_distillation(ledger))


def model_shape(role: Role) -> Shape:
    """The shape of a role's model, as memory estimates take it."""
    stated = {"parameters": role.parameters} if role.source == "hub" else {}
    return Shape.of({**role.shape.plain(), **stated})


def _sampling(ledger: Ledger) -> Iterator[Fit]:
    """One kind for each role and number of GPUs, whichever stages it is for."""
    scale = ledger.project.scale
    groups: dict[tuple[str, int], list[str]] = {}
    for name, task in ledger.jobs.items():
        gpus = ledger.estimates[name].gpus
        if task.stage in SAMPLING_STAGES and gpus:
            groups.setdefault((model_role(task), gpus), []).append(name)
    roles = {str(role): binding for role, binding in scale.roles.items()}
    for (role, gpus), names in sorted(groups.items(), key=lambda group: list(roles).index(group[0][0])):
        engine = ledger.jobs[names[0]].settings["engine"]
        # Where the engine sets no limit: an answer, and the failed one before it.
        longest = 2 * domain(scale, role).sampling.max_tokens
        stages = [stage for stage in SAMPLING_STAGES if any(ledger.jobs[name].stage == stage for name in names)]
        what = f"{role}: {', '.join(stages)}"
        yield _fit(ledger.project, what, len(names), gpus, sampling_memory(model_shape(roles[role]), engine, longest))


def _training(ledger: Ledger) -> Iterator[Fit]:
    scale = ledger.project.scale
    for role, binding in scale.roles.items():
        for name, tuning in scale.training.tunings.items():
            gpus = scale.asks("train", role, name).gpus
            if not gpus:
                continue
            settings: dict[str, Any] = {**tuning.plain(), "dtype": scale.engine.dtype, "processes": gpus}
            total = ledger.training.get(f"{role}.{name}")
            memory = training_memory(model_shape(binding), settings)
            yield _fit(ledger.project, f"{role}: train {name}", total.jobs if total else 0, gpus, memory)


def _distillation(ledger: Ledger) -> Iterator[Fit]:
    """One kind for each tuning with which the grid distils."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in ledger.jobs.values():
        if task.stage == "distill" and asks(ledger.project.scale, task).gpus:
            groups.setdefault((model_role(task), str(tuning_of(task))), []).append(task)
    roles = {str(role): binding for role, binding in ledger.project.scale.roles.items()}
    for (role, tuning), tasks in groups.items():
        memory = distillation_memory(model_shape(roles[role]), tasks[0].settings)
        yield _fit(ledger.project, f"{role}: distill {tuning}", len(tasks), 1, memory)


def distillation_memory(shape: Shape, settings: Mapping[str, Any]) -> Memory:
    """Peak memory of a distillation: that of fine-tuning on prompts and rollouts, and what only it has.

    A frozen teacher of full fine-tuning is a copy of the weights; with LoRA it is the model under its adapter. Scores
    of student and teacher over the whole vocabulary, and the gradient of the student's, are float32 for `chunk_tokens`
    positions. The key-value cache of rollouts is gone before the backward pass and smaller than what that keeps.
    """
    how, number = settings["distill"], {"float32": 4, "bfloat16": 2}[settings["dtype"]]
    memory = training_memory(shape, settings)
    copied = settings["kind"] == "full" and how["teacher"] == "frozen"
    extra = {
        "teacher": number * shape.parameters if copied else 0,
        "scores": 3 * 4 * how["chunk_tokens"] * shape.vocabulary,
    }
    parts = {**memory.parts, **{name: size for name, size in extra.items() if size}}
    return replace(memory, parts=parts, least=sum(parts.values()))


def _fit(project: Project, job: str, jobs: int, gpus: int, memory: Memory) -> Fit:
    site = project.site
    if site is None:
        return Fit(job, jobs, gpus, memory, None, None)
    refusal = None
    if jobs and gpus > site.gpu.per_node:
        refusal = (
            f"{job}: its jobs ask for {gpus} GPUs, but a node of this cluster has {site.gpu.per_node} (gpu.per_node of "
            f"{project.config.site}), and a job runs on one node. Lower 'gpus' under resources of the scale file."
        )
    elif jobs:
        refusal = check_fits(memory, site.gpu.memory_gb, job)
    return Fit(job, jobs, gpus, memory, site.gpu.memory_gb * _GB * memory.share, refusal)
