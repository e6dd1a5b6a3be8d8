"""Findings that outlive the process, in one SQLite file that several processes may use at once.

A finding is found again by the SHA-256 of (toolchain and rules, statement, proof). Timeouts and errors are not stored:
they depend on the machine. The file is a cache and may be deleted at any time.
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
from piretry.verifiers.lean.terms import Finding

#: a problem's text and a proof; an empty proof asks for the statement alone
Key = tuple[str, str]

_DEPENDS_ON_MACHINE = (Verdict.timeout, Verdict.error)
_CHUNK = 500  # below SQLite's limit on the variables of one statement
_WAIT_S = 30.0
_TABLE = (
    "CREATE TABLE IF NOT EXISTS findings (key BLOB PRIMARY KEY, verdict TEXT NOT NULL, message TEXT NOT NULL) "
    "WITHOUT ROWID"
)
_log = logging.getLogger(__name__)


class FindingCache:
    """The findings of one version of toolchain and rules in the SQLite file `path`, opened anew for each call."""

    def __init__(self, path: Path, version: str) -> None:
        self._path, self._version = path, version

    def _key(self, key: Key) -> bytes:
        digest = hashlib.sha256()
        for part in (self._version, *key):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S)
        try:
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def look_up(self, keys: Sequence[Key]) -> dict[Key, Finding]:
        """Return the stored findings of those of `keys` that have one; raise PiretryError for a damaged file."""
        wanted = {self._key(key): key for key in keys}
        found: dict[Key, Finding] = {}
        try:
            with closing(self._open()) as connection:
                for start in range(0, len(wanted), _CHUNK):
                    chunk = list(wanted)[start : start + _CHUNK]
                    marks = ",".join("?" * len(chunk))
                    rows = connection.execute(
                        f"SELECT key, verdict, message FROM findings WHERE key IN ({marks})", chunk
                    )
                    for digest, verdict, message in rows:
                        found[wanted[digest]] = Finding(Verdict(verdict), message)
        except sqlite3.OperationalError as error:
            self._report(error, "checking without it")
        except (sqlite3.DatabaseError, OSError, ValueError) as error:
            raise self._unreadable(error) from error
        return found

    def store(self, findings: Iterable[tuple[Key, Finding]]) -> None:
        """Store the findings that depend on nothing but the key; raise PiretryError for a damaged file."""
        rows = [
            (self._key(key), str(finding.verdict), finding.message)
            for key, finding in findings
            if finding.verdict not in _DEPENDS_ON_MACHINE
        ]
        if not rows:
            return
        try:
            with closing(self._open()) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO findings VALUES (?, ?, ?)", rows)
        except sqlite3.OperationalError as error:
            self._report(error, f"{len(rows)} findings were not stored")
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._unreadable(error) from error

    def _report(self, error: sqlite3.OperationalError, consequence: str) -> None:
        if "locked" not in str(error):
            raise self._unreadable(error) from error
        _log.warning("%s is locked by another process: %s", self._path, consequence)

    def _unreadable(self, error: Exception) -> PiretryError:
        return PiretryError(
            f"{self._path}: the cache of the Lean verifier cannot be used ({error}). It only saves time: delete it, or "
            "name another file in a folder that can be written."
        )
