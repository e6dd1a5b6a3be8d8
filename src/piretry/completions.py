"""One table schema for completions everywhere: attempts, resamples, retries, repeats and evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from piretry.errors import PiretryError

SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),  # 0 first answer, 1..K retries
        pa.field("sample", pa.int32(), nullable=False),  # independent samples of the same dialogue, from 0
        pa.field("decoding", pa.string(), nullable=False),  # sampled | greedy
        pa.field("seed", pa.int64(), nullable=False),  # of the request
        pa.field("prompt_digest", pa.string(), nullable=False),  # sha256 of the rendered prompt, 16 hex digits
        pa.field("completion", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),  # stop | length
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("completion_tokens", pa.int32(), nullable=False),
        pa.field("answer", pa.string(), nullable=True),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("second_opinion", pa.string(), nullable=False),
        pa.field("verifier", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),  # of the type checker, bounded; empty for mathematics
    ]
)


@dataclass(frozen=True)
class CompletionRow:
    """A completion with its verdict; the fields are the columns of SCHEMA."""

    problem_id: str
    attempt: int
    sample: int
    decoding: str
    seed: int
    prompt_digest: str
    completion: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    answer: str | None
    verdict: str
    second_opinion: str
    verifier: str
    message: str = ""

    @property
    def correct(self) -> bool:
        """Whether the verdict is `correct`."""
        return self.verdict == "correct"


def write_completions(path: Path, rows: Iterable[CompletionRow]) -> None:
    """Write `rows` in a fixed order with fixed encoding, so that equal rows give equal bytes."""
    ordered = sorted(rows, key=lambda row: (row.problem_id, row.attempt, row.decoding, row.sample))
    columns = {field.name: [getattr(row, field.name) for row in ordered] for field in fields(CompletionRow)}
    pq.write_table(pa.table(columns, schema=SCHEMA), path, compression="zstd", write_statistics=False)


def read_columns(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The columns of a completions table, or all of them; PiretryError when the file cannot be read as one."""
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except (OSError, ValueError) as error:  # Arrow's own errors are kinds of these two
        raise PiretryError(
            f"{path} cannot be read as a completions table ({error}). Delete it and run the workflow again: "
            "only this file and what depends on it are made anew."
        ) from error


def read_completions(path: Path) -> list[CompletionRow]:
    """Read a completions table; PiretryError when the file is not one."""
    table = read_columns(path)
    if table.schema.names != SCHEMA.names:
        raise PiretryError(
            f"{path} has the columns {', '.join(table.schema.names)}; expected {', '.join(SCHEMA.names)}. "
            "It was made by another version: delete it and run the workflow again."
        )
    return [CompletionRow(**row) for row in table.to_pylist()]
