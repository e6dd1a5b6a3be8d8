"""What verifiers keep beyond their process: texts found again by content, in one SQLite file that processes share.

The file is a cache and may be deleted at any time. One that SQLite cannot read is reported, not replaced: another
process may have it open, and the path may be a mistake. One that is locked for long is done without.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from piretry.errors import PiretryError

_CHUNK = 500  # below SQLite's limit on the variables of one statement
_WAIT_S = 30.0
_log = logging.getLogger(__name__)

Key = tuple[str | None, ...]
Values = tuple[str, ...]


class StoredTexts:
    """Texts by key in the table `table` of the SQLite file `path`; each call opens and closes the file.

    A key is found again by the SHA-256 of (`version`, its parts); None and an empty text are different parts.
    `columns` are the names of a key's values. `user` is whose cache it is, for messages.
    """

    def __init__(self, path: Path, version: str, table: str, columns: Sequence[str], user: str) -> None:
        self._path, self._version, self._table, self._columns, self._user = path, version, table, tuple(columns), user

    def look_up(self, keys: Iterable[Key]) -> dict[Key, Values]:
        """Return the values of those of `keys` that have some; raise PiretryError for a damaged file."""
        wanted = {self._digest(key): key for key in keys}
        found: dict[Key, Values] = {}
        try:
            with closing(self._open()) as connection:
                for start in range(0, len(wanted), _CHUNK):
                    chunk = list(wanted)[start : start + _CHUNK]
                    marks = ",".join("?" * len(chunk))
                    query = f"SELECT key, {', '.join(self._columns)} FROM {self._table} WHERE key IN ({marks})"
                    found |= {wanted[digest]: tuple(values) for digest, *values in connection.execute(query, chunk)}
        except sqlite3.OperationalError as error:
            self._report(error, "grading without it")
        except (sqlite3.DatabaseError, OSError) as error:
            raise self.unreadable(error) from error
        return found

    def store(self, rows: Mapping[Key, Values]) -> None:
        """Store values that depend on nothing but their key; raise PiretryError for a damaged file."""
        if not rows:
            return
        marks = ",".join("?" * (1 + len(self._columns)))
        try:
            with closing(self._open()) as connection, connection:
                connection.executemany(
                    f"INSERT OR REPLACE INTO {self._table} VALUES ({marks})",
                    [(self._digest(key), *values) for key, values in rows.items()],
                )
        except sqlite3.OperationalError as error:
            self._report(error, f"{len(rows)} verdicts were not stored")
        except (sqlite3.DatabaseError, OSError) as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: Exception) -> PiretryError:
        """What to say of a file that holds what no verifier stores."""
        return PiretryError(
            f"{self._path}: the cache of {self._user} cannot be used ({error}). It only saves time: delete it, or name "
            "another file in a folder that can be written."
        )

    def _digest(self, key: Key) -> bytes:
        digest = hashlib.sha256()
        for part in (self._version, *key):
            data = b"" if part is None else b"=" + part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_WAIT_S)
        columns = ", ".join(f"{name} TEXT NOT NULL" for name in self._columns)
        try:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} (key BLOB PRIMARY KEY, {columns}) WITHOUT ROWID"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _report(self, error: sqlite3.OperationalError, consequence: str) -> None:
        if "locked" not in str(error):
            raise self.unreadable(error) from error
        _log.warning("%s is locked by another process: %s", self._path, consequence)
