"""What a publication says when it fails: a missing input, a full disk, a folder that may not be written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from piretry.errors import PiretryError
from piretry.provenance import layout

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


def missing_input(role: str, path: Path, root: Path, job: str) -> PiretryError:
    """`job` (stage and target) needs `path`, which is not there: say which stage makes it."""
    relative = relative_to(path, root)
    stage = layout.maker(relative) if relative is not None else None
    how = (
        "Check the path." if stage is None else f"Stage {stage} makes it: run `snakemake --cores 1 {path.as_posix()}`."
    )
    return PiretryError(f"The input {role!r} of {job} is missing: {path} does not exist. {how}")


def disk_error(error: BaseException, root: Path, job: str, temporaries: Mapping[Path, Path]) -> PiretryError | None:
    """A sentence for `error` if a full disk or a forbidden write lies behind it, else None.

    Args:
        error: what the stage or the publication raised; its causes are looked at too.
        root: the results folder.
        job: stage and target.
        temporaries: temporary path -> final path of each output; the sentence names the final one.
    """
    if isinstance(error, PiretryError) or not isinstance(error, Exception):
        return None
    for cause in _causes(error):
        number = cause.errno if isinstance(cause, OSError) else None
        name = getattr(cause, "filename", None)
        place = _shown(Path(os.fsdecode(name)), temporaries) if isinstance(name, str | bytes) else None
        # Writers in Rust and C++ (safetensors, arrow, torch) pass on the system's message, not its number.
        if number in _FULL or any(os.strerror(code) in str(cause) for code in _FULL):
            where = place or next(iter(temporaries.values()))
            return PiretryError(
                f"The disk is full: {job} could not write {where} ({_free_space(where)}). Nothing of it was "
                "published. Free some space or move the results folder, then run the same command again: "
                "what is finished is kept."
            )
        ours = place is not None and relative_to(place, root) is not None
        if number == errno.EROFS or (ours and number in _FORBIDDEN):
            return PiretryError(
                f"{place or root} cannot be written ({os.strerror(number or 0)}), so nothing of {job} was "
                "published. Make the results folder writable, or set another one under 'results' in "
                "config.yaml, then run the same command again."
            )
    return None


def relative_to(path: Path, root: Path) -> str | None:
    """`path` relative to `root` with forward slashes, links in either followed; None when outside."""
    for place, base in ((_absolute(path), _absolute(root)), (path.resolve(), root.resolve())):
        if place.is_relative_to(base):
            return place.relative_to(base).as_posix()
    return None


def _absolute(path: Path) -> Path:
    """`path` from the root of the file system without "..", links left as they are."""
    return Path(os.path.normpath(path.absolute()))


def _shown(path: Path, temporaries: Mapping[Path, Path]) -> Path:
    for temporary, final in temporaries.items():
        if path.is_relative_to(temporary):
            return final / path.relative_to(temporary)
    return path


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__context__, cause.__cause__]


def _free_space(path: Path) -> str:
    place = next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))
    try:
        return f"{shutil.disk_usage(place).free / 1e6:.1f} MB free"
    except OSError:
        return "free space unknown"
