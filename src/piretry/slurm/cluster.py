"""What Slurm's own commands tell about a cluster: partitions, accounts, and the jobs of this user."""

from __future__ import annotations

import functools
import getpass
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from piretry.errors import PiretryError

PATIENCE = 30  # seconds for one answer; a busy controller needs some
SEPARATOR = "|"


@dataclass(frozen=True)
class Partition:
    """A partition: its largest node and its time limit (minutes, None without one)."""

    name: str
    default: bool
    gpus: int
    gpu_model: str | None
    mem_mb: int
    minutes: int | None


@dataclass(frozen=True)
class QueuedJob:
    """A job that Slurm has not ended yet."""

    id: str
    name: str
    state: str
    folder: str
    comment: str
    nodes: str

    def line(self) -> str:
        """The job on one line, with what Snakemake wrote into its comment."""
        where = f" on {self.nodes}" if self.nodes else ""
        return f"{self.id} {self.state}{where}: {self.comment}"


def ask(*command: str) -> str | None:
    """The output of one of Slurm's commands; None when it is not installed, fails, or does not answer."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@functools.cache
def partitions() -> tuple[Partition, ...]:
    """The partitions that sinfo shows, the default one first; empty when it does not answer."""
    found: dict[str, Partition] = {}
    for line in (ask("sinfo", "--noheader", "--format=%P|%G|%m|%l") or "").splitlines():
        name, gres, memory, limit = (part.strip() for part in line.split(SEPARATOR))
        gpus, model = gpus_of(gres)
        one = Partition(
            name=name.rstrip("*"),
            default=name.endswith("*"),
            gpus=gpus,
            gpu_model=model,
            mem_mb=int(re.sub(r"\D", "", memory) or 0),
            minutes=minutes_of(limit),
        )
        before = found.get(one.name)
        # A line for each kind of node: the one with more GPUs, then with more memory, stands for the partition.
        if before is None or (one.gpus, one.mem_mb) > (before.gpus, before.mem_mb):
            found[one.name] = one
    return tuple(sorted(found.values(), key=lambda partition: not partition.default))


def gpus_of(gres: str) -> tuple[int, str | None]:
    """GPUs of a node and their model from sinfo's gres (``gpu:h100:8(S:0-1),shard:...``); (0, None) without."""
    count, model = 0, None
    for name, number in re.findall(r"(?:^|,)gpu(?::([A-Za-z][\w.]*))?:(\d+)", gres):
        count += int(number)
        model = model or name or None
    return count, model


def minutes_of(limit: str) -> int | None:
    """Slurm's ``days-hours:minutes:seconds`` in minutes; None for ``infinite`` and the like."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


@functools.cache
def accounts() -> tuple[str, ...]:
    """The accounts that this user may name, in sacctmgr's order; empty where there is no accounting."""
    user = getpass.getuser()
    told = ask("sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}", "format=account")
    return tuple(dict.fromkeys(line.strip() for line in (told or "").splitlines() if line.strip()))


def queue() -> list[QueuedJob]:
    """This user's jobs that are waiting, running or ending.

    Raises PiretryError when squeue does not answer: to take that for an empty queue would let two runs write the
    same files.
    """
    told = ask("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%j|%T|%N|%Z|%k")
    if told is None:
        what = "is not on PATH" if shutil.which("squeue") is None else "did not answer"
        raise PiretryError(
            f"squeue {what}, so it cannot be known which jobs of this run are still there. Run this on the host where "
            "Snakemake ran, when Slurm's controller answers again."
        )
    jobs = []
    for line in told.splitlines():
        number, name, state, nodes, folder, comment = line.split(SEPARATOR, 5)
        jobs.append(QueuedJob(number, name, state, folder, comment, nodes))
    return jobs


def cancel(ids: Sequence[str]) -> None:
    """Cancel jobs; PiretryError with Slurm's words when it refuses."""
    try:
        done = subprocess.run(["scancel", *ids], capture_output=True, text=True, timeout=PATIENCE * 4, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PiretryError(f"scancel could not be run ({error}). Nothing else was changed; try again.") from error
    if done.returncode:
        raise PiretryError(f"scancel failed: {done.stderr.strip()}. Nothing else was changed; try again.")
