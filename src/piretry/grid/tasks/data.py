"""Tasks that make what everything starts from: problems, theorems, and base models."""

from __future__ import annotations

from typing import Any

from piretry.errors import PiretryError, nearest
from piretry.grid import paths
from piretry.grid.domain import MATH_VERIFIER, STAGES, domain
from piretry.grid.names import PROVER
from piretry.grid.project import Project
from piretry.grid.task import Task

# Splits that are fetched for the prover, and which of its datasets each is.
THEOREM_SPLITS = {"theorems": "train", "theorems-eval": "eval"}


def prepare(project: Project, target: str) -> Task:
    """The training pool and the held-out problems."""
    data = project.scale.data.plain()
    inputs = {
        split: paths.SOURCE.format(split=split) for split in fetched_splits(project) if split not in THEOREM_SPLITS
    }
    outputs = {"pool": paths.POOL, "eval": paths.EVAL}
    settings = {"data": {key: data[key] for key in ("train", "eval", "chains", "eval_problems")}}
    return Task("prepare", target, inputs, outputs, settings, (f"{STAGES}.prepare",))


def theorems(project: Project, target: str) -> Task:
    """The prover's training and held-out theorems."""
    if project.scale.prover is None:
        raise PiretryError(f"Scale {project.scale.name} has no prover, so it has no theorems.")
    own = project.scale.prover.plain()
    inputs = {
        dataset: paths.SOURCE.format(split=split)
        for split, dataset in THEOREM_SPLITS.items()
        if split in fetched_splits(project)
    }
    outputs = {"train": paths.THEOREMS, "eval": paths.THEOREMS_EVAL}
    keys = ("theorems", "train", "eval", "train_problems", "eval_problems", "seed")
    settings = {key: own[key] for key in keys}
    return Task("theorems", target, inputs, outputs, settings, (f"{STAGES}.theorems",))


def overlap(project: Project, target: str) -> Task:
    """Matches between pool and held-out problems, and the training set without them."""
    return Task(
        "overlap",
        target,
        {"pool": paths.POOL, "eval": paths.EVAL},
        {"train": paths.TRAIN, "summary": paths.OVERLAP, "pairs": paths.OVERLAP_PAIRS},
        {
            "overlap": project.scale.data.overlap.plain(),
            "subset": project.scale.data.subset.plain(),
            "verifier": project.scale.verifier.plain(),
        },
        (f"{STAGES}.overlap", MATH_VERIFIER),
    )


def pretrain(project: Project, role: str) -> Task:
    """The base model of a role, from nothing."""
    binding = project.scale.roles[role]  # type: ignore[index]
    world = domain(project.scale, role)
    settings = {
        **binding.plain(),
        "prompts": dict(world.prompts),
        "chat": world.chat.plain(),
        "threads": project.scale.engine.threads,
        **world.asking(),
    }
    if project.scale.prover is not None and role == PROVER:
        settings |= {"taught": "prover_base", "theorems": project.scale.prover.plain()["theorems"]}
    else:
        settings |= {"taught": "chains_base", "chains": project.scale.data.plain()["chains"]}
    outputs = {"model": paths.BASE_MODEL.format(role=role)}
    modules = (f"{STAGES}.pretrain", f"piretry.training.{settings['taught']}")
    return Task("pretrain", f"{role}/base", {}, outputs, settings, modules)


def fetch(project: Project, target: str) -> Task:
    """The base model of a role, or the files of the `train` or `eval` dataset, at their pinned revision."""
    bindings = {str(role): binding for role, binding in project.scale.roles.items() if binding.source == "hub"}
    splits = fetched_splits(project)
    modules = (f"{STAGES}.fetch",)
    if target in splits:
        outputs = {"source": paths.SOURCE.format(split=target)}
        return Task("fetch", target, {}, outputs, splits[target], modules)
    if target not in bindings:
        raise PiretryError(
            f"Scale {project.scale.name} fetches nothing for {target!r}.{nearest(target, [*bindings, *splits])}"
        )
    outputs = {"model": paths.BASE_MODEL.format(role=target)}
    return Task("fetch", f"{target}/base", {}, outputs, bindings[target].plain(), modules)


def fetched_splits(project: Project) -> dict[str, Any]:
    """Split -> settings of its dataset, where that comes from the hub: `train`, `eval` and those of the prover."""
    data, own = project.scale.data, project.scale.prover
    sources: dict[str, Any] = {"train": data.train, "eval": data.eval}
    if own is not None and PROVER not in project.unavailable:
        sources |= {split: getattr(own, dataset) for split, dataset in THEOREM_SPLITS.items()}
    return {split: source.plain() for split, source in sources.items() if source.kind == "hub"}
