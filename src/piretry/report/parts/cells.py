"""Every cell and base that was run, in plain means over its seeds, and what its retries yielded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from piretry.grid import paths
from piretry.grid.names import ROLES, State
from piretry.report.completions import CompletionsFile, Group
from piretry.report.numbers import NOTHING, number, percent
from piretry.report.parts import anchors
from piretry.report.results import Results


@dataclass(frozen=True)
class CellRow:
    """One series: means over its seeds, as text. `links` lead to the evaluation of each seed."""

    series: str
    seeds: list[tuple[int, str]]
    examples: str
    sampled: str
    greedy: str
    no_answer: str
    truncated: str
    tokens: str


@dataclass(frozen=True)
class RetryRow:
    """One file of retries per seed, taken together: failures and the share solved within 1, 2 … K retries."""

    series: str
    prompt: str
    writer: str
    failures: int
    solved: list[str]


def view(results: Results) -> dict[str, Any]:
    """`rows` for the series in the order of the grid, and `retries` with as many columns as the largest K."""
    series: dict[str, list[State]] = {}
    for file in results.tables_of("eval"):
        series.setdefault(file.name.state.series, []).append(file.name.state)
    states = sorted(series.values(), key=lambda found: _order(found[0]))
    retries = _retries(results)
    most = max((len(row.solved) for row in retries), default=0)
    return {
        "rows": [_row(results, found) for found in states],
        "retries": retries,
        "indices": list(range(1, most + 1)),
    }


def _row(results: Results, states: list[State]) -> CellRow:
    states = sorted(states, key=lambda state: state.seed)
    paths_ = [paths.EVALUATION.format(state=state.name) for state in states]
    files = [results.files[path] for path in paths_]
    return CellRow(
        series=states[0].series,
        seeds=[(state.seed, anchors.record(path)) for state, path in zip(states, paths_, strict=True)],
        examples=_examples(results, states),
        sampled=_share(files, "sampled", lambda group: group.correct),
        greedy=_share(files, "greedy", lambda group: group.correct),
        no_answer=_share(files, "sampled", lambda group: group.verdict == "no_answer"),
        truncated=_share(files, "sampled", lambda group: group.finish_reason != "stop"),
        tokens=_mean_tokens(files),
    )


def _order(state: State) -> tuple[object, ...]:
    """Bases before cells, roles as the grid lists them."""
    arm = state.arm
    return (
        ROLES.index(state.role),
        *((0,) if arm is None else (1, arm.method, arm.tuning, arm.k, arm.prompt, arm.round)),
    )


def _examples(results: Results, states: Iterable[State]) -> str:
    """Training examples of the cell, the mean over its seeds, from the records of its SFT sets."""
    found = []
    for state in states:
        record = results.records.by_path.get(paths.SFT.format(state=state.name))
        if record is not None and "examples" in record.cost.counters:
            found.append(record.cost.counters["examples"])
    return number(fmean(found), digits=0) if found else NOTHING


def _share(files: list[CompletionsFile], decoding: str, keep: Callable[[Group], bool]) -> str:
    parts = []
    for file in files:
        total = file.rows(lambda group: group.decoding == decoding)
        if total:
            parts.append(100 * file.rows(lambda group: group.decoding == decoding and keep(group)) / total)
    return f"{number(fmean(parts), digits=1)}%" if parts else NOTHING


def _mean_tokens(files: list[CompletionsFile]) -> str:
    groups = [group for file in files for group in file.groups if group.decoding == "sampled"]
    rows = sum(group.rows for group in groups)
    return number(sum(group.completion_tokens for group in groups) / rows, digits=1) if rows else NOTHING


def _retries(results: Results) -> list[RetryRow]:
    """Retry files of all seeds of a series, prompt and writer taken together."""
    together: dict[tuple[str, str, str], list[CompletionsFile]] = {}
    for file in results.tables_of("retries"):
        name = file.name
        writer = name.writer if name.writer != name.state.role else "the model itself"
        together.setdefault((name.state.series, name.prompt, writer), []).append(file)
    rows = []
    ordered = sorted(together.items(), key=lambda item: (_order(State.of(item[0][0], 0)), item[0]))
    for (series, prompt, writer), files in ordered:
        groups = [group for file in files for group in file.groups]
        # Every problem that failed at first is retried once at least.
        failures = sum(group.rows for group in groups if group.attempt == 1)
        most = max((group.attempt for group in groups), default=0)
        solved = [
            percent(sum(g.rows for g in groups if g.correct and g.attempt <= k), failures) for k in range(1, most + 1)
        ]
        rows.append(RetryRow(series, prompt, writer, failures, solved))
    return rows
