"""A results folder whose measurements are SYNTHETIC: verdicts drawn at random around made-up accuracies.

No model is run. Everything from there on is real: the judge, the tables, the cost and the provenance records are made
by the project's own stages. Every record says so under `facts.synthetic`, and the page says it on top.
"""

from __future__ import annotations

import functools
import importlib
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from piretry.completions import CompletionRow, read_completions, write_completions
from piretry.data.overlap import OverlapReport, find_overlap
from piretry.data.overlap.pairs import PAIR_SCHEMA
from piretry.data.schema import Problem, fingerprint, read_problems, write_problems, write_table
from piretry.grid.names import State
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.grid.tasks import all_tasks
from piretry.provenance.record import Publication
from piretry.runner import Job
from piretry.settings.data import OverlapSettings
from piretry.sft import SftRow, write_sft

REAL_STAGES = ("judge", "table", "cost")
SYNTHETIC = {"synthetic": "drawn at random, no model was run"}
BASES = {"small": 0.42, "medium": 0.55, "large": 0.8}
GAINS = {"retry": 0.09, "rejection": 0.07, "resample": 0.08, "cross": 0.04, "skeleton": 0.03, "skeleton_sft": 0.02}
HOSTILE = (
    "<script>window.hacked = 1</script></style></textarea></pre>"
    "<img src=x onerror='window.hacked = 1'> [link](javascript:alert(1)) {{ 7 * 7 }} {% raw %} \x00\x07"
    "\u202edesrever\u202c \\frac{1}{ \\boxed{<b>1</b>} & &amp; ]]> --> "
)


@dataclass(frozen=True)
class Draws:
    """How much is drawn, and from what: `salt` makes other draws, `shift` is added to the accuracy of a state."""

    problems: int = 60
    samples: int = 2
    salt: str = ""
    shift: Callable[[State], float] = lambda state: 0.0


def build_tree(project: Project, root: Path, problems: int = 60, samples: int = 2) -> list[Task]:
    """Make every artifact of `project` below the report in `root`; returns all tasks, the report's first."""
    tasks = all_tasks(project)
    for task in ordered(tasks):
        if task.stage != "report":
            make(task, root, Draws(problems, samples))
    return tasks


def ordered(tasks: Iterable[Task]) -> list[Task]:
    """`tasks` such that what makes an input comes before what reads it, in one walk however many there are."""
    maker = {path: task for task in tasks for path in task.outputs.values()}
    done: dict[int, Task] = {}
    for last in maker.values():
        waiting = [(last, False)]
        while waiting:
            task, ready = waiting.pop()
            if id(task) in done:
                continue
            if ready:
                done[id(task)] = task
                continue
            waiting.append((task, True))
            waiting += [(maker[path], False) for path in task.inputs.values()]
    return list(done.values())


def make(task: Task, root: Path, draws: Draws) -> None:
    """Publish outputs of `task` with a real record: those of the judge and above for real, all others made up."""
    real = task.stage in (*REAL_STAGES, "report")
    with Publication(
        root=root,
        stage=task.stage,
        target=task.target,
        outputs={name: root / path for name, path in task.outputs.items()},
        inputs={name: root / path for name, path in task.inputs.items()},
        settings=task.settings,
        modules=task.modules if real else ("piretry.completions",),
        facts=SYNTHETIC,
        command=["piretry", task.stage, "--task", task.to_json(), "--root", str(root)],
    ) as job:
        if real:
            importlib.import_module(f"piretry.stages.{task.stage}").run(Job(task, root, job))
        else:
            _make_up(job, task, root, draws)


def _make_up(job: Publication, task: Task, root: Path, draws: Draws) -> None:
    draw = random.Random(f"{task.stage} {sorted(task.outputs.values())} {draws.salt}".rstrip())
    if task.stage in ("prepare", "theorems"):
        _prepare(job, task, draws.problems)
    elif task.stage == "overlap":
        _overlap(job, task, root)
    elif task.stage in ("pretrain", "fetch", "train", "distill"):
        _model(job, task, draw)
    elif task.stage == "select":
        _select(job, task, root)
    else:
        _completions(job, task, root, draw, draws)


