"""Real transcripts for every cell: what it was trained on, and what the training changed on held-out problems.

Chosen by rule, not by eye: of each kind the first by problem id, at the smallest seed. Cells that learn from the same
completions share those dialogues, which stand on the page once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from piretry.grid.names import PROVER, ROLES, State
from piretry.report.completions import CompletionsFile
from piretry.report.parts import anchors
from piretry.report.parts.dialogues import Dialogue, after_failures, after_training
from piretry.report.results import Results

MOST = 340  # dialogues on the page
CHARACTERS = 600_000  # of all texts together; each turn gets its share, but 4,000 at most
_LONGEST, _SHORTEST = 4000, 240


@dataclass(frozen=True)
class Group:
    """Dialogues of one table, and the cells that they are examples of."""

    title: str
    says: str
    cells: tuple[str, ...]
    files: list[tuple[str, str]]
    proofs: bool
    dialogues: list[Dialogue]


def view(results: Results) -> dict[str, Any]:
    """`groups` of dialogues; the `cells` to choose from; `limit` characters of a turn; how many are `left_out`."""
    groups = [*_sources(results), *_trained(results)]
    kept, left_out = _capped(groups, MOST)
    turns = sum(len(dialogue.turns) for group in kept for dialogue in group.dialogues)
    limit = max(_SHORTEST, min(_LONGEST, CHARACTERS // max(1, turns)))
    cells = sorted({cell for group in kept for cell in group.cells}, key=_cell_order)
    amount = sum(len(group.dialogues) for group in kept)
    return {"groups": kept, "cells": cells, "limit": limit, "left_out": left_out, "amount": amount}


def _sources(results: Results) -> Iterator[Group]:
    """What the cells were trained on: retries, fresh attempts, proofs with sub-goals."""
    users = _users(results)
    tables = [table for kind in ("retries", "resamples", "skeletons") for table in results.tables_of(kind)]
    seen = set()
    for table in sorted(tables, key=_rank):
        name = table.name
        key = (name.kind, name.state.series, name.prompt, name.writer)
        if key in seen:
            continue  # another seed of the same
        seen.add(key)
        dialogues = after_failures(results, table)
        if dialogues:
            cells = tuple(sorted(users.get(table.path, ()), key=_cell_order))
            files = [(table.path, anchors.record(table.path))]
            proofs = name.state.role == PROVER
            yield Group(_title(table), _says(table), (name.state.series, *cells), files, proofs, dialogues)


def _trained(results: Results) -> Iterator[Group]:
    """What the training of each cell changed on held-out problems."""
    first: dict[str, CompletionsFile] = {}
    for table in results.tables_of("eval"):
        state = table.name.state
        if not state.is_base and (state.series not in first or state.seed < first[state.series].name.state.seed):
            first[state.series] = table
    for series in sorted(first, key=_cell_order):
        table = first[series]
        dialogues = after_training(results, table.name.state)
        if dialogues:
            says = f"Held-out problems before and after the training, greedy decoding, seed {table.name.state.seed}"
            files = [(table.path, anchors.record(table.path))]
            proofs = table.name.state.role == PROVER
            yield Group(f"{series}, after training", says, (series,), files, proofs, dialogues)


def _users(results: Results) -> dict[str, set[str]]:
    """Path of a completions table -> the cells whose training examples were selected from it."""
    found: dict[str, set[str]] = {}
    for record in results.records.by_path.values():
        if record.stage == "select" and record.state is not None:
            for entry in record.inputs:
                found.setdefault(entry.path, set()).add(record.state.rpartition("/s")[0])
    return found


def _capped(groups: Sequence[Group], most: int) -> tuple[list[Group], int]:
    """At most so many dialogues: one of each group before the second of any, so that every cell keeps some."""
    total = sum(len(group.dialogues) for group in groups)
    rounds = zip_longest(*([(place, d) for d in group.dialogues] for place, group in enumerate(groups)))
    order = [entry for entries in rounds for entry in entries if entry is not None][:most]
    kept = [
        replace(group, dialogues=[dialogue for owner, dialogue in order if owner == place])
        for place, group in enumerate(groups)
    ]
    return [group for group in kept if group.dialogues], total - len(order)


def _title(table: CompletionsFile) -> str:
    name = table.name
    what = {"retries": f"retries, prompt {name.prompt}", "resamples": "fresh attempts", "skeletons": "sub-goals shown"}
    by = f", written by {name.writer}" if name.writer != name.state.role else ""
    return f"{name.state.series}: {what[name.kind]}{by}"


def _says(table: CompletionsFile) -> str:
    return f"What cells are trained on, seed {table.name.state.seed}"


def _rank(table: CompletionsFile) -> tuple[object, ...]:
    """Which dialogues come first: retries of the bases, the bare prompt before the others; seeds by number."""
    name = table.name
    kinds = ("retries", "resamples", "skeletons")
    state = name.state
    own = name.writer == state.role
    arm = () if state.arm is None else (state.arm.name,)
    prompt = ("bare", "error").index(name.prompt) if name.prompt in ("bare", "error") else 2
    return (
        ROLES.index(state.role), not state.is_base, arm, kinds.index(name.kind), prompt, name.prompt, not own,
        name.writer, state.seed, table.path,
    )  # fmt: skip


def _cell_order(series: str) -> tuple[object, ...]:
    state = State.of(series, 0)
    return (ROLES.index(state.role), not state.is_base, "" if state.arm is None else state.arm.name)
