r"""The verifier of mathematical answers: extraction, math-verify in killable workers, and a second opinion.

The way of a completion: extract.py finds the answer; equal pairs (reference, answer) are graded once, by the
memory of this process, the file cache or a worker; second.py gives its own opinion. What a worker does with a
pair is in compare.py, and the rules that keep math-verify from its known mistakes are in pairs.py,
rewrite.py, units.py and doubts.py.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from piretry.errors import PiretryError
from piretry.verifiers.base import Grade, GradeRequest, Verdict
from piretry.verifiers.cache import VerdictCache
from piretry.verifiers.extract import extract_answer
from piretry.verifiers.pool import WorkerPool
from piretry.verifiers.process import Job, worker_command
from piretry.verifiers.second import second_opinion
from piretry.verifiers.versions import installed_versions, require_pins, version_string

#: An answer longer than this, and than four times its reference, is wrong without being read: the longest
#: reference
#: answer among the 8,000 of MATH has 159 characters.
MAX_ANSWER_CHARS = 2000
#: A reference longer than this does not parse: the grammar needs seconds for it
MAX_GOLD_CHARS = 5000
_GRACE_S = 5.0  # how long after a worker's own limits the parent ends it


def wall_limit(timeout_s: float) -> float:
    """Return the seconds that a pair may take on the wall clock when it may use `timeout_s` of the processor.

    Generous, since it only has to catch a worker that waits: on a crowded machine a pair of 2 ms was seen to need
    seconds, and a verdict should not depend on what else runs there.
    """
    return 4 * timeout_s + 10


_REMEMBERED = 500_000  # pairs kept in memory


_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)


def decide_directly(job: Job) -> Verdict | None:
    """Return the verdict on a pair that needs no worker, else None: plain integers, and a reference that is
    too long.

    Two integers get the verdict that math-verify would give them.
    """
    gold, answer = job
    if len(gold) > MAX_GOLD_CHARS:
        return Verdict.gold_unparseable
    if not _INTEGER.fullmatch(gold) or (answer is not None and not _INTEGER.fullmatch(answer)):
        return None
    return Verdict.correct if answer is None or int(gold) == int(answer) else Verdict.wrong


class MathVerifier:
    """Grade completions by their last boxed answer.

    * `workers`: at most so many processes; they start when there is work for them and live until `close`.
    * `timeout_s`: processor seconds for one pair before its verdict is `timeout`; the wall clock has `wall_limit`.
    * `memory_mb`: address space of a worker's child; a pair that needs more is an `error`.
    * `recycle_after`: pairs after which a child is replaced, which bounds what SymPy's caches may hold.
    * `cache`: an SQLite file of verdicts, shared by processes, or None.
    * `check_pins`: refuse to grade with package versions other than the pinned ones (PiretryError).

    Safe to use from several threads, which take turns, and after a fork, which starts workers of its own.
    """

    def __init__(
        self,
        workers: int = 1,
        timeout_s: float = 5.0,
        memory_mb: int = 2048,
        recycle_after: int = 2000,
        cache: Path | None = None,
        check_pins: bool = True,
    ) -> None:
        for name, value, least in (
            ("workers", workers, 1),
            ("timeout_s", timeout_s, 0.1),
            ("memory_mb", memory_mb, 256),
            ("recycle_after", recycle_after, 1),
        ):
            if not least <= value < float("inf"):
                raise PiretryError(f"The grader's `{name}` is {value}, but must be a number of at least {least}.")
        self.versions = require_pins() if check_pins else installed_versions()
        self._version = version_string(self.versions)
        wall_s = wall_limit(timeout_s)
        command = worker_command(timeout_s, wall_s, memory_mb, recycle_after)
        self._pool = WorkerPool(command, workers, wall_s=wall_s + _GRACE_S)
        self._cache = VerdictCache(Path(cache), self._version) if cache is not None else None
        self._known: dict[Job, Verdict] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, self._pool.close)

    @property
    def version(self) -> str:
        """The versions of the four packages and the digest of the rules, as stored beside each verdict."""
        return self._version

    def grade(self, requests: Sequence[GradeRequest]) -> list[Grade]:
        """Grade all `requests`; the result has one grade for each, in the same order.

        A reference that does not parse gives `gold_unparseable` whatever the completion says, so that all
        attempts on one problem are excluded or none.
        """
        answers = [extract_answer(request.completion, request.finish_reason) for request in requests]
        jobs = [self._job(request.gold, answer) for request, answer in zip(requests, answers, strict=True)]
        verdicts = self._decide(jobs)
        grades = []
        for request, answer, job in zip(requests, answers, jobs, strict=True):
            verdict = verdicts[job]
            if verdict is Verdict.correct and job[1] is None:  # the reference parses, and nothing was compared
                verdict = Verdict.no_answer if answer is None else Verdict.wrong
            second = second_opinion(request.gold, answer)
            grades.append(Grade(request.id, answer, verdict, self._version, second))
        return grades

    def gold_parses(self, golds: Sequence[str]) -> list[bool]:
        """Return for each reference answer whether it can be compared with, in the same order."""
        verdicts = self._decide([(gold, None) for gold in golds])
        return [verdicts[gold, None] is Verdict.correct for gold in golds]

    @staticmethod
    def _job(gold: str, answer: str | None) -> Job:
        """The pair to decide; None for the answer asks only whether the reference parses."""
        if answer is None or len(answer) > max(MAX_ANSWER_CHARS, 4 * len(gold)):
            return gold, None
        return gold, answer

    def _decide(self, jobs: Sequence[Job]) -> dict[Job, Verdict]:
        """Return the verdict on each distinct job."""
        with self._lock:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            unknown = [job for job in dict.fromkeys(jobs) if job not in self._known]
            decided = {job: verdict for job in unknown if (verdict := decide_directly(job)) is not None}
            self._known |= decided
            unknown = [job for job in unknown if job not in decided]
            if unknown and self._cache is not None:
                self._known |= self._cache.look_up(unknown)
                unknown = [job for job in unknown if job not in self._known]
            if unknown:
                fresh = list(zip(unknown, self._pool.run(unknown), strict=True))
                self._known |= dict(fresh)
                if self._cache is not None:
                    self._cache.store(fresh)
            return {job: self._known[job] for job in jobs}

    def close(self) -> None:
        """End the workers; the verifier can be used again and then starts new ones."""
        with self._lock:
            self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
