"""What lies in a results folder: artifacts with and without a record, and what killed jobs left."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from piretry.errors import PiretryError
from piretry.provenance import layout
from piretry.provenance.model import RECORD_SUFFIX


@dataclass(frozen=True)
class Tree:
    """Paths relative to the results folder, sorted.

    `recorded`: beside this path lies a record (the artifact itself may be missing). `others`: files without a
    record, and folders without one that `is_artifact` knows as one thing. `leftovers`: unfinished outputs of
    killed jobs.
    """

    recorded: tuple[str, ...]
    others: tuple[str, ...]
    leftovers: tuple[str, ...]


def walk(root: Path, ignore: Sequence[str] = (), is_artifact: Callable[[str], bool] = lambda path: False) -> Tree:
    """List a results folder without reading a file.

    Args:
        root: the results folder.
        ignore: patterns (as for fnmatch, of the path relative to `root`) passed over beside
        `layout.NOT_ARTIFACTS`.
        is_artifact: whether a folder without a record, by its relative path, is one artifact.

    A folder with a record is one artifact and is not entered. Links to folders are followed, each folder
    once.
    """
    if not root.is_dir():
        raise PiretryError(f"{root} is no results folder: expected the folder of one scale, e.g. results/mini.")
    recorded: list[str] = []
    others: list[str] = []
    leftovers: list[str] = []
    entered: set[str] = set()
    waiting = [("", root)]
    while waiting:
        prefix, folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in entered:
            continue
        entered.add(real)
        with os.scandir(folder) as listing:
            entries = {entry.name: entry for entry in listing}
        for name, entry in entries.items():
            path = f"{prefix}{name}"
            if layout.is_temporary(name):
                leftovers.append(path)
            elif layout.is_ignored(name) or any(fnmatchcase(path, pattern) for pattern in ignore):
                continue
            elif name.endswith(RECORD_SUFFIX) and name != RECORD_SUFFIX:
                recorded.append(path.removesuffix(RECORD_SUFFIX))
            elif name + RECORD_SUFFIX in entries or path == layout.RUN_FILE:
                continue
            elif entry.is_dir() and not is_artifact(path):
                waiting.append((f"{path}/", Path(entry.path)))
            else:
                others.append(path)
    return Tree(tuple(sorted(recorded)), tuple(sorted(others)), tuple(sorted(leftovers)))
