"""The verifier of Lean proofs: one interface with the verifier of mathematical answers."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from piretry.errors import PiretryError
from piretry.verifiers.base import Grade, GradeRequest, Verdict
from piretry.verifiers.lean.batch import Bench, Limits
from piretry.verifiers.lean.cache import FindingCache, Key
from piretry.verifiers.lean.candidate import Candidate, Kind, file_candidate, term_candidate
from piretry.verifiers.lean.pool import LeanPool
from piretry.verifiers.lean.sandbox import detect_sandbox
from piretry.verifiers.lean.shape import judge_by_shape
from piretry.verifiers.lean.sheet import Entry
from piretry.verifiers.lean.statement import Statement, parse_statement
from piretry.verifiers.lean.terms import Finding, check_proofs, check_statements
from piretry.verifiers.lean.text import answer_text
from piretry.verifiers.lean.toolchain import Toolchain, prelude_text
from piretry.verifiers.lean.whole import File, check_files, placed

Proofs = Literal["term", "file"]
#: the modules of this package whose text decides verdicts
_RULES = (
    "batch",
    "candidate",
    "messages",
    "refusal",
    "sheet",
    "statement",
    "terms",
    "text",
    "verifier",
    "whole",
    "words",
)
_REMEMBERED = 500_000  # findings kept in memory
_log = logging.getLogger(__name__)


@cache
def rules_digest() -> str:
    """Return 8 hexadecimal digits that change whenever the source of a rule of acceptance changes."""
    digest = hashlib.sha256()
    for name in _RULES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()[:8]


class LeanVerifier:
    """Grade completions as proofs of the Lean statement that is their request's `gold`.

    * `toolchain`: see toolchain.py. `proofs`: ``term`` when a completion is one proof term, ``file`` when it is Lean
      text of any kind (tactics that follow the statement, or a whole file).
    * `workers`: Lean processes at a time. `batch`: terms in one process; everything else has processes of its own.
    * `timeout_s`: seconds on the wall clock for one proof. `memory_mb`: address space of one process, mapped modules
      included; None takes the toolchain's own.
    * `cache`: an SQLite file of findings, shared by processes, or None.

    A grade's `message` is the compiler's error text or the reason of a refusal, fit for a prompt; its `second_opinion`
    is the heuristic verifier's. Safe to use from several threads, which take turns.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        proofs: Proofs = "term",
        workers: int = 1,
        timeout_s: float = 10.0,
        memory_mb: int | None = None,
        batch: int = 100,
        cache: Path | None = None,
    ) -> None:
        memory_mb = memory_mb if memory_mb is not None else toolchain.memory_mb
        for name, value, least in (
            ("workers", workers, 1), ("timeout_s", timeout_s, 0.1), ("memory_mb", memory_mb, 1024), ("batch", batch, 1),
        ):  # fmt: skip
            if not least <= value < float("inf"):
                raise PiretryError(
                    f"The Lean verifier's `{name}` is {value}, but must be a number of at least {least}."
                )
        if proofs not in ("term", "file"):
            raise PiretryError(f"The Lean verifier's `proofs` is {proofs!r}, but must be 'term' or 'file'.")
        self.toolchain, self.proofs, self.batch = toolchain, proofs, batch
        self.sandbox = detect_sandbox()
        self.pool = LeanPool(workers)
        self._limits = Limits(timeout_s, memory_mb)
        self._version = f"{toolchain.identity}; {proofs}; rules {rules_digest()}"
        self._cache = FindingCache(Path(cache), self._version) if cache is not None else None
        self._known: dict[Key, Finding] = {}
        self._lock = threading.Lock()
        self._bench: Bench | None = None
        self._owner = os.getpid()
        if not self.sandbox.network:
            _log.warning("Lean runs with the network in reach: unshare is not permitted here (docs/lean.md).")

    @property
    def version(self) -> str:
        """Toolchain, kind of proofs and the digest of the rules, as stored beside each verdict."""
        return self._version

    def grade(self, requests: Sequence[GradeRequest]) -> list[Grade]:
        """Grade all `requests`; the result has one grade for each, in the same order.

        A statement that does not elaborate gives `gold_unparseable` whatever the completion says.
        """
        answers = [answer_text(request.completion, request.finish_reason) for request in requests]
        keys: list[Key] = [(request.gold, answer or "") for request, answer in zip(requests, answers, strict=True)]
        findings = self._decide(keys)
        grades = []
        for request, answer, key in zip(requests, answers, keys, strict=True):
            finding = findings[key]
            if finding.verdict is Verdict.correct and answer is None:  # the statement elaborates, nothing was proved
                finding = Finding(Verdict.no_answer)
            second = judge_by_shape(request.gold, answer).verdict
            grades.append(Grade(request.id, answer, finding.verdict, self._version, second, finding.message))
        return grades

    def statements_elaborate(self, golds: Sequence[str]) -> list[Finding]:
        """Return for each statement `correct` or `gold_unparseable` with Lean's errors, in the same order."""
        findings = self._decide([(gold, "") for gold in golds])
        return [findings[gold, ""] for gold in golds]

    def _decide(self, keys: Sequence[Key]) -> dict[Key, Finding]:
        """Return the finding on each distinct key; those of statements first, since the others hang on them."""
        with self._lock:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            distinct = dict.fromkeys(keys)
            self._fill(list(dict.fromkeys((gold, "") for gold, _ in distinct)), self._check_statements)
            faulty = {
                gold: finding
                for gold, _ in distinct
                if (finding := self._known[gold, ""]).verdict is not Verdict.correct
            }
            self._fill([key for key in distinct if key[1] and key[0] not in faulty], self._check_proofs)
            return {key: faulty.get(key[0]) or self._known[key] for key in distinct}

    def _fill(self, keys: list[Key], check: Callable[[list[Key]], list[Finding]]) -> None:
        unknown = [key for key in keys if key not in self._known]
        if unknown and self._cache is not None:
            self._known |= self._cache.look_up(unknown)
            unknown = [key for key in unknown if key not in self._known]
        if unknown:
            fresh = dict(zip(unknown, check(unknown), strict=True))
            self._known |= fresh
            if self._cache is not None:
                self._cache.store(fresh.items())

    def _check_statements(self, keys: list[Key]) -> list[Finding]:
        parsed = [parse_statement(gold) for gold, _ in keys]
        good = [statement for statement in parsed if statement is not None]
        entries = [Entry(statement.header, statement.signature, "sorry") for statement in good]
        found = iter(check_statements(self._prepare(), entries, self.batch) if entries else [])
        bad = Finding(Verdict.gold_unparseable, "The problem's text has no theorem with a name and a type.")
        return [next(found) if statement is not None else bad for statement in parsed]

    def _check_proofs(self, keys: list[Key]) -> list[Finding]:
        read = term_candidate if self.proofs == "term" else file_candidate
        tasks = []
        for gold, answer in keys:
            statement = parse_statement(gold)
            assert statement is not None  # faulty ones were sorted out before
            tasks.append((statement, read(statement, answer)))
        findings: dict[int, Finding] = {}
        for kind in Kind:
            chosen = [index for index, (_, candidate) in enumerate(tasks) if candidate.kind is kind]
            if chosen:
                found = self._check(kind, [tasks[index] for index in chosen])
                findings |= dict(zip(chosen, found, strict=True))
        return [findings[index] for index in range(len(keys))]

    def _check(self, kind: Kind, tasks: list[tuple[Statement, Candidate]]) -> list[Finding]:
        if kind is Kind.refused:
            refusals = [candidate.refusal for _, candidate in tasks]
            return [Finding(refusal.verdict, refusal.reason) for refusal in refusals if refusal is not None]
        bench = self._prepare()
        if kind is Kind.file:
            return check_files(bench, [File(statement, candidate.text) for statement, candidate in tasks])
        if kind is Kind.tactics and bench.toolchain.replay is not None:  # only a module can be replayed
            return check_files(bench, [placed(statement, candidate.text) for statement, candidate in tasks])
        entries = [Entry(statement.header, statement.signature, candidate.text) for statement, candidate in tasks]
        found = check_proofs(bench, entries, 1 if kind is Kind.tactics else self.batch)
        if kind is Kind.shown:  # Lean has nothing against it, but it cites what a proof may not
            unlisted = Finding(Verdict.banned, "The proof uses a name that is neither the problem's nor the library's.")
            return [unlisted if finding.verdict is Verdict.correct else finding for finding in found]
        return found

    def _prepare(self) -> Bench:
        """Make the scratch folder and compile our own library into it, once."""
        if self._bench is None or self._owner != os.getpid():  # after a fork the folder is the other process's
            scratch = Path(tempfile.mkdtemp(prefix="piretry-lean-"))
            self._owner = os.getpid()
            weakref.finalize(self, _remove, scratch, self._owner)
            library = None
            if self.toolchain.own_library:
                library = scratch / "library"
                library.mkdir()
                compile_library(self.toolchain, library)
            self._bench = Bench(self.toolchain, self.pool, self.sandbox, self._limits, scratch, library)
        return self._bench

    def close(self) -> None:
        """Remove the scratch folder; the verifier can be used again and then makes a new one."""
        with self._lock:
            if self._bench is not None:
                _remove(self._bench.scratch, self._owner)
            self._bench = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _remove(folder: Path, owner: int) -> None:
    """Remove the scratch folder, unless this is a fork of the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def compile_library(toolchain: Toolchain, folder: Path) -> None:
    """Compile our own library to ``folder/Init.olean``; raise PiretryError when Lean refuses it."""
    (folder / "prelude.lean").write_text(prelude_text(), encoding="utf-8")
    command = [*toolchain.command, "-o", "Init.tmp", "prelude.lean"]
    done = subprocess.run(
        command, cwd=folder, env=toolchain.lean_path(), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0 or not (folder / "Init.tmp").exists():
        raise PiretryError(
            f"The library of the mini prover does not compile with {toolchain.version}: {done.stdout[:600]}"
            f"{done.stderr[:300]} Use the Lean of the extra lean, for which it was written."
        )
    (folder / "Init.tmp").replace(folder / "Init.olean")
