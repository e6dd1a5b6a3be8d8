"""`piretry recover`: after a Snakemake that was killed, brings the folder back to where a plain rerun goes on.

A killed Snakemake leaves its lock, and its Slurm jobs go on without it. A rerun would submit them a second time, and
two jobs would write the same files. So: first the jobs are ended or waited for, then the folder is unlocked, then what
is half-written is removed. What a killed job resumes from (`.partial/`) stays.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from piretry.errors import PiretryError
from piretry.grid.project import Project
from piretry.provenance.layout import maker
from piretry.provenance.model import RECORD_SUFFIX
from piretry.provenance.root import OutputLock
from piretry.provenance.swap import remove
from piretry.provenance.tree import walk
from piretry.runner import PARTIAL
from piretry.slurm import cluster, traces
from piretry.slurm.adopt import adopt, find_unnoted

ENDING = 180  # seconds in which cancelled jobs must be gone
Choice = Literal["cancel", "wait"]


@dataclass
class Recovery:
    """What was found and done, in the order in which it is told."""

    cancelled: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    unlocked: bool = False

    def __bool__(self) -> bool:
        return bool(self.cancelled or self.waited or self.removed or self.noted or self.unlocked)


def recover(
    folder: Path,
    projects: Sequence[Project],
    choice: Choice | None,
    *,
    ask: Callable[[str], str] | None = None,
    other_host_checked: bool = False,
    poll: float = 5.0,
) -> Recovery:
    """Bring `folder` back to where a rerun goes on; prints what it finds and does.

    Args:
        folder: where Snakemake ran.
        projects: the scales whose results folders are looked through.
        choice: what becomes of jobs that are still there.
        ask: how a person is asked where `choice` is None.
        other_host_checked: the user has looked on the host where Snakemake ran.
        poll: seconds between two looks at the queue.

    Raises PiretryError when a Snakemake is still at work, Slurm does not answer, or a decision is missing. Nothing is
    unlocked or removed then.
    """
    done = Recovery()
    runs = traces.slurm_runs(folder)
    _refuse_while_alive(folder, runs, other_host_checked)
    jobs = orphans(folder, runs) if runs else []
    if jobs:
        print(f"{len(jobs)} jobs of this folder are still in Slurm's queue:")
        for job in jobs:
            print(f"  {job.line()}")
        ids = [job.id for job in jobs]
        if (choice or _choose(ask)) == "cancel":
            cluster.cancel(ids)
            _until_gone(folder, runs, poll, ENDING)
            done.cancelled = ids
            print(f"Cancelled {len(ids)} jobs; they are gone.")
        else:
            _until_gone(folder, runs, poll, None)
            done.waited = ids
            print(f"Waited for {len(ids)} jobs; all have ended.")
    else:
        print("No job of this folder is in Slurm's queue." if runs else "No run of this folder has used Slurm.")
    if traces.is_locked(folder):
        _unlock(folder)
        done.unlocked = True
        print("Unlocked the folder.")
    for project in projects:
        if (folder / project.results).is_dir():
            done.removed += _half_written(folder / project.results)
            done.noted += _note(folder, project, runs)
    _tell_the_rest(folder, projects, runs)
    return done


def orphans(folder: Path, runs: list[traces.Run]) -> list[cluster.QueuedJob]:
    """Jobs of this user that a Snakemake of this folder has submitted and that Slurm has not ended."""
    names = {run.id for run in runs}
    here = str(folder.resolve())
    return [
        job
        for job in cluster.queue()
        # The log may be lost: a job of the same folder with the executor's comment is one of ours, too.
        if job.name in names or (job.folder == here and re.match(r"(rule|group)_", job.comment))
    ]


def _refuse_while_alive(folder: Path, runs: list[traces.Run], other_host_checked: bool) -> None:
    processes = traces.at_work(folder)
    if processes:
        first = processes[0]
        raise PiretryError(
            f"Snakemake is at work in {folder.resolve()} (process {first.pid}: {first.command[:120]}). Nothing is to "
            f"be recovered. To stop it, press Ctrl-C there or `kill -INT {first.pid}`: it then cancels its jobs itself."
        )
    host = runs[0].host if runs else None
    if host and host != socket.gethostname() and traces.is_locked(folder) and not other_host_checked:
        raise PiretryError(
            f"The last Snakemake of this folder ran on {host}, and this is {socket.gethostname()}: from here it cannot "
            f"be seen whether it still runs. Recover on {host}, or look there (`ssh {host} pgrep -af snakemake`) and "
            "give --checked-other-host."
        )


def _choose(ask: Callable[[str], str] | None) -> Choice:
    if ask is None:
        raise PiretryError(
            "Say what becomes of these jobs: --cancel ends them (what they have finished is kept, and they resume when "
            "they are submitted again), --wait lets them finish."
        )
    while True:
        try:
            answer = ask("Cancel them (c; they resume later) or wait for them (w)? ").strip().lower()
        except EOFError:
            return _choose(None)
        if answer in ("c", "cancel"):
            return "cancel"
        if answer in ("w", "wait"):
            return "wait"


def _until_gone(folder: Path, runs: list[traces.Run], poll: float, limit: float | None) -> None:
    """Wait until no job is left; `limit` seconds at most. A controller that is silent for a while is waited for."""
    started, before, silent = time.monotonic(), -1, False
    while True:
        try:
            left = orphans(folder, runs)
            silent = False
        except PiretryError as error:
            if not silent:
                print(f"{error} Waiting for it.")
            left, silent = [], True
        if not left and not silent:
            return
        if limit is not None and time.monotonic() - started > limit:
            which = f" ({left[0].line()})" if left else ""
            raise PiretryError(
                f"{len(left)} jobs have not ended {limit:.0f} s after they were cancelled{which}. Nothing was "
                "unlocked. Look with squeue, and run this again."
            )
        if limit is None and len(left) != before:
            print(f"{len(left)} jobs left: {_states(left)}", flush=True)
            before = len(left)
        time.sleep(poll)


def _states(jobs: list[cluster.QueuedJob]) -> str:
    return ", ".join(f"{count} {state.lower()}" for state, count in Counter(job.state for job in jobs).items())


def _unlock(folder: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PiretryError(
            f"`snakemake --unlock` failed in {folder}:\n{(done.stdout + done.stderr).strip()[-1500:]}\n"
            "Mend this, and run `piretry recover` again."
        )


def _half_written(root: Path) -> list[str]:
    """Remove the unfinished outputs of killed jobs, and tell of artifacts and records that lack each other."""
    tree = walk(root, is_artifact=lambda path: maker(path) is not None)
    removed = []
    for path in tree.leftovers:
        draft = root / path
        try:
            with OutputLock(_final(draft)):
                remove(draft)
        except PiretryError as error:
            print(f"Left alone: {draft}. {error}")
            continue
        removed.append(path)
    if removed:
        print(f"Removed {len(removed)} half-written outputs under {root}.")
    for path in tree.others:
        stage = maker(path)
        if stage is not None:
            print(f"{root / path} has no provenance record: the rerun makes it again ({stage}).")
    for path in tree.recorded:
        if not (root / path).exists():
            print(f"{root / path} is gone, and its record is there: the rerun makes it again.")
    return removed


def _note(folder: Path, project: Project, runs: list[traces.Run]) -> list[str]:
    """Let Snakemake take note of what jobs finished without it."""
    found = find_unnoted(folder, project)
    for path in found.other:
        print(
            f"{path} was finished by a job with other settings or code than the present ones, and Snakemake does not "
            f"know that: to make it again, run snakemake with --forcerun {path}"
        )
    if not found.current:
        return []
    if not adopt(folder, found.current, runs[0].command if runs else ("snakemake",)):
        print(
            f"{len(found.current)} outputs were finished without Snakemake, but what they are made from must be made "
            "again first: the rerun makes them, too."
        )
        return []
    print(f"Snakemake has taken note of {len(found.current)} outputs that jobs finished without it.")
    return list(found.current)


def _final(draft: Path) -> Path:
    """The output that a temporary file or folder was to become; the one beside it where it was a record."""
    name = re.sub(r"^\.tmp-[0-9a-f]+-", "", draft.name)
    return draft.with_name(name.removesuffix(RECORD_SUFFIX))


def _tell_the_rest(folder: Path, projects: Sequence[Project], runs: list[traces.Run]) -> None:
    going_on = {path for project in projects for path in resumable(folder, project.results)}
    marked = {path for path in traces.unfinished(folder) if not path.endswith(RECORD_SUFFIX)}
    if marked | going_on:
        print(f"{len(marked | going_on)} outputs were being made; the rerun makes them:")
    for path in sorted(marked | going_on):
        print(f"  {path}{' (goes on where it was)' if path in going_on else ''}")
    command = " ".join(["snakemake", *runs[0].command[1:]]) if runs else "snakemake --profile slurm all"
    print(f"A plain rerun goes on from here: {command}")


def resumable(folder: Path, root: Path) -> list[str]:
    """Outputs below `root` of which a killed job has left something to go on from; paths relative to `folder`."""
    kept = [place for place in (folder / root).rglob(f"{PARTIAL}/*") if place.is_dir()]
    # `.partial/attempts.parquet-<digest>` belongs to the attempts.parquet beside `.partial`.
    outputs = {place.parent.parent / place.name.rpartition("-")[0] for place in kept}
    return sorted(path.relative_to(folder).as_posix() for path in outputs if not path.exists())
