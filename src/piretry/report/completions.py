"""What the page needs of the completions tables: counts and tokens by verdict, never the texts.

A table is read once and reduced to groups, so that a scale with millions of completions fits into memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from piretry.errors import PiretryError
from piretry.grid.names import PROMPTS, ROLES, STATE_PATTERN, State

_TABLE = re.compile(
    rf"(?P<state>{STATE_PATTERN})/(?:(?P<kind>attempts|resamples|skeletons|eval|(?:retries|repeats)(?=-))"
    rf"(?:-(?P<prompt>{'|'.join(PROMPTS)})(?:\.by-(?P<writer>{'|'.join(ROLES)}))?)?)\.parquet"
)
_KEYS = ("attempt", "sample", "decoding", "verdict", "second_opinion", "finish_reason", "verifier")


@dataclass(frozen=True)
class Group:
    """Completions of one table that agree in everything but problem and text."""

    attempt: int
    sample: int
    decoding: str
    verdict: str
    second_opinion: str
    finish_reason: str
    verifier: str
    rows: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def correct(self) -> bool:
        """Whether the verdict is `correct`."""
        return self.verdict == "correct"

    @property
    def disputed(self) -> bool:
        """Whether exactly one of the two opinions is `correct`."""
        return self.correct != (self.second_opinion == "correct")


@dataclass(frozen=True)
class TableName:
    """What the path of a completions table says: of which state and kind, and for retries with which prompt, by whom.

    `kind` is attempts, resamples, skeletons, retries, repeats or eval. `writer` is the role of the model that wrote
    the retries.
    """

    state: State
    kind: str
    prompt: str
    writer: str

    @classmethod
    def parse(cls, path: str) -> TableName | None:
        """The name in `path`, relative to the results folder; None when no completions table of a state lies there."""
        match = _TABLE.fullmatch(path)
        if match is None:
            return None
        state = State.parse(match["state"])
        return cls(state, match["kind"], match["prompt"] or "", match["writer"] or state.role)


@dataclass(frozen=True)
class CompletionsFile:
    """One completions table as groups. `path` is relative to the results folder."""

    path: str
    name: TableName
    groups: tuple[Group, ...]

    def rows(self, keep: Callable[[Group], bool] = lambda group: True) -> int:
        """The number of completions in the groups that `keep` accepts."""
        return sum(group.rows for group in self.groups if keep(group))

    @cached_property
    def verifiers(self) -> tuple[str, ...]:
        """The verifier versions that graded this table."""
        return tuple(sorted({group.verifier for group in self.groups}))


def read_groups(root: Path, path: str, name: TableName) -> CompletionsFile:
    """The completions table at `root`/`path`, called `name`, as groups; PiretryError when it is not one."""
    columns = [*_KEYS, "prompt_tokens", "completion_tokens"]
    try:
        table = pq.read_table(root / path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise PiretryError(
            f"{root / path} cannot be read as a completions table ({str(error).splitlines()[0]}). Delete it and run "
            "the workflow again: only this file and what depends on it are made anew."
        ) from error
    if table.schema.names != columns:
        raise PiretryError(
            f"{root / path} lacks columns of a completions table: it has {', '.join(table.schema.names)}. It was made "
            "by another version: delete it and run the workflow again."
        )
    grouped = table.group_by(list(_KEYS)).aggregate(
        [("verdict", "count"), ("prompt_tokens", "sum"), ("completion_tokens", "sum")]
    )
    groups = [
        Group(
            **{key: row[key] for key in _KEYS},
            rows=row["verdict_count"],
            prompt_tokens=row["prompt_tokens_sum"],
            completion_tokens=row["completion_tokens_sum"],
        )
        for row in grouped.to_pylist()
    ]
    return CompletionsFile(path, name, tuple(sorted(groups, key=lambda g: tuple(getattr(g, key) for key in _KEYS))))
