"""SHA-256 of files, folders and settings: the same value on every machine and in every supported Python."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from piretry.errors import PiretryError

# Snakemake carries the modification time of a directory() output in this file inside it: it appears after the
# stage has finished and is no part of what the stage made. Nothing else is left out of a folder's hash.
FOLDER_TIMESTAMP = ".snakemake_timestamp"


@dataclass(frozen=True)
class FileEntry:
    """One file of an artifact.

    `path` is relative to the artifact with forward slashes: empty when the artifact is this very file, and
    ending in a slash for an empty folder (whose `sha256` is empty). `size` in bytes, `mtime_ns` as in stat.
    """

    path: str
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Content:
    """What lies at a path: `kind` is "file" or "directory", `size` the sum over the files in bytes."""

    kind: str
    sha256: str
    size: int
    files: tuple[FileEntry, ...]


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the bytes of `path`, read in blocks: memory does not grow with the file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_directory(path: Path) -> str:
    """Hex SHA-256 of a folder, as `hash_content` defines it."""
    return hash_content(path).sha256


def directory_digest(files: Sequence[FileEntry]) -> str:
    """SHA-256 over the sorted (relative path, file hash) pairs; times and permissions do not enter."""
    total = hashlib.sha256(b"piretry folder 1\0")
    for path, sha256 in sorted((os.fsencode(entry.path), entry.sha256) for entry in files):
        total.update(sha256.encode("ascii") + b"\0" + path + b"\0")
    return total.hexdigest()


def list_files(path: Path) -> list[tuple[str, Path, os.stat_result]]:
    """Every file of the artifact at `path` with its stat, sorted by relative path, without reading any.

    Symbolic links to files count as the file they point to. Anything that has no well-defined bytes (a link
    to a folder inside the artifact, a broken link, a socket) raises PiretryError instead of being left out.
    """
    try:
        top = path.stat()
    except FileNotFoundError:
        raise PiretryError(f"{path} does not exist, so it cannot be hashed.") from None
    if stat.S_ISREG(top.st_mode):
        return [("", path, top)]
    if not stat.S_ISDIR(top.st_mode):
        raise PiretryError(f"{path} is neither a file nor a folder, so it cannot be hashed.")
    found: list[tuple[str, Path, os.stat_result]] = []
    folders = [("", path)]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as listing:
            entries = [entry for entry in listing if entry.name != FOLDER_TIMESTAMP]
        if not entries and prefix:
            found.append((prefix, folder, folder.stat()))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append((f"{prefix}{entry.name}/", Path(entry.path)))
            elif entry.is_file():
                found.append((f"{prefix}{entry.name}", Path(entry.path), entry.stat()))
            else:
                raise PiretryError(
                    f"{entry.path} is a broken link, a link to a folder or a special file: it has no bytes "
                    "to hash. Replace it by a copy, or remove it."
                )
    return sorted(found, key=lambda item: os.fsencode(item[0]))


def hash_content(path: Path, pool: ThreadPoolExecutor | None = None) -> Content:
    """Hash the file or folder at `path`.

    A folder's hash is `directory_digest` of its files; an empty folder counts, `.snakemake_timestamp` does
    not. `pool` hashes the files of a folder side by side (SHA-256 releases the interpreter's lock).
    """
    listing = list_files(path)
    return content_of(pool.map(hash_entry, listing) if pool and len(listing) > 1 else map(hash_entry, listing))


def hash_entry(item: tuple[str, Path, os.stat_result]) -> FileEntry:
    """Hash one item of `list_files`."""
    name, file, status = item
    if name.endswith("/"):
        return FileEntry(name, "", 0, 0)
    return FileEntry(name, sha256_file(file), status.st_size, status.st_mtime_ns)


def content_of(entries: Iterable[FileEntry]) -> Content:
    """The content that consists of `entries`: one whose path is empty is a file, all else is a folder."""
    files = tuple(entries)
    if len(files) == 1 and files[0].path == "":
        return Content("file", files[0].sha256, files[0].size, files)
    return Content("directory", directory_digest(files), sum(file.size for file in files), files)


def unchanged(path: Path, files: Sequence[FileEntry]) -> bool:
    """Whether names, sizes and modification times at `path` are those of `files`: no byte is read."""
    now = {name: (0, 0) if name.endswith("/") else (s.st_size, s.st_mtime_ns) for name, _, s in list_files(path)}
    return now == {entry.path: (entry.size, entry.mtime_ns) for entry in files}


def canonical_json(value: Any, where: str = "the value") -> str:
    """JSON with sorted keys, no spaces and ASCII only: equal values give equal text.

    1 and 1.0 differ (an integer and a float setting are not the same setting). Raises PiretryError as `plain`
    does.
    """
    return json.dumps(plain(value, where), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_json(value: Any, where: str = "the value") -> str:
    """Hex SHA-256 of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value, where).encode("ascii")).hexdigest()


def plain(value: Any, where: str = "the value") -> Any:
    """`value` as JSON has it: dict, list, str, int, finite float, bool or None.

    Dataclasses, Pydantic models, enums, paths, tuples and NumPy numbers are converted; a set, an object, NaN
    or a key that is no text raises PiretryError with the place, because it has no one spelling in JSON.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value, where)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):  # half a surrogate pair (untrusted text, odd file names) is in no valid JSON
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise PiretryError(f"{where} is {value}, which JSON cannot hold. Expected a finite number or null.")
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name), f"{where}.{f.name}") for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise PiretryError(f"{where} has the key {key!r}. Expected text: write it as {str(key)!r}.")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if hasattr(value, "model_dump"):  # a Pydantic model, without importing pydantic here
        return plain(value.model_dump(mode="json"), where)
    if hasattr(value, "tolist") and not isinstance(value, AbstractSet):  # a NumPy number or array
        return plain(value.tolist(), where)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise PiretryError(
        f"{where} is a {type(value).__name__} ({value!r:.80}), which JSON cannot hold. Expected text, "
        "numbers, true/false, null, lists or mappings of these."
    )
