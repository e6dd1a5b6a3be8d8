"""A few real dialogues: what fails, what is said to it, what comes then. Chosen by rule, not by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.completions import CompletionRow, read_completions
from piretry.data.schema import Problem, iter_problems
from piretry.grid import paths
from piretry.grid.names import ROLES, State
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
    """One dialogue of each kind that occurs, from the first base with retries after the bare prompt."""
    found = _first_retries(results)
    if found is None:
        return {"examples": [], "state": "", "files": []}
    root, record = results.root, results.records.by_path[found]
    inputs = {entry.role: entry.path for entry in record.inputs}
    state, signal = str(record.settings["state"]), str(record.settings["template"])
    attempts = {row.problem_id: row for row in read_completions(root / inputs["attempts"])}
    retries: dict[str, list[CompletionRow]] = {}
    for row in read_completions(root / found):
        retries.setdefault(row.problem_id, []).append(row)
    again = paths.REPEATS.format(state=state, prompt=record.settings["prompt"])
    repeats = {
        (row.problem_id, row.attempt): row for row in (read_completions(root / again) if again in results.files else [])
    }
    kinds = _choose(retries, repeats)
    wanted = set(kinds.values())
    problems = {p.problem_id: p for p in iter_problems(root / inputs["problems"]) if p.problem_id in wanted}
    examples = [
        _example(kind, problems[name], attempts[name], retries[name], signal, repeats)
        for kind, name in kinds.items()
        if name in problems and name in attempts
    ]
    files = [inputs["attempts"], found, *([again] if again in results.files else [])]
    return {"examples": examples, "state": state, "files": [(path, anchors.record(path)) for path in files]}


def _first_retries(results: Results) -> str | None:
    """The retries file to take dialogues from: of a base and with the bare prompt where there is one."""
    found = [path for path in results.records.made_by("retry") if path in results.files]

    def rank(path: str) -> tuple[object, ...]:
        settings = results.records.by_path[path].settings
        state = State.parse(settings["state"])
        return (
            state.role != ROLES[0],
            not state.is_base,
            settings["prompt"] != "bare",
            settings["writer"] != state.name,
            state.seed,
            path,
        )

    return min(found, key=rank, default=None)


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
    repeats: dict[tuple[str, int], CompletionRow],
) -> Example:
    turns = [Turn("problem", problem.problem, "", None), _turn("first attempt", first)]
    ordered = sorted(retries, key=lambda row: row.attempt)
    for row in ordered[:_SHOWN]:
        turns += [Turn("signal", signal, "", None), _turn(f"retry {row.attempt}", row)]
    again = repeats.get((problem.problem_id, ordered[-1].attempt))
    if kind == _LUCKY and again is not None:
        turns.append(_turn(f"retry {again.attempt}, sampled again", again))
    return Example(kind, problem.problem_id, problem.gold, turns, max(0, len(ordered) - _SHOWN))


def _turn(who: str, row: CompletionRow) -> Turn:
    return Turn(who, row.completion, row.verdict, row.answer)
