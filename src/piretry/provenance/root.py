"""The identity of a results folder, and the lock on one output in it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from piretry.errors import PiretryError
from piretry.provenance.layout import RUN_FILE, temporary
from piretry.provenance.model import SCHEMA

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_HELD: set[Path] = set()
_HELD_GUARD = threading.Lock()


def read_run_id(root: Path) -> str | None:
    """The id of the results folder `root`, None when it has none yet; PiretryError for a bad run.json."""
    path = root / RUN_FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != SCHEMA:
            raise PiretryError(
                f"{path} has schema {value['schema']!r}, and this piretry reads and writes schema {SCHEMA}: "
                "the results are of another version. Use that version, or choose another results folder in "
                "config.yaml."
            )
        return str(value["run"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise PiretryError(
            f"{path} is damaged ({type(error).__name__}: {error}). It holds the id of this results folder. "
            "Restore it, or delete the results folder and run again."
        ) from error


def run_id(root: Path) -> str:
    """The id of the results folder `root`, drawn when its first artifact is made.

    It stands in every record: that is how a record from another results folder is told apart. It enters no
    artifact.
    """
    while True:
        known = read_run_id(root)
        if known is not None:
            return known
        root.mkdir(parents=True, exist_ok=True)
        value = {"schema": SCHEMA, "run": uuid.uuid4().hex, "created": datetime.now(UTC).isoformat()}
        draft = temporary(root / RUN_FILE, uuid.uuid4().hex[:8])
        try:
            draft.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
            with suppress(FileExistsError):  # another job was first: its id is the one
                os.link(draft, root / RUN_FILE)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            draft.replace(root / RUN_FILE)  # a file system without hard links
        finally:
            draft.unlink(missing_ok=True)


class OutputLock:
    """Held by the one job that may publish `final`; the kernel lets go of it when the job dies.

    A POSIX lock (`fcntl.lockf`): it works over NFS and forked workers do not inherit it. Where the file
    system knows no locks, `held` is false and nothing is guarded.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.path = final.absolute().with_name(f".lock-{final.name}")
        self.held = False
        self._descriptor = -1

    def __enter__(self) -> OutputLock:
        with _HELD_GUARD:
            if self.path in _HELD:  # POSIX locks do not keep the threads of one process apart
                raise self._busy(f"process {os.getpid()} on {socket.gethostname()}, another thread")
            _HELD.add(self.path)
        try:
            self._acquire()
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self._forget()

    def _acquire(self) -> None:
        while True:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise self._busy(os.pread(self._descriptor, 200, 0).decode(errors="replace").strip()) from None
                if error.errno in _NO_LOCKS:
                    return
                raise
            # The former holder removes the file before it lets go: a lock on a removed file keeps nobody out.
            try:
                current = self.path.stat().st_ino == os.fstat(self._descriptor).st_ino
            except FileNotFoundError:
                current = False
            if current:
                break
            os.close(self._descriptor)
            self._descriptor = -1
        self.held = True
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.held = False
        with _HELD_GUARD:
            _HELD.discard(self.path)

    def _busy(self, holder: str) -> PiretryError:
        return PiretryError(
            f"{self.final} is being written by another job ({holder or 'unknown process'}). Wait for it to "
            "finish, or stop it; two runs cannot share one results folder at the same time."
        )
