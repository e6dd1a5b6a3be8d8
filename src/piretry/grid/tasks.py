"""The wiring: for each stage, the task that makes a target. Inputs, outputs and settings, and nothing that runs.

A builder takes the project and the wildcards of the rule. Stages never import this module, so that an edit to the
grid or the claims changes no code digest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from typing import Any

from piretry.claims.model import Claim, Control, CountTest, Quantity, TrendTest
from piretry.errors import PiretryError, nearest
from piretry.grid import paths
from piretry.grid.domain import MATH_VERIFIER, domain
from piretry.grid.estimates import TRAINING_STAGES
from piretry.grid.names import DISTILLED, PROVER, State
from piretry.grid.project import Project, RetryDemand, quantities
from piretry.grid.task import Task
from piretry.settings.scale import ResourceSettings
from piretry.sources.read import to_settings

# Splits that are fetched for the prover, and which of its datasets each is.
THEOREM_SPLITS = {"theorems": "train", "theorems-eval": "eval"}


def prepare(project: Project, target: str) -> Task:
    """The training pool and the held-out problems."""
    data = project.scale.data.plain()
    inputs = {
        split: paths.SOURCE.format(split=split) for split in _fetched_splits(project) if split not in THEOREM_SPLITS
    }
    outputs = {"pool": paths.POOL, "eval": paths.EVAL}
    settings = {"data": {key: data[key] for key in ("train", "eval", "chains", "eval_problems")}}
    return Task("prepare", target, inputs, outputs, settings, (f"{_STAGES}.prepare",))


def theorems(project: Project, target: str) -> Task:
    """The prover's training and held-out theorems."""
    if project.scale.prover is None:
        raise PiretryError(f"Scale {project.scale.name} has no prover, so it has no theorems.")
    own = project.scale.prover.plain()
    inputs = {
        dataset: paths.SOURCE.format(split=split)
        for split, dataset in THEOREM_SPLITS.items()
        if split in _fetched_splits(project)
    }
    outputs = {"train": paths.THEOREMS, "eval": paths.THEOREMS_EVAL}
    keys = ("theorems", "train", "eval", "train_problems", "eval_problems", "seed")
    settings = {key: own[key] for key in keys}
    return Task("theorems", target, inputs, outputs, settings, (f"{_STAGES}.theorems",))


def _fetched_splits(project: Project) -> dict[str, Any]:
    """Split -> settings of its dataset, where that comes from the hub: `train`, `eval` and those of the prover."""
    data, own = project.scale.data, project.scale.prover
    sources: dict[str, Any] = {"train": data.train, "eval": data.eval}
    if own is not None and PROVER not in project.unavailable:
        sources |= {split: getattr(own, dataset) for split, dataset in THEOREM_SPLITS.items()}
    return {split: source.plain() for split, source in sources.items() if source.kind == "hub"}


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
        (f"{_STAGES}.overlap", MATH_VERIFIER),
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
    modules = (f"{_STAGES}.pretrain", f"piretry.training.{settings['taught']}")
    return Task("pretrain", f"{role}/base", {}, outputs, settings, modules)


def fetch(project: Project, target: str) -> Task:
    """The base model of a role, or the files of the `train` or `eval` dataset, at their pinned revision."""
    bindings = {str(role): binding for role, binding in project.scale.roles.items() if binding.source == "hub"}
    splits = _fetched_splits(project)
    modules = (f"{_STAGES}.fetch",)
    if target in splits:
        outputs = {"source": paths.SOURCE.format(split=target)}
        return Task("fetch", target, {}, outputs, splits[target], modules)
    if target not in bindings:
        raise PiretryError(
            f"Scale {project.scale.name} fetches nothing for {target!r}.{nearest(target, [*bindings, *splits])}"
        )
    outputs = {"model": paths.BASE_MODEL.format(role=target)}
    return Task("fetch", f"{target}/base", {}, outputs, bindings[target].plain(), modules)


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


def select(project: Project, name: str) -> Task:
    """The training examples of a cell."""
    state = State.parse(name)
    arm = _cell(state)
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
    modules = (f"{_STAGES}.select", f"piretry.methods.{arm.method}")
    return Task("select", name, inputs, outputs, settings, modules)


def train(project: Project, name: str) -> Task:
    """The model of a cell: supervised fine-tuning on its selected examples."""
    state = State.parse(name)
    arm = _cell(state)
    if arm.method == DISTILLED:
        raise PiretryError(f"{name} is distilled, not fine-tuned: its verb is `piretry distill`.")
    inputs = {"model": paths.model(_trained_from(project, state)), "sft": paths.SFT.format(state=name)}
    settings = _training(project, state, "train")
    return Task("train", name, inputs, {"model": paths.model(state)}, settings, (f"{_STAGES}.train",))


def distill(project: Project, name: str) -> Task:
    """The model of a cell of method skeleton: distilled on the training theorems."""
    state = State.parse(name)
    if _cell(state).method != DISTILLED or project.scale.prover is None:
        raise PiretryError(f"{name} is not distilled: its verb is `piretry train`.")
    world = domain(project.scale, state.role)
    inputs = {"model": paths.model(_trained_from(project, state)), "problems": world.train}
    settings = {
        **_training(project, state, "distill"),
        "fsdp": False,  # one process has nothing to shard over, whatever the tuning says for several
        "distill": project.scale.prover.distill.plain(),
        "prompts": dict(world.prompts),
        "chat": world.chat.plain(),
        **world.asking(),
    }
    return Task("distill", name, inputs, {"model": paths.model(state)}, settings, (f"{_STAGES}.distill",))


