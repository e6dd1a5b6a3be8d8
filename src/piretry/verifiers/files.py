"""Grade a file of completions: JSON lines in, the same rows with their verdicts out."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from piretry.errors import PiretryError
from piretry.verifiers.base import GradeRequest, Verdict, Verifier

_CHUNK = 5000  # rows graded at a time: bounds memory on files of millions of rows
_REQUIRED = ("id", "gold", "completion")


@dataclass(frozen=True)
class FileSummary:
    """What was graded: rows read and written, verdicts by name, how often the two opinions differ, the
    verifier.
    """

    rows: int
    written: int
    verdicts: dict[str, int]
    disagreements: int
    verifier: str


def grade_file(
    source: Path,
    target: Path | None,
    verifier: Verifier | None = None,
    *,
    workers: int = 1,
    timeout_s: float = 5.0,
    cache: Path | None = None,
    disagreements_only: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FileSummary:
    """Grade the rows {id, gold, completion[, finish_reason]} of `source` and write them to `target`.

    Each written row keeps its keys and gains `answer`, `verdict`, `verifier` and `second_opinion`; with
    `disagreements_only` only rows on which exactly one opinion says "correct" are written. Without a target the rows
    go to standard output. `verifier` defaults to a MathVerifier with the given `workers`, `timeout_s` and `cache`.
    `progress` is called with the number of rows done after each chunk. The target appears whole or not at all;
    `source` and `target` may be one file. Bytes that are not UTF-8 reach the grader as lone surrogates and are written
    as JSON escapes.

    Raises PiretryError for a file that cannot be read or written and for a row that is no such object, naming its line.
    """
    with ExitStack() as stack:
        if verifier is None:
            from piretry.verifiers.math import MathVerifier

            verifier = stack.enter_context(MathVerifier(workers=workers, timeout_s=timeout_s, cache=cache))
        if target is None:
            return _grade_rows(Path(source), sys.stdout, verifier, disagreements_only, progress)
        with _appearing(Path(target)) as output:
            return _grade_rows(Path(source), output, verifier, disagreements_only, progress)


def _grade_rows(
    source: Path,
    output: TextIO,
    verifier: Verifier,
    disagreements_only: bool,
    progress: Callable[[int], None] | None,
) -> FileSummary:
    verdicts: Counter[str] = Counter()
    rows = written = disagreements = 0
    reader = _rows(source)
    while chunk := list(islice(reader, _CHUNK)):
        grades = verifier.grade([request for _, request in chunk])
        for (row, _), grade in zip(chunk, grades, strict=True):
            verdicts[grade.verdict] += 1
            disagreements += grade.disagreement
            if disagreements_only and not grade.disagreement:
                continue
            row |= {"answer": grade.answer, "verdict": grade.verdict, "verifier": grade.verifier}
            output.write(json.dumps(row | {"second_opinion": grade.second_opinion}) + "\n")
            written += 1
        rows += len(chunk)
        if progress is not None:
            progress(rows)
    counts = {str(verdict): verdicts[verdict] for verdict in Verdict if verdicts[verdict]}
    return FileSummary(rows, written, counts, disagreements, verifier.version)


@contextmanager
def _appearing(target: Path) -> Iterator[TextIO]:
    """Open a file that takes the name `target` when the block ends well, and leaves nothing otherwise."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise PiretryError(
            f"{target}: cannot write there ({error.strerror}). Name a file in a writable folder."
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
        os.umask(mask := os.umask(0))
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except OSError as error:
        raise PiretryError(
            f"{target}: could not be written ({error.strerror}). Free space or name another file."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _rows(source: Path) -> Iterator[tuple[dict[str, Any], GradeRequest]]:
    """Yield each row of `source` with its request; blank lines are skipped."""
    try:
        with source.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _row(line, f"{source}, line {number}")
    except OSError as error:
        raise PiretryError(
            f"{source}: cannot be read ({error.strerror}). Expected a file with one JSON object a line, with the keys "
            "id, gold and completion."
        ) from error


def _row(line: str, place: str) -> tuple[dict[str, Any], GradeRequest]:
    expected = 'expected one JSON object with the keys "id", "gold" and "completion"'
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise PiretryError(f"{place}: not JSON ({why}); {expected}. Mend or remove the line.") from error
    if not isinstance(row, dict):
        raise PiretryError(f"{place}: a JSON {type(row).__name__}; {expected}.")
    missing = [key for key in _REQUIRED if key not in row]
    if missing:
        raise PiretryError(
            f"{place}: the key {missing[0]!r} is missing (there are: {', '.join(map(repr, row))}); {expected}."
        )
    reason = row.get("finish_reason")
    for key, value in (("gold", row["gold"]), ("completion", row["completion"]), ("finish_reason", reason)):
        if not isinstance(value, str) and not (key == "finish_reason" and value is None):
            raise PiretryError(
                f"{place}: {key!r} is {value!r:.80}, a {type(value).__name__}, "
                "but must be a string. Write numbers in quotes."
            )
    request = GradeRequest(str(row["id"]), row["gold"], row["completion"], "stop" if reason is None else reason)
    return row, request
