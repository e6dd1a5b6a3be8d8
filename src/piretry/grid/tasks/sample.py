"""Tasks that make the completions of a state, whole or in shards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from piretry.errors import PiretryError, nearest
from piretry.grid import paths
from piretry.grid.domain import STAGES, domain
from piretry.grid.estimates import TRAINING_STAGES
from piretry.grid.names import State
from piretry.grid.project import Project, RetryDemand
from piretry.grid.task import Task
from piretry.grid.tasks.train import trained_from
from piretry.settings.scale import ResourceSettings


def attempt(project: Project, name: str) -> Task:
    """First attempts of a state on the training problems."""
    state = State.parse(name)
    inputs = {"model": paths.model(state), "problems": domain(project.scale, state.role).train}
    outputs = {"completions": paths.ATTEMPTS.format(state=name)}
    return _sampling(project, "attempt", state, inputs, outputs, {"state": name, "seed": state.seed})


def resample(project: Project, name: str) -> Task:
    """Fresh attempts of a state for rejection and resample alike: on all problems, and more on those that failed."""
    state = State.parse(name)
    _needed(project.resample_max, state.series, f"fresh attempts of {name}")
    inputs = {"model": paths.model(state), "problems": domain(project.scale, state.role).train}
    outputs = {"completions": paths.RESAMPLES.format(state=name)}
    everywhere, failed = project.resample_max[state.series]
    if failed > everywhere:
        inputs["attempts"] = paths.ATTEMPTS.format(state=name)
    own = {"state": name, "seed": state.seed, "k": everywhere, "k_failed": failed}
    return _sampling(project, "resample", state, inputs, outputs, own)


def retry(project: Project, name: str, prompts: str, writer: str | None = None) -> Task:
    """Retries after the failed attempts of a state, with one prompt (`bare`) or several in one job (`bare+gold`), each
    up to the largest K that the grid asks for.
    """
    state = State.parse(name)
    writer = writer or state.role
    world = domain(project.scale, state.role)
    asked = {}
    for prompt in prompts.split("+"):
        demand = RetryDemand(state.series, prompt, writer)
        _needed(project.k_max, demand, f"retries of {name} with prompt {prompt!r} by {writer}")
        asked[prompt] = {"template": world.prompts[prompt], "k": project.k_max[demand]}
    author = state if writer == state.role else State(writer, state.seed)
    inputs = {
        "model": paths.model(author),
        "problems": world.train,
        "attempts": paths.ATTEMPTS.format(state=name),
    }
    own = {
        "state": name,
        "writer": author.name,
        "seed": state.seed,
        "prompts": asked,
        "history": project.scale.retry.history,
        **world.asking(),
    }
    outputs = {prompt: paths.retries(state, prompt, writer) for prompt in asked}
    return _sampling(project, "retry", state, inputs, outputs, own)


def repeat(project: Project, name: str, prompt: str) -> Task:
    """One independent resample of every successful retry, in the same dialogue."""
    state = State.parse(name)
    world = domain(project.scale, state.role)
    inputs = {
        "model": paths.model(state),
        "problems": world.train,
        "attempts": paths.ATTEMPTS.format(state=name),
        "retries": paths.RETRIES.format(state=name, prompt=prompt),
    }
    own = {
        "state": name,
        "seed": state.seed,
        "prompt": prompt,
        "template": world.prompts[prompt],
        "history": project.scale.retry.history,
        **world.asking(),
    }
    outputs = {"completions": paths.REPEATS.format(state=name, prompt=prompt)}
    return _sampling(project, "repeat", state, inputs, outputs, own)


def skeleton(project: Project, name: str) -> Task:
    """Attempts of a prover on the theorems that it failed, with the sub-goals of the known proof shown."""
    state = State.parse(name)
    _needed(project.skeleton_max, state.series, f"attempts of {name} with the sub-goals shown")
    world = domain(project.scale, state.role)
    inputs = {
        "model": paths.model(state),
        "problems": world.train,
        "attempts": paths.ATTEMPTS.format(state=name),
    }
    own = {"state": name, "seed": state.seed, "k": project.skeleton_max[state.series], "prompts": dict(world.prompts)}
    outputs = {"completions": paths.SKELETONS.format(state=name)}
    return _sampling(project, "skeleton", state, inputs, outputs, {**own, **world.asking()})


def evaluate(project: Project, name: str) -> Task:
    """Greedy and sampled completions of the held-out problems."""
    state = State.parse(name)
    inputs = {"model": paths.model(state), "problems": domain(project.scale, state.role).eval}
    own = {"state": name, "seed": state.seed, "samples": project.scale.evaluation.samples}
    outputs = {"completions": paths.EVALUATION.format(state=name)}
    return _sampling(project, "evaluate", state, inputs, outputs, own)


def sampling(project: Project, name: str, table: str) -> Task:
    """The task that samples a completions table of a state, found by the table's name (`retries-bare`, `eval`).

    `retries-bare+gold` is the job that makes two of them.
    """
    kind, _, rest = table.partition("-")
    prompt, _, writer = rest.partition(".by-")
    if kind in ("retries", "repeats"):
        return retry(project, name, prompt, writer or None) if kind == "retries" else repeat(project, name, prompt)
    builders = {"attempts": attempt, "resamples": resample, "skeletons": skeleton, "eval": evaluate}
    if kind not in builders or rest:
        raise PiretryError(f"No table of completions is called {table!r}.{nearest(table, builders)}")
    return builders[kind](project, name)


def shard(project: Project, name: str, table: str, number: str) -> Task:
    """One of the jobs that make a completions table (or several) where a scale divides its sampling."""
    whole = sampling(project, name, table)
    settings = {**whole.settings, "shard": int(number), "shards": project.scale.shards}
    outputs = {key: paths.shard(path, number) for key, path in whole.outputs.items()}
    return replace(whole, outputs=outputs, settings=settings)


def gather(project: Project, name: str, table: str) -> Task:
    """The completions table of a state from its shards."""
    (whole,) = sampling(project, name, table).outputs.values()
    inputs = {str(number): paths.shard(whole, number) for number in range(project.scale.shards)}
    settings = {"shards": project.scale.shards}
    return Task("gather", name, inputs, {"completions": whole}, settings, (f"{STAGES}.gather",))


def divided(project: Project, task: Task) -> list[Task]:
    """A sampling task as the jobs that make it: itself, or its shards and the gathering of each table."""
    if project.scale.shards == 1 or "shards" not in task.settings:
        return [task]
    tables = [path.rpartition("/")[2].removesuffix(".parquet") for path in task.outputs.values()]
    job = tables[0] if len(tables) == 1 else f"retries-{'+'.join(task.outputs)}"
    shards = [shard(project, task.target, job, str(number)) for number in range(project.scale.shards)]
    return [*shards, *(gather(project, task.target, table) for table in tables)]


def asks(project: Project, stage: str, state: State) -> ResourceSettings:
    """What a job of `stage` with the model of `state` asks of the scheduler."""
    return project.scale.asks(stage, state.role, state.arm.tuning if state.arm and stage in TRAINING_STAGES else None)


def _sampling(
    project: Project,
    stage: str,
    state: State,
    inputs: dict[str, str],
    outputs: dict[str, str],
    own: dict[str, Any],
) -> Task:
    # The job's GPUs share one model (tensor parallelism); where there are none, one process has it all.
    sampled = State.parse(own.get("writer", state.name))
    asked = asks(project, stage, sampled)
    tunings = project.scale.training.tunings
    if project.scale.engine.backend == "vllm" and sampled.arm and tunings[sampled.arm.tuning].kind == "lora":
        # The engine serves its adapter on the model that it was trained from, or checks the merged weights against it.
        inputs = {**inputs, "start": paths.model(trained_from(project, sampled))}
    world = domain(project.scale, state.role)
    settings = {
        **own,
        "engine": {**project.scale.engine.plain(), "tensor_parallel": max(1, asked.gpus)},
        "chat": world.chat.plain(),
        "sampling": world.sampling.plain(),
        "verifier": world.verifier,
        "shard": 0,
        "shards": 1,
    }
    modules = (f"{STAGES}.{stage}", f"piretry.engines.{project.scale.engine.backend}_engine", *world.graders)
    return Task(stage, state.name, inputs, outputs, settings, modules)


def _needed(demands: Any, key: Any, what: str) -> None:
    if key not in demands:
        raise PiretryError(f"Nothing in the grid or the claims asks for {what}. Add a cell that does to config.yaml.")