def _prepare(job: Publication, task: Task, problems: int) -> None:
    pool = [_problem("train", index, f"Start with {index}, then +{index % 7}.") for index in range(2 * problems)]
    pool[3] = _problem("train", 3, "Held-out problem 1: what is 1 + 1?")
    pool[4] = _problem("train", 4, "held-out problem 2 what is 2 + 2")
    pool[0] = _problem("train", 0, "Zeroth problem. " + HOSTILE)
    held_out = [
        _problem("eval", index, f"Held-out problem {index}: what is {index} + {index}?") for index in range(problems)
    ]
    for name in task.outputs:
        write_problems(job.temporary(name), held_out if name == "eval" else pool)
    job.note(datasets={"train": {"id": "synthetic problems", "revision": None, "fingerprint": "0" * 64}})


def _problem(kind: str, index: int, text: str) -> Problem:
    return Problem(f"{kind}-{index:05d}", text, str(index % 10), None, "synthetic", kind)


@functools.lru_cache(4)
def _problems(path: Path) -> list[Problem]:
    """The problems in a table, which hundreds of jobs read and none changes."""
    return read_problems(path)


def _overlap(job: Publication, task: Task, root: Path) -> None:
    settings = OverlapSettings.model_validate(task.settings["overlap"])
    pool, held_out = read_problems(root / task.inputs["pool"]), read_problems(root / task.inputs["eval"])
    report = find_overlap(pool, held_out, settings)
    gone = report.train_ids(settings.remove)
    train = [problem for problem in pool if problem.problem_id not in gone]
    summary = {
        **report.summary(),
        "as_drawn": _matched(report, pool),
        "trained_on": {**_matched(report, train), "fingerprint": fingerprint(train)},
        "draw": {"problems": len(train), "seed": 42},
    }
    write_problems(job.temporary("train"), train)
    write_table(job.temporary("pairs"), PAIR_SCHEMA, report.pairs)
    job.temporary("summary").write_text(json.dumps(summary), encoding="utf-8")


def _matched(report: OverlapReport, drawn: list[Problem]) -> dict[str, object]:
    ids = {problem.problem_id for problem in drawn}
    found = {kind: sorted(report.train_ids([kind]) & ids) for kind in report.settings.kinds}
    return {"problems": len(ids), "matched": {k: len(v) for k, v in found.items()}, "matched_ids": found}


def _model(job: Publication, task: Task, draw: random.Random) -> None:
    folder = job.temporary("model")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"synthetic": True}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(draw.randbytes(64))
    job.count(examples=draw.randint(50, 90), steps=100)
    job.note(losses=[round(2 - index / 100, 3) for index in range(100)])


def _select(job: Publication, task: Task, root: Path) -> None:
    problems = _problems(root / task.inputs["problems"])
    turn = ({"role": "user", "content": "synthetic"},)
    rows = [SftRow(problem.problem_id, turn, "\\boxed{1}", "first", 0, 0) for problem in problems[:40]]
    write_sft(job.temporary("sft"), rows)
    job.count(examples=len(rows), problems=len(rows))


