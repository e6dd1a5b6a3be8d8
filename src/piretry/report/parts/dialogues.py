"""Dialogues from the completions tables: what fails, what is said to it, what comes then; chosen by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from piretry.data.schema import Problem, iter_problems
from piretry.dialogue import other_answer
from piretry.grid import paths
from piretry.grid.names import PROVER, State
from piretry.lean_prompts import LeanPrompts, skeletons, with_error
from piretry.prompts import fill, placeholders
from piretry.report.completions import CompletionsFile
from piretry.report.results import Results

SUCCESS = "It fails, is told so, and succeeds"
FAILURE = "It fails, is told so, and fails again"
LUCKY = "It succeeds on a retry, but the same dialogue sampled once more fails: a lucky guess"
FRESH = "It fails, and a fresh attempt succeeds"
NEVER = "It fails, and every fresh attempt fails"
SHOWN_GOALS = "It fails, is shown the sub-goals of a known proof, and succeeds"
LEARNED = "Not solved before training, solved after it"
LOST = "Solved before training, not after it"
_SHOWN = 2  # retries of one dialogue; the rest is counted
_KEYS = ("problem_id", "attempt", "sample", "decoding", "verdict")


@dataclass(frozen=True)
class Turn:
    """One turn: who speaks, the text (of a dataset or a model: untrusted), and the verdict on it."""

    who: str
    text: str
    verdict: str
    answer: str | None


@dataclass(frozen=True)
class Dialogue:
    """One dialogue. `kind` says what it is an example of; `more` counts retries that are left out."""

    kind: str
    problem_id: str
    gold: str
    turns: list[Turn]
    more: int


@dataclass(frozen=True)
class Row:
    """One completion, as far as it is shown."""

    problem_id: str
    attempt: int
    sample: int
    verdict: str
    completion: str
    answer: str | None
    message: str

    @property
    def correct(self) -> bool:
        """Whether the verdict is `correct`."""
        return self.verdict == "correct"


def after_failures(results: Results, table: CompletionsFile) -> list[Dialogue]:
    """The dialogues of a table of retries, fresh attempts or proofs with sub-goals: one of each kind that occurs."""
    kinds = {"retries": _of_retries, "resamples": _of_resamples, "skeletons": _of_skeletons}[table.name.kind](
        results, table
    )
    if not kinds:
        return []
    state = table.name.state
    ids = set(kinds.values())
    first = {row.problem_id: row for row in rows(results.root, paths.ATTEMPTS.format(state=state.name), ids)}
    later: dict[str, list[Row]] = {}
    for row in rows(results.root, table.path, ids):
        later.setdefault(row.problem_id, []).append(row)
    again = paths.REPEATS.format(state=state.name, prompt=table.name.prompt)
    repeats = rows(results.root, again, ids) if LUCKY in kinds and again in results.files else []
    problems = known_problems(results, state)
    signals = _Signals(results, table, problems)
    found = []
    for kind, name in kinds.items():
        if name in problems and name in first:
            shown = _shown(kind, later[name])
            turns = [Turn("problem", problems[name].problem, "", None), turn("first attempt", first[name])]
            failed = first[name]
            for row in shown:
                turns += signals.before(problems[name], failed)
                turns.append(turn(f"retry {row.attempt}" if row.attempt else f"fresh attempt {row.sample}", row))
                failed = row
            if kind == LUCKY:
                turns += [
                    turn(f"retry {row.attempt}, sampled again", row)
                    for row in repeats
                    if (row.problem_id, row.attempt) == (name, failed.attempt)
                ]
            found.append(Dialogue(kind, name, problems[name].gold, turns, max(0, len(later[name]) - len(shown))))
    return found


def after_training(results: Results, state: State) -> list[Dialogue]:
    """A held-out problem that only the trained `state` solves, and one that only its base does, both greedily."""
    base = State(state.role, state.seed)
    before, after = (paths.EVALUATION.format(state=one.name) for one in (base, state))
    if before not in results.files or after not in results.files:
        return []
    solved = [
        {
            row["problem_id"]: row["verdict"] == "correct"
            for row in _keys(results.root, path)
            if row["decoding"] == "greedy"
        }
        for path in (before, after)
    ]
    common = sorted(solved[0].keys() & solved[1].keys())
    kinds = {
        LEARNED: next((name for name in common if solved[1][name] and not solved[0][name]), None),
        LOST: next((name for name in common if solved[0][name] and not solved[1][name]), None),
    }
    chosen = {kind: name for kind, name in kinds.items() if name is not None}
    if not chosen:
        return []
    ids = set(chosen.values())
    texts = [
        {row.problem_id: row for row in rows(results.root, path, ids, decoding="greedy")} for path in (before, after)
    ]
    problems = known_problems(results, state, held_out=True)
    return [
        Dialogue(
            kind,
            name,
            problems[name].gold,
            [
                Turn("problem", problems[name].problem, "", None),
                turn("the untrained base", texts[0][name]),
                turn("after training", texts[1][name]),
            ],
            0,
        )
        for kind, name in chosen.items()
        if name in problems
    ]


def turn(who: str, row: Row) -> Turn:
    """A model's turn."""
    return Turn(who, row.completion, row.verdict, row.answer)


