"""A few real dialogues: what fails, what is said to it, what comes then. Chosen by rule, not by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.completions import CompletionRow, read_completions
from piretry.data.schema import Problem, iter_problems
from piretry.grid import paths
from piretry.grid.names import PROVER, ROLES
from piretry.lean_prompts import shown_error
from piretry.report.completions import CompletionsFile
from piretry.report.parts import anchors
from piretry.report.results import Results


@dataclass(frozen=True)
class Turn:
    """One turn: who speaks, the text (of a dataset or a model: untrusted), and the verdict on it."""

    who: str
    text: str
    verdict: str
    answer: str | None


@dataclass(frozen=True)
class Example:
    """One dialogue. `kind` says what it is an example of."""

    kind: str
    problem_id: str
    gold: str
    turns: list[Turn]
    more: int


def view(results: Results) -> dict[str, Any]:
    """Groups of dialogues, one of each kind that occurs: from the first base with retries after the bare prompt, and
    from the prover where its retries were shown the type checker's error.
    """
    retries = results.tables_of("retries")
    answers = [table for table in retries if table.name.state.role != PROVER]
    proofs = [table for table in retries if table.name.state.role == PROVER]
    first = [min(answers, key=_rank)] if answers else []
    first += [min(proofs, key=lambda table: (table.name.prompt != "error", *_rank(table)))] if proofs else []
    return {"groups": [_group(results, table) for table in first]}


def _group(results: Results, table: CompletionsFile) -> dict[str, Any]:
    root, state, prompt = results.root, table.name.state.name, table.name.prompt
    first, again = paths.ATTEMPTS.format(state=state), paths.REPEATS.format(state=state, prompt=prompt)
    attempts = {row.problem_id: row for row in read_completions(root / first)}
    retries: dict[str, list[CompletionRow]] = {}
    for row in read_completions(root / table.path):
        retries.setdefault(row.problem_id, []).append(row)
    repeated = read_completions(root / again) if again in results.files else []
    repeats = {(row.problem_id, row.attempt): row for row in repeated}
    kinds = _choose(retries, repeats)
    wanted = set(kinds.values())
    proofs = table.name.state.role == PROVER
    source = paths.THEOREMS if proofs else paths.TRAIN
    problems = {p.problem_id: p for p in iter_problems(root / source) if p.problem_id in wanted}
    signal = (results.scale["prover"] if proofs else results.scale["retry"])["prompts"][prompt]
    shown = results.scale["prover"]["error_characters"] if proofs else None
    examples = [
        _example(kind, problems[name], attempts[name], retries[name], signal, shown, repeats)
        for kind, name in kinds.items()
        if name in problems and name in attempts
    ]
    files = [first, table.path, *([again] if repeated else [])]
    return {
        "examples": examples,
        "state": state,
        "proofs": proofs,
        "files": [(path, anchors.record(path)) for path in files],
    }


def _rank(table: CompletionsFile) -> tuple[object, ...]:
    """Which retries come first: a base's own after the bare prompt, of the smallest role, at the smallest seed."""
    name = table.name
    state = name.state
    own = name.writer == state.role
    return (ROLES.index(state.role), not state.is_base, name.prompt != "bare", not own, state.seed, table.path)


_SUCCESS = "It fails, is told so, and succeeds"
_FAILURE = "It fails, is told so, and fails again"
_SHOWN = 2  # retries of one dialogue; the rest is counted
_LUCKY = "It succeeds on a retry, but the same dialogue sampled once more fails: a lucky guess"


def _choose(retries: dict[str, list[CompletionRow]], repeats: dict[tuple[str, int], CompletionRow]) -> dict[str, str]:
    """Kind -> problem: the first problem, by id, of each kind; no problem serves twice."""
    chosen: dict[str, str] = {}
    for name in sorted(retries):
        last = max(retries[name], key=lambda row: row.attempt)
        if last.correct and last.attempt > _SHOWN:
            continue  # the success would not be seen
        again = repeats.get((name, last.attempt))
        if last.correct and again is not None and not again.correct:
            kind = _LUCKY
        elif last.correct:
            kind = _SUCCESS
        else:
            kind = _FAILURE
        chosen.setdefault(kind, name)
    return {kind: chosen[kind] for kind in (_SUCCESS, _FAILURE, _LUCKY) if kind in chosen}


def _example(
    kind: str,
    problem: Problem,
    first: CompletionRow,
    retries: list[CompletionRow],
    signal: str,
    shown: int | None,
    repeats: dict[tuple[str, int], CompletionRow],
) -> Example:
    turns = [Turn("problem", problem.problem, "", None), _turn("first attempt", first)]
    ordered = sorted(retries, key=lambda row: row.attempt)
    failed = first
    for row in ordered[:_SHOWN]:
        said = signal.replace("{error}", shown_error(failed.message, shown)) if shown else signal
        turns += [Turn("signal", said, "", None), _turn(f"retry {row.attempt}", row)]
        failed = row
    again = repeats.get((problem.problem_id, ordered[-1].attempt))
    if kind == _LUCKY and again is not None:
        turns.append(_turn(f"retry {again.attempt}, sampled again", again))
    return Example(kind, problem.problem_id, problem.gold, turns, max(0, len(ordered) - _SHOWN))


def _turn(who: str, row: CompletionRow) -> Turn:
    return Turn(who, row.completion, row.verdict, row.answer)
