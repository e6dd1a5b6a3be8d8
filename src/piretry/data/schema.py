"""The problem table: what a problem is, and its parquet file.

Every loader makes `Problem`s, every stage reads them. The file is byte-deterministic: the same problems in
the same order give the same bytes, whatever made them (with the same pyarrow, whose version is in the file's
footer).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from piretry.errors import PiretryError

PROBLEM_SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),  # unique in a file, the same in every run
        pa.field("problem", pa.string(), nullable=False),  # the question, as the dataset has it
        pa.field("gold", pa.string(), nullable=False),  # the final answer, without \boxed{}
        pa.field("solution", pa.string(), nullable=True),  # the worked solution, where the dataset has one
        pa.field("source", pa.string(), nullable=False),  # where the dataset took the problem from
        pa.field("split", pa.string(), nullable=False),  # the dataset's own split
    ]
)
# Rows of a row group. Part of the bytes of a file, so it is fixed here and no setting.
_GROUP = 50_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with its answer; the fields are the columns of PROBLEM_SCHEMA."""

    problem_id: str
    problem: str
    gold: str
    solution: str | None
    source: str
    split: str


def content_id(prefix: str, *parts: str) -> str:
    """A stable id for a row whose dataset gives none: `prefix` and 80 bits of the sha256 of its `parts`.

    With 860,000 rows two ids collide with a probability of 3e-13.
    """
    return f"{prefix}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]}"


def fingerprint(problems: Iterable[Problem]) -> str:
    """The sha256 of a set of problems: of their contents, not of a file's bytes.

    Each row is hashed as canonical JSON, and the sorted row hashes are hashed: the order of the rows, the
    encoding of the file and the version of its writer do not matter; every character of every field does.
    """
    rows = sorted(
        hashlib.sha256(json.dumps(_values(problem), separators=(",", ":")).encode()).digest() for problem in problems
    )
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row)
    return digest.hexdigest()


def write_problems(path: Path, problems: Iterable[Problem]) -> int:
    """Write `problems` in the order given and return their number; the file appears whole or not at all.

    Raises PiretryError when a problem is not valid (see `read_problems`) or the file cannot be written.
    """
    return write_table(path, PROBLEM_SCHEMA, _checked(problems, f"{path} was not written: "))


def read_problems(path: Path) -> list[Problem]:
    """All problems of a file, in its order.

    Raises PiretryError, naming the file and the row, when the file is absent, is no whole parquet file, has
    other columns, or has a row with an id seen before or an empty id, problem or gold.
    """
    return list(iter_problems(path))


def iter_problems(path: Path) -> Iterator[Problem]:
    """The problems of a file one by one, checked as by `read_problems`: for tables larger than memory."""
    yield from _checked((Problem(*row) for row in table_rows(path, PROBLEM_SCHEMA, "problem table")), f"{path}: ")


def write_table(path: Path, schema: pa.Schema, rows: Iterable[object]) -> int:
    """Write dataclass `rows`, whose fields are the columns of `schema`, and return their number.

    Compression, encoding and row groups are fixed and the file carries no time stamp: equal rows give equal
    bytes.
    """
    count = 0
    iterator = iter(rows)
    with (
        whole_file(path) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        while chunk := [_values(row) for row in islice(iterator, _GROUP)]:
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=_GROUP)
            count += len(chunk)
    return count


def table_rows(path: Path, schema: pa.Schema, what: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a parquet file that must have the columns of `schema`, as tuples in its order.

    Raises PiretryError when the file is absent, corrupt or has other columns; `what` names its kind.
    """
    if not path.is_file():
        raise PiretryError(f"{path} does not exist: a {what} (parquet) was expected there.")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _same_columns(path, file.schema_arrow, schema, what)
            for batch in file.iter_batches(batch_size=8192):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise PiretryError(
            f"{path} is not a whole parquet file ({_first_line(error)}). It is damaged or was cut short: "
            "delete it and make it again."
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; it replaces `path` when the block ends well, else it is removed.

    Raises PiretryError when the folder cannot be written or the disk is full.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise PiretryError(
            f"{path} cannot be written ({error.strerror or _first_line(error)}). Free some space or choose "
            "a folder that you may write to."
        ) from error
    finally:
        with suppress(OSError):  # a folder that cannot be written holds no partial file either
            partial.unlink(missing_ok=True)


def _values(row: object) -> tuple[object, ...]:
    if isinstance(row, Problem):  # astuple copies deeply, which takes ten times as long
        return (row.problem_id, row.problem, row.gold, row.solution, row.source, row.split)
    return astuple(row)  # type: ignore[call-overload]


def _checked(problems: Iterable[Problem], prefix: str) -> Iterator[Problem]:
    """`problems` as they are; PiretryError at the first that may not stand in a table."""
    seen: dict[str, int] = {}
    for number, problem in enumerate(problems, start=1):
        for field in PROBLEM_SCHEMA:
            value = getattr(problem, field.name)
            if value is None and field.nullable:
                continue
            if not isinstance(value, str):
                raise PiretryError(f"{prefix}row {number}: {field.name} is {value!r}, but must be text.")
            if not value.strip() and field.name in ("problem_id", "problem", "gold"):
                raise PiretryError(f"{prefix}row {number}: {field.name} is empty{_named(problem)}.")
        if problem.problem_id in seen:
            raise PiretryError(
                f"{prefix}row {number}: the problem_id {problem.problem_id!r} is that of row "
                f"{seen[problem.problem_id]} too. Ids must differ: completions and verdicts are joined on "
                "them."
            )
        seen[problem.problem_id] = number
        yield problem


def _named(problem: Problem) -> str:
    return f" (problem_id {problem.problem_id!r})" if problem.problem_id else ""


def _same_columns(path: Path, found: pa.Schema, expected: pa.Schema, what: str) -> None:
    lacking = [name for name in expected.names if name not in found.names]
    if lacking or found.names != expected.names:
        problem = f"lacks {', '.join(lacking)}" if lacking else "has others or another order"
        raise PiretryError(
            f"{path} is not a {what}: it {problem}. Its columns are {', '.join(found.names)}; expected are "
            f"{', '.join(expected.names)}."
        )
    for field in expected:
        if found.field(field.name).type != field.type:
            raise PiretryError(
                f"{path} is not a {what}: column {field.name} is {found.field(field.name).type}, expected {field.type}."
            )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
