"""Tasks that make the model of a cell: its training examples, and the training."""

from __future__ import annotations

from typing import Any

from piretry.errors import PiretryError
from piretry.grid import paths
from piretry.grid.domain import STAGES, domain
from piretry.grid.names import DISTILLED, State
from piretry.grid.project import Project
from piretry.grid.task import Task


def select(project: Project, name: str) -> Task:
    """The training examples of a cell."""
    state = State.parse(name)
    arm = arm_of(state)
    source = state.sampled_from()
    if arm.method == DISTILLED:
        raise PiretryError(f"{name} is distilled: it has no training examples to select.")
    world = domain(project.scale, arm.role)
    inputs = {"problems": world.train, "attempts": paths.ATTEMPTS.format(state=source.name)}
    if arm.method in ("retry", "cross"):
        demand = project.retry_demand(arm)
        inputs["retries"] = paths.retries(source, demand.prompt, demand.writer)
    else:
        fresh = paths.SKELETONS if arm.method == "skeleton_sft" else paths.RESAMPLES
        inputs["resamples"] = fresh.format(state=source.name)
    selection = project.scale.selection[arm.method]
    if selection.match_examples_to == "retry" and (arm.method != "retry" or arm.prompt != "bare"):
        inputs["match_retries"] = paths.RETRIES.format(state=source.name, prompt="bare")
    settings = {
        "method": arm.method,
        "k": arm.k,
        "seed": state.seed,
        **selection.plain(),
        "match": project.scale.selection["retry"].plain() if "match_retries" in inputs else None,
        "chat": world.chat.plain(),
    }
    outputs = {"sft": paths.SFT.format(state=name)}
    modules = (f"{STAGES}.select", f"piretry.methods.{arm.method}")
    return Task("select", name, inputs, outputs, settings, modules)


def train(project: Project, name: str) -> Task:
    """The model of a cell: supervised fine-tuning on its selected examples."""
    state = State.parse(name)
    arm = arm_of(state)
    if arm.method == DISTILLED:
        raise PiretryError(f"{name} is distilled, not fine-tuned: its verb is `piretry distill`.")
    inputs = {"model": paths.model(trained_from(project, state)), "sft": paths.SFT.format(state=name)}
    settings = _training(project, state, "train")
    return Task("train", name, inputs, {"model": paths.model(state)}, settings, (f"{STAGES}.train",))


def distill(project: Project, name: str) -> Task:
    """The model of a cell of method skeleton: distilled on the training theorems."""
    state = State.parse(name)
    if arm_of(state).method != DISTILLED or project.scale.prover is None:
        raise PiretryError(f"{name} is not distilled: its verb is `piretry train`.")
    world = domain(project.scale, state.role)
    inputs = {"model": paths.model(trained_from(project, state)), "problems": world.train}
    settings = {
        **_training(project, state, "distill"),
        "fsdp": False,  # one process has nothing to shard over, whatever the tuning says for several
        "distill": project.scale.prover.distill.plain(),
        "prompts": dict(world.prompts),
        "chat": world.chat.plain(),
        **world.asking(),
    }
    return Task("distill", name, inputs, {"model": paths.model(state)}, settings, (f"{STAGES}.distill",))


def _training(project: Project, state: State, stage: str) -> dict[str, Any]:
    """The resolved tuning of a cell."""
    arm = arm_of(state)
    tuning = project.scale.training.tunings[arm.tuning]
    settings = {
        **tuning.plain(),
        "learning_rate": tuning.learning_rate_by_role.get(arm.role, tuning.learning_rate),
        "seed": state.seed,
        "threads": project.scale.engine.threads,
        "dtype": project.scale.engine.dtype,
        "device": project.scale.engine.device,
        "template_options": domain(project.scale, arm.role).chat.template_options,
        "processes": max(1, project.scale.asks(stage, arm.role, arm.tuning).gpus),
    }
    del settings["learning_rate_by_role"]
    return settings


def trained_from(project: Project, state: State) -> State:
    """The state whose model the training of cell `state` starts from."""
    if project.scale.training.start_from == "previous":
        return state.sampled_from()
    return State(arm_of(state).role, state.seed)


def arm_of(state: State) -> Any:
    """The cell without its seed; PiretryError for an untrained base, which has none."""
    if state.arm is None:
        raise PiretryError(f"{state.name} is an untrained base: only a cell has training examples and a trained model.")
    return state.arm
