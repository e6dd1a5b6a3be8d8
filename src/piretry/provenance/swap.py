"""Bringing outputs and their records into place: a kill at any point leaves no output or a whole one."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from piretry.provenance import layout
from piretry.provenance.hashing import list_files
from piretry.provenance.model import record_path


def swap_in(finished: Sequence[tuple[Path, Path, Path]]) -> None:
    """Rename (temporary artifact, temporary record, final path) of each output into place.

    First the old artifacts and records go aside, then the new records come, then the new artifacts: at no
    moment is there an artifact without its record or with the wrong one. When a step fails all of it is
    undone.
    """
    aside: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    try:
        for _, _, final in finished:
            for old in (final, record_path(final)):
                if old.is_symlink() or old.exists():
                    parked = layout.temporary(old, uuid.uuid4().hex[:12])
                    old.rename(parked)
                    aside.append((parked, old))
        for _, record, final in finished:
            record.rename(record_path(final))
            placed.append(record_path(final))
        for artifact, _, final in finished:
            artifact.rename(final)
            placed.append(final)
    except BaseException:
        for path in reversed(placed):
            remove(path)
        for parked, old in reversed(aside):
            with suppress(OSError):
                parked.rename(old)
        raise
    for folder in {final.parent for _, _, final in finished}:
        sync(folder)
    for parked, _ in aside:
        remove(parked)


def remove(path: Path) -> None:
    """Remove a file or folder as far as the file system allows."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync_tree(path: Path) -> None:
    """`sync` every file of an artifact."""
    for _, file, _ in list_files(path):
        sync(file)


def sync(path: Path) -> None:
    """Wait until `path` is on the disk: after a power cut a renamed file must not be found empty."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOSYS):  # this file system has no fsync
            raise
    finally:
        os.close(descriptor)