def _completions(job: Publication, task: Task, root: Path, draw: random.Random, draws: Draws) -> None:
    settings, rows = task.settings, []
    tables: dict[str, list[CompletionRow]] = {}
    state = State.parse(settings["state"])
    problems = _problems(root / task.inputs["problems"])
    skill = _skill(state, draws.salt) + draws.shift(state)
    if task.stage == "attempt":
        rows = [_row(draw, problem, skill, "sampled", 0, 0) for problem in problems]
    elif task.stage == "resample":
        rows = [_row(draw, p, skill, "sampled", 0, s) for p in problems for s in range(1, settings["k_failed"] + 1)]
    elif task.stage == "evaluate":
        rows = [_row(draw, problem, skill + 0.05, "greedy", 0, 0) for problem in problems]
        rows += [_row(draw, p, skill, "sampled", 0, s) for p in problems for s in range(draws.samples)]
    else:
        before = read_completions(root / task.inputs["attempts"])
        failed = {row.problem_id for row in before if not row.correct}
        if task.stage == "retry":
            unsolved = [problem for problem in problems if problem.problem_id in failed]
            tables = {
                prompt: _retries(draw, unsolved, skill / 2, asked["k"]) for prompt, asked in settings["prompts"].items()
            }
            rows = [row for table in tables.values() for row in table]
        elif task.stage == "skeleton":
            unsolved = [problem for problem in problems if problem.problem_id in failed]
            rows = [_row(draw, p, skill, "sampled", 0, s) for p in unsolved for s in range(1, settings["k"] + 1)]
        else:
            known = {problem.problem_id: problem for problem in problems}
            for row in read_completions(root / task.inputs["retries"]):
                if row.correct:
                    rows.append(_row(draw, known[row.problem_id], 0.8 - 0.12 * row.attempt, "sampled", row.attempt, 1))
    job.count(
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        completion_tokens=sum(row.completion_tokens for row in rows),
        completions=len(rows),
    )
    for name, table in (tables or {"completions": rows}).items():
        write_completions(job.temporary(name), table)


def _retries(draw: random.Random, problems: list[Problem], skill: float, k: int) -> list[CompletionRow]:
    rows = []
    for problem in problems:
        for attempt in range(1, k + 1):
            rows.append(_row(draw, problem, skill, "sampled", attempt, 0))
            if rows[-1].correct:
                break
    return rows


def _skill(state: State, salt: str) -> float:
    """A made-up accuracy: the role's, and for a cell a gain by method, K and round, a little different by seed."""
    base = BASES.get(state.role, 0.5)
    arm = state.arm
    if arm is None:
        return base
    gain = GAINS[arm.method] + {1: -0.01, 3: 0.0, 5: -0.02}.get(arm.k, 0.0)
    gain += {1: 0.0, 2: 0.05, 3: 0.02}.get(arm.round, 0.0) - (0.06 if arm.tuning == "lora" else 0.0)
    return base + gain + random.Random(f"{state.name}{salt}").uniform(-0.01, 0.01)


@functools.cache
def _hardness(problem_id: str) -> float:
    return random.Random(problem_id).uniform(-0.35, 0.35)


def _row(
    draw: random.Random, problem: Problem, skill: float, decoding: str, attempt: int, sample: int
) -> CompletionRow:
    # Problems differ in difficulty, the same way for every state, so that pairing has something to gain.
    hard = _hardness(problem.problem_id)
    luck = draw.random()
    verdict = "correct" if luck < skill + hard else "no_answer" if luck > 0.93 else "wrong"
    disputed = draw.random() < 0.01
    opinion = ("wrong" if verdict == "correct" else "correct") if disputed else verdict
    answer = {"correct": problem.gold, "wrong": HOSTILE[:40], "no_answer": None}[verdict]
    completion = f"attempt {attempt}: {HOSTILE} \\boxed{{{answer}}}"
    return CompletionRow(
        problem_id=problem.problem_id,
        attempt=attempt,
        sample=sample,
        decoding=decoding,
        seed=draw.getrandbits(31),
        prompt_digest="0" * 16,
        completion=completion,
        finish_reason="length" if verdict == "no_answer" else "stop",
        prompt_tokens=30 + 20 * attempt,
        completion_tokens=draw.randint(20, 60),
        answer=answer,
        verdict=verdict,
        second_opinion=opinion,
        verifier="synthetic verifier 0",
    )


def report_task(tasks: list[Task]) -> Task:
    """The report's task among `tasks`."""
    return next(task for task in tasks if task.stage == "report")
