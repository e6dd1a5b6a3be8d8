"""Several theorems in one Lean process, and fewer of them where one spoils the file for the others.

A file counts only when it was read to the end: the checker's last theorem has answered and Lean ended by itself. Where
a theorem hangs, ends the process or swallows what follows it, it is the first without an answer: it is checked alone,
and those before and behind it in files of their own (in halves, where Lean's output gives no hint). So one bad proof
costs its neighbours a second check, not a verdict.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from piretry.verifiers.lean.messages import Message, clean, cut, error_text, parse_message
from piretry.verifiers.lean.pool import LeanPool
from piretry.verifiers.lean.process import Job, Outcome
from piretry.verifiers.lean.sandbox import Sandbox
from piretry.verifiers.lean.sheet import Entry, Part, Sheet, sheet
from piretry.verifiers.lean.toolchain import Toolchain

#: A process that already runs is worth as much as this many checks of small terms (measured: 50 ms against 2 ms).
_LEAST = 16
OPTIONS = ("--json", "-Dlinter.all=false")


@dataclass(frozen=True)
class Limits:
    """`timeout_s` for one proof on the wall clock, `memory_mb` of address space for one process."""

    timeout_s: float
    memory_mb: int


@dataclass(frozen=True)
class Checked:
    """What Lean says of one theorem.

    `axioms` is None when the question for them was not answered; `clean` says that in the whole file there was no
    error and no sorry, and that Lean's exit status was 0; `failed` is ``timeout`` or ``crash`` where the theorem alone
    could not be checked to the end, ``header`` where Lean did not get as far as the first theorem.
    """

    errors: tuple[Message, ...] = ()
    text: str = ""
    sorry: bool = False
    axioms: tuple[str, ...] | None = None
    clean: bool = False
    failed: str | None = None


class Bench:
    """What every check needs: toolchain, pool, cage, limits, the compiled library and a scratch folder."""

    def __init__(
        self,
        toolchain: Toolchain,
        pool: LeanPool,
        sandbox: Sandbox,
        limits: Limits,
        scratch: Path,
        library: Path | None,
    ) -> None:
        self.toolchain, self.pool, self.sandbox, self.limits = toolchain, pool, sandbox, limits
        self.scratch, self.library = scratch, library

    def folder(self) -> Path:
        """Return a new, empty folder below the scratch folder."""
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def job(
        self, folder: Path, arguments: Sequence[str], proofs: int, task: object, paths: Iterable[Path] = (),
        program: tuple[str, ...] | None = None,
    ) -> Job:  # fmt: skip
        """Return the call of Lean (or of `program`) with `arguments` in `folder`, caged, for so many proofs."""
        total = self.toolchain.start_s + proofs * self.limits.timeout_s
        command = (*(program or self.toolchain.command), *arguments)
        known = [path for path in (*paths, self.library) if path is not None]
        environment = self.toolchain.lean_path(*known) | {"HOME": str(folder), "TMPDIR": str(folder)}
        return Job(
            self.sandbox.wrap(command, self.limits.memory_mb, cpu_s=int(4 * total) + 60),
            folder, environment, self.toolchain.start_s, self.limits.timeout_s, total, task,
        )  # fmt: skip


@dataclass
class _Batch:
    indices: list[int]
    sheet: Sheet
    folder: Path


def check_entries(bench: Bench, entries: Sequence[Entry], most: int) -> list[Checked]:
    """Check each of `entries`, at most `most` in a process; the result has their order."""
    results: dict[int, Checked] = {}

    def job(indices: list[int]) -> Job:
        batch = _Batch(indices, sheet([entries[index] for index in indices]), bench.folder())
        (batch.folder / "Check.lean").write_text(batch.sheet.text, encoding="utf-8")
        return bench.job(batch.folder, [*OPTIONS, "Check.lean"], len(indices), batch)

    def followers(done: Job, outcome: Outcome) -> list[Job]:
        batch: _Batch = done.task
        shutil.rmtree(batch.folder, ignore_errors=True)
        messages = [message for line in outcome.lines if (message := parse_message(line))]
        sheet = batch.sheet
        if outcome.ended and sheet.end.axioms(messages) == ():
            whole = _whole(sheet, messages, outcome)
            for index, part in zip(batch.indices, sheet.parts, strict=True):
                own = [message for message in messages if part.holds(message)]
                errors = tuple(message for message in own if message.is_error)
                text = error_text(errors, part.proof, _names(part))
                sorry = any(message.is_sorry for message in own)
                results[index] = Checked(errors, text, sorry, part.axioms(messages), whole)
            return []
        if len(batch.indices) == 1:
            results[batch.indices[0]] = _failure(sheet, messages, outcome)
            return []
        answered = [part.axioms(messages) is not None for part in sheet.parts]
        suspect = answered.index(False) if False in answered else len(answered) // 2
        if sheet.begin.axioms(messages) is None:  # not a word, perhaps for want of line buffering: halve
            half = len(batch.indices) // 2
            return [job(batch.indices[:half]), job(batch.indices[half:])]
        ranges = [batch.indices[:suspect], batch.indices[suspect : suspect + 1], batch.indices[suspect + 1 :]]
        return [job(indices) for indices in ranges if indices]

    by_header: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        by_header[entry.header].append(index)
    chunks = [chunk for indices in by_header.values() for chunk in _chunks(indices, most, bench.pool.workers)]
    bench.pool.run((job(chunk) for chunk in chunks), followers)
    return [results[index] for index in range(len(entries))]


def _chunks(indices: list[int], most: int, workers: int) -> list[list[int]]:
    """Split into parts of at most `most`, of equal size, and as many as there are workers where that pays."""
    parts = max(-(-len(indices) // most), min(workers, len(indices) // _LEAST), 1)
    size = -(-len(indices) // parts)
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _names(part: Part) -> list[tuple[str, str]]:
    """What an error text should say instead of the checker's own words: where a proof breaks off comes its question."""
    return [(part.name, "the theorem"), ("unexpected token '#print'", "unexpected end of input")]


def _whole(sheet: Sheet, messages: Sequence[Message], outcome: Outcome) -> bool:
    quiet = not any(message.is_error or message.is_sorry for message in messages)
    return quiet and outcome.status == 0 and sheet.begin.axioms(messages) == () and len(messages) == len(outcome.lines)


def _failure(sheet: Sheet, messages: Sequence[Message], outcome: Outcome) -> Checked:
    """The result of a theorem that was checked alone and not to the end."""
    errors = tuple(message for message in messages if message.is_error)
    text = error_text(errors, sheet.parts[0].proof, _names(sheet.parts[0]))
    if outcome.killed == "silence":
        return Checked(errors, text, failed="timeout")
    said = text or cut(clean(outcome.stderr))
    if sheet.begin.axioms(messages) != ():
        return Checked(errors, said, failed="header")
    if outcome.ended:  # the file was read, but the proof swallowed what follows it
        return Checked(errors, text or "The proof does not end where it should.")
    return Checked(errors, said, failed="crash")