def _training(project: Project, state: State, stage: str) -> dict[str, Any]:
    """The resolved tuning of a cell."""
    arm = _cell(state)
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
    return Task("gather", name, inputs, {"completions": whole}, settings, (f"{_STAGES}.gather",))


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
    modules = (f"{_STAGES}.judge",)
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
    return Task("table", name, inputs, outputs, {"members": members}, (f"{_STAGES}.table",))


def cost(project: Project, target: str) -> Task:
    """Generated tokens of all cells together, and what each would have generated alone."""
    cells = {cell.name: _parts_alone(project, cell) for cell in project.cells}
    files = sorted({path for parts in cells.values() for part in parts for path in part["files"].values()})
    inputs = {path: path for path in files}
    return Task("cost", target, inputs, {"cost": paths.COST}, {"cells": cells}, (f"{_STAGES}.cost",))


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
        f"{_STAGES}.report",
        *(f"piretry/report/templates/{name}" for name in templates),
        "piretry/verifiers/traps.jsonl",
    )
    return Task("report", target, inputs, {"page": paths.REPORT}, settings, modules)


_STAGES = "piretry.stages"

BUILDERS: dict[str, Callable[..., Task]] = {
    "prepare": prepare,
    "theorems": theorems,
    "overlap": overlap,
    "pretrain": pretrain,
    "fetch": fetch,
    "attempt": attempt,
    "resample": resample,
    "retry": retry,
    "repeat": repeat,
    "skeleton": skeleton,
    "select": select,
    "train": train,
    "distill": distill,
    "evaluate": evaluate,
    "shard": shard,
    "gather": gather,
    "judge": judge,
    "table": table,
    "cost": cost,
    "report": report,
}


def asks(project: Project, stage: str, state: State) -> ResourceSettings:
    """What a job of `stage` with the model of `state` asks of the scheduler."""
    return project.scale.asks(stage, state.role, state.arm.tuning if state.arm and stage in TRAINING_STAGES else None)


def all_tasks(project: Project) -> list[Task]:
    """Every task of the whole grid, each once, walked back from the report as Snakemake does."""
    found: dict[tuple[str, str], Task] = {}
    producers = {path: task for task in _every_producer(project) for path in task.outputs.values()}
    waiting = [report(project, project.scale.name)]
    while waiting:
        task = waiting.pop()
        key = (task.stage, ",".join(sorted(task.outputs.values())))
        if key not in found:
            found[key] = task
            waiting.extend(producers[path] for path in task.inputs.values())
    return list(found.values())


def _every_producer(project: Project) -> list[Task]:
    name = project.scale.name
    tasks = [*(fetch(project, split) for split in _fetched_splits(project)), prepare(project, name)]
    tasks.append(overlap(project, name))
    if PROVER in project.roles:
        tasks.append(theorems(project, name))
    for role in project.roles:
        binding = project.scale.roles[role]  # type: ignore[index]
        tasks.append(fetch(project, role) if binding.source == "hub" else pretrain(project, role))
    states = [
        *project.cells,
        *(State(role, s) for role in project.roles for s in project.seeds(f"{role}/base")),
    ]
    for state in states:
        tasks += [attempt(project, state.name), evaluate(project, state.name)]
        if state.series in project.resample_max:
            tasks.append(resample(project, state.name))
        if state.series in project.skeleton_max:
            tasks.append(skeleton(project, state.name))
        if state.arm is not None and state.arm.method == DISTILLED:
            tasks.append(distill(project, state.name))
        elif state.arm is not None:
            tasks += [select(project, state.name), train(project, state.name)]
        for writer, prompts in project.retry_jobs(state.series):
            tasks.append(retry(project, state.name, "+".join(prompts), writer))
            if writer == state.role:
                tasks += [repeat(project, state.name, prompt) for prompt in prompts]
    judged = [*project.claims.ids, *(control.id for control in project.claims.controls)]
    tasks += [judge(project, claim) for claim in judged]
    tasks += [table(project, entry) for entry in project.claims.tables]
    tasks.append(cost(project, name))
    return [part for task in tasks for part in _divided(project, task)]


def _divided(project: Project, task: Task) -> list[Task]:
    """A sampling task as the jobs that make it: itself, or its shards and the gathering of each table."""
    if project.scale.shards == 1 or "shards" not in task.settings:
        return [task]
    tables = [path.rpartition("/")[2].removesuffix(".parquet") for path in task.outputs.values()]
    job = tables[0] if len(tables) == 1 else f"retries-{'+'.join(task.outputs)}"
    shards = [shard(project, task.target, job, str(number)) for number in range(project.scale.shards)]
    return [*shards, *(gather(project, task.target, table) for table in tables)]


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
        inputs = {**inputs, "start": paths.model(_trained_from(project, sampled))}
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
    modules = (f"{_STAGES}.{stage}", f"piretry.engines.{project.scale.engine.backend}_engine", *world.graders)
    return Task(stage, state.name, inputs, outputs, settings, modules)


def _trained_from(project: Project, state: State) -> State:
    """The state whose model the training of cell `state` starts from."""
    if project.scale.training.start_from == "previous":
        return state.sampled_from()
    return State(_cell(state).role, state.seed)


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


def _cell(state: State) -> Any:
    if state.arm is None:
        raise PiretryError(f"{state.name} is an untrained base: only a cell has training examples and a trained model.")
    return state.arm


def _needed(demands: Any, key: Any, what: str) -> None:
    if key not in demands:
        raise PiretryError(f"Nothing in the grid or the claims asks for {what}. Add a cell that does to config.yaml.")


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
