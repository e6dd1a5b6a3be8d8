"""Verdicts that outlive the process, by (versions, reference, answer).

The versions include a digest of the grading rules: other versions find nothing. Timeouts and errors are not stored:
they depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from piretry.verifiers.base import Verdict
from piretry.verifiers.process import Job
from piretry.verifiers.stored import StoredTexts

_KEPT = (Verdict.correct, Verdict.wrong, Verdict.gold_unparseable)


class VerdictCache:
    """The verdicts of one grader version in the SQLite file `path`."""

    def __init__(self, path: Path, version: str) -> None:
        self._stored = StoredTexts(path, version, "verdicts", ["verdict"], "the verifier")

    def look_up(self, jobs: Sequence[Job]) -> dict[Job, Verdict]:
        """Return the stored verdicts of those of `jobs` that have one; raise PiretryError for a damaged file."""
        found = self._stored.look_up((job[0], job[1]) for job in jobs)
        for (verdict,) in found.values():
            if verdict not in _KEPT:
                raise self._stored.unreadable(ValueError(f"it holds the unknown verdict {verdict!r}"))
        return {job: Verdict(found[job[0], job[1]][0]) for job in jobs if (job[0], job[1]) in found}

    def store(self, verdicts: Iterable[tuple[Job, Verdict]]) -> None:
        """Store the verdicts that depend on nothing but the key; raise PiretryError for a damaged file."""
        self._stored.store({(job[0], job[1]): (str(verdict),) for job, verdict in verdicts if verdict in _KEPT})
