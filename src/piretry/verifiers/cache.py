"""Verdicts that outlive the process, in one SQLite file that several processes may use at once.

A verdict is found again by the SHA-256 of (versions, reference, answer), where the versions include a digest
of the grading rules: other versions find nothing. Timeouts and errors are not stored: they depend on the
machine.

The file is a cache and may be deleted at any time. One that SQLite cannot read is reported, not replaced:
another process may have it open, and the path may be a mistake.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from piretry.errors import PiretryError
from piretry.verifiers.base import Verdict
from piretry.verifiers.process import Job

_KEPT = (Verdict.correct, Verdict.wrong, Verdict.gold_unparseable)
_CHUNK = 500  # below SQLite's limit on the variables of one statement
_WAIT_S = 30.0
_log = logging.getLogger(__name__)


class VerdictCache:
    """The verdicts of one grader version in the SQLite file `path`; each call opens and closes the file."""

    def __init__(self, path: Path, version: str) -> None:
        self._path, self._version = path, version

    def _key(self, job: Job) -> bytes:
        digest = hashlib.sha256()
        for part in (self._version, job[0], job[1]):
            data = b"" if part is None else b"=" + part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S)
        try:
            connection.execute("CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, verdict TEXT) WITHOUT ROWID")
        except BaseException:
            connection.close()
            raise
        return connection

    def _unreadable(self, error: Exception) -> PiretryError:
        return PiretryError(
            f"{self._path}: the grading cache cannot be used ({error}). It only saves time: delete it, or name another "
            "file in a folder that can be written."
        )

    def look_up(self, jobs: Sequence[Job]) -> dict[Job, Verdict]:
        """Return the stored verdicts of those of `jobs` that have one; raise PiretryError for a damaged file."""
        keys = {self._key(job): job for job in jobs}
        found: dict[Job, Verdict] = {}
        try:
            with closing(self._open()) as connection:
                for start in range(0, len(keys), _CHUNK):
                    chunk = list(keys)[start : start + _CHUNK]
                    marks = ",".join("?" * len(chunk))
                    query = f"SELECT key, verdict FROM verdicts WHERE key IN ({marks})"
                    for key, verdict in connection.execute(query, chunk):
                        if verdict not in _KEPT:
                            raise self._unreadable(ValueError(f"it holds the unknown verdict {verdict!r}"))
                        found[keys[key]] = Verdict(verdict)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise self._unreadable(error) from error
            _log.warning("%s is locked by another process: grading without it", self._path)
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._unreadable(error) from error
        return found

    def store(self, verdicts: Iterable[tuple[Job, Verdict]]) -> None:
        """Store the verdicts that depend on nothing but the key; raise PiretryError for a damaged file."""
        rows = [(self._key(job), str(verdict)) for job, verdict in verdicts if verdict in _KEPT]
        if not rows:
            return
        try:
            with closing(self._open()) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise self._unreadable(error) from error
            _log.warning("%s is locked by another process: %d verdicts were not stored", self._path, len(rows))
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._unreadable(error) from error