def rows(root: Path, path: str, ids: Iterable[str], decoding: str | None = None) -> list[Row]:
    """The completions of problems `ids` in the table at `root`/`path`, in order of attempt and sample."""
    chosen: list[Any] = [("problem_id", "in", sorted(ids))]
    if decoding is not None:
        chosen.append(("decoding", "=", decoding))
    names = set(pq.read_schema(root / path).names)
    wanted = [name for name in (*_KEYS, "completion", "answer", "message") if name in names]
    found = pq.read_table(root / path, columns=wanted, filters=chosen).to_pylist()
    ordered = sorted(found, key=lambda row: (row["problem_id"], row["attempt"], row["sample"]))
    return [
        Row(
            row["problem_id"],
            row["attempt"],
            row["sample"],
            row["verdict"],
            row["completion"],
            row["answer"],
            row.get("message") or "",
        )
        for row in ordered
    ]


def known_problems(results: Results, state: State, held_out: bool = False) -> dict[str, Problem]:
    """The problems that `state` is sampled on, by id."""
    if state.role == PROVER:
        path = paths.THEOREMS_EVAL if held_out else paths.THEOREMS
    else:
        path = paths.EVAL if held_out else paths.TRAIN
    if path not in results.problems:
        results.problems[path] = {problem.problem_id: problem for problem in iter_problems(results.root / path)}
    return results.problems[path]


def _keys(root: Path, path: str) -> list[dict[str, Any]]:
    """Everything but the texts of a table."""
    found: list[dict[str, Any]] = pq.read_table(root / path, columns=list(_KEYS)).to_pylist()
    return found


def _by_problem(root: Path, path: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _keys(root, path):
        found.setdefault(row["problem_id"], []).append(row)
    return {name: sorted(found[name], key=lambda row: (row["attempt"], row["sample"])) for name in sorted(found)}


def _of_retries(results: Results, table: CompletionsFile) -> dict[str, str]:
    """Kind -> problem: the first problem, by id, of each kind; no problem serves twice."""
    again = paths.REPEATS.format(state=table.name.state.name, prompt=table.name.prompt)
    own = table.name.writer == table.name.state.role  # only a model's own retries are repeated
    repeats = _keys(results.root, again) if own and again in results.files else []
    repeated = {(row["problem_id"], row["attempt"]): row["verdict"] == "correct" for row in repeats}
    chosen: dict[str, str] = {}
    for name, tries in _by_problem(results.root, table.path).items():
        last = tries[-1]
        if last["verdict"] != "correct":
            chosen.setdefault(FAILURE, name)
        elif last["attempt"] <= _SHOWN:  # else the success would not be seen
            chosen.setdefault(SUCCESS if repeated.get((name, last["attempt"]), True) else LUCKY, name)
    return {kind: chosen[kind] for kind in (SUCCESS, FAILURE, LUCKY) if kind in chosen}


def _of_resamples(results: Results, table: CompletionsFile) -> dict[str, str]:
    first = _keys(results.root, paths.ATTEMPTS.format(state=table.name.state.name))
    failed = {row["problem_id"] for row in first if row["verdict"] != "correct"}
    chosen: dict[str, str] = {}
    for name, tries in _by_problem(results.root, table.path).items():
        if name in failed:
            chosen.setdefault(FRESH if any(row["verdict"] == "correct" for row in tries) else NEVER, name)
    return {kind: chosen[kind] for kind in (FRESH, NEVER) if kind in chosen}


def _of_skeletons(results: Results, table: CompletionsFile) -> dict[str, str]:
    for name, tries in _by_problem(results.root, table.path).items():
        if any(row["verdict"] == "correct" for row in tries):
            return {SHOWN_GOALS: name}
    return {}


def _shown(kind: str, tries: Sequence[Row]) -> list[Row]:
    """The later attempts that a dialogue shows."""
    if kind in (FRESH, SHOWN_GOALS):
        return [next(row for row in tries if row.correct)]
    return list(tries[: 1 if kind == NEVER else _SHOWN])


class _Signals:
    """What was said to the model before an attempt, in the words that it was given."""

    def __init__(self, results: Results, table: CompletionsFile, problems: Mapping[str, Problem]) -> None:
        self.kind = table.name.kind
        prover = table.name.state.role == PROVER
        scale = results.scale["prover" if prover else "retry"]
        self.template = scale["prompts"].get(table.name.prompt, "")
        self.prompts = LeanPrompts(scale["prompts"], scale["error_characters"]) if prover else None
        self.seed = table.name.state.seed
        self.golds = [(problem.problem_id, problem.gold) for problem in problems.values()]

    def before(self, problem: Problem, failed: Row) -> list[Turn]:
        """The turn before the next attempt; fresh attempts are told nothing."""
        if self.kind == "resamples":
            return []
        if self.kind == "skeletons" and self.prompts is not None:
            goals = skeletons([problem]).get(problem.problem_id, ())
            return [Turn("sub-goals", self.prompts.skeleton(goals), "", None)] if goals else []
        if self.prompts is not None:
            said = with_error(self.template, failed.message, self.prompts.error_characters)
        else:
            needed = "wrong" in placeholders(self.template)
            wrong = other_answer(problem.problem_id, problem.gold, self.golds, self.seed) if needed else ""
            said = fill(self.template, gold=problem.gold, wrong_answer=wrong)
        return [Turn("signal", said, "", None)]
