"""What Snakemake leaves in a folder: its logs, the lock, the marks of unfinished outputs, and processes at work there.

Snakemake has no public interface to these; read is what 9.27 writes under .snakemake/, and nothing is written.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

HOME = ".snakemake"
_RUN_ID = re.compile(r"SLURM run ID: (\S+)")
_HOST = re.compile(r"^  Host: (\S+)", re.MULTILINE)
_COMMAND = re.compile(r"^  Command: (.+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """A run of Snakemake as its log tells: the names of its Slurm jobs, host and command line."""

    log: Path
    id: str
    host: str | None
    command: tuple[str, ...]


@dataclass(frozen=True)
class Process:
    """A Snakemake that is at work in the folder."""

    pid: int
    command: str


def slurm_runs(folder: Path) -> list[Run]:
    """The runs of `folder` that submitted to Slurm, the newest first."""
    runs = []
    for log in sorted((folder / HOME / "log").glob("*.snakemake.log"), reverse=True):
        text = log.read_text(encoding="utf-8", errors="replace")
        name, host, command = _RUN_ID.search(text), _HOST.search(text), _COMMAND.search(text)
        if name:
            runs.append(Run(log, name[1], host[1] if host else None, _words(command[1]) if command else ()))
    return runs


def is_locked(folder: Path) -> bool:
    """Whether a Snakemake holds the folder, or was killed while it did."""
    return any((folder / HOME / "locks").glob("*.lock"))


def unfinished(folder: Path) -> dict[str, str | None]:
    """Outputs that were being made -> the Slurm job that made them, where it was submitted already."""
    home = folder / HOME / "incomplete"
    found = {}
    for mark in (path for path in home.rglob("*") if path.is_file()):
        output = _decode(mark.relative_to(home))
        if output is None:
            continue
        try:
            job = json.loads(mark.read_text(encoding="utf-8")).get("external_jobid")
        except (ValueError, AttributeError, OSError):
            job = None
        found[output] = str(job) if job is not None else None
    return dict(sorted(found.items()))


def has_metadata(folder: Path, output: str) -> bool:
    """Whether Snakemake has noted how `output` was made: without that, no edit ever makes it run again."""
    return (folder / HOME / "metadata" / _encode(output)).is_file()


def at_work(folder: Path) -> list[Process]:
    """Snakemakes that run in `folder` on this host, without those inside jobs; other hosts cannot be seen."""
    here = folder.resolve()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            if (entry / "cwd").resolve(strict=True) != here:
                continue
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # gone, or another user's
            continue
        program = [Path(word).name for word in words[:4]]
        inside_a_job = any("slurm-jobstep" in word or word == "--mode" for word in words)
        if "snakemake" in program and not inside_a_job:
            found.append(Process(int(entry.name), " ".join(words).strip()))
    return found


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return tuple(command.split())


def _encode(output: str) -> Path:
    """Where Snakemake keeps what it notes of `output`: the path in base64, cut into folders where it is too long."""
    text = base64.urlsafe_b64encode(output.encode()).decode()
    longest = 254
    parts = [text[start : start + longest] for start in range(0, len(text), longest)]
    return Path(*(f"@{part}" for part in parts[:-1]), parts[-1])


def _decode(mark: Path) -> str | None:
    text = "".join(part.removeprefix("@") for part in mark.parts)
    try:
        return base64.urlsafe_b64decode(text).decode()
    except (binascii.Error, ValueError):
        return None
