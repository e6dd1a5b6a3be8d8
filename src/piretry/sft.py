"""The table of training examples of a cell, `sft.parquet`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from piretry.engines.base import Message

SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),  # JSON list of turns
        pa.field("completion", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),  # first | retry | fresh | skeleton
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class SftRow:
    """One training example: the turns before the answer, and the answer."""

    problem_id: str
    prompt: tuple[Message, ...]
    completion: str
    origin: str
    attempt: int
    sample: int


def write_sft(path: Path, rows: Sequence[SftRow]) -> None:
    """Write the examples in the given order, with fixed encoding."""
    columns = {
        "problem_id": [row.problem_id for row in rows],
        "prompt": [json.dumps(list(row.prompt), sort_keys=True) for row in rows],
        "completion": [row.completion for row in rows],
        "origin": [row.origin for row in rows],
        "attempt": [row.attempt for row in rows],
        "sample": [row.sample for row in rows],
    }
    pq.write_table(pa.table(columns, schema=SCHEMA), path, compression="zstd", write_statistics=False)


def read_sft(path: Path) -> list[SftRow]:
    """Read a table written by `write_sft`."""
    rows = pq.read_table(path, schema=SCHEMA).to_pylist()
    return [SftRow(**{**row, "prompt": tuple(json.loads(row["prompt"]))}) for row in rows]
