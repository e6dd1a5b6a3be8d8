"""Outputs that jobs finished after their Snakemake had been killed: Snakemake is told of them.

A job publishes its outputs by itself, but how they were made is noted by the Snakemake that submitted it. Without that
note they count as made, and no later edit of a setting or of a stage's code makes them run again. `snakemake --touch`
writes the note from the present settings: so only outputs are touched whose provenance record says that they were made
with exactly these, from the inputs that lie there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from piretry.errors import PiretryError
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.grid.tasks import all_tasks
from piretry.provenance.code import code_digest
from piretry.provenance.hashing import plain
from piretry.provenance.model import Record, read_record, record_path
from piretry.provenance.tree import walk
from piretry.slurm import traces

# What decides how Snakemake reads the workflow and describes a job; targets and the rest of a command line do not.
KEPT = {
    "--profile": 1,
    "--workflow-profile": 1,
    "--snakefile": 1,
    "-s": 1,
    "--config": None,
    "-C": None,
    "--configfile": None,
    "--configfiles": None,
    "--software-deployment-method": None,
    "--sdm": None,
}


@dataclass(frozen=True)
class Unnoted:
    """Outputs without Snakemake's note: those that are of the present settings and code, and those that are not."""

    current: tuple[str, ...]
    other: tuple[str, ...]


def find_unnoted(folder: Path, project: Project) -> Unnoted:
    """Whole outputs of the grid that Snakemake has no note of; paths relative to `folder`."""
    root = project.results
    marks = traces.unfinished(folder)
    makers = {path: task for task in all_tasks(project) for path in task.outputs.values()}
    current: list[str] = []
    other: list[str] = []
    for path in walk(folder / root).recorded:
        shown = (root / path).as_posix()
        if path not in makers or not (folder / shown).exists() or shown in marks or traces.has_metadata(folder, shown):
            continue
        (current if _is_of(makers[path], path, folder / root) else other).append(shown)
    return Unnoted(tuple(current), tuple(other))


def adopt(folder: Path, outputs: Sequence[str], command: Sequence[str]) -> bool:
    """Let Snakemake note how `outputs` were made; False where it sees something upstream that must be made first.

    `command` is the command line of the run: its profile and configuration are used again.
    """
    snakemake = [sys.executable, "-m", "snakemake", *outputs, *kept_options(command), "--quiet", "rules"]
    look = subprocess.run([*snakemake, "-n"], cwd=folder, capture_output=True, text=True, check=False)
    if look.returncode or "Nothing to be done" not in look.stdout + look.stderr:
        return False
    done = subprocess.run([*snakemake, "--touch", "--force"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PiretryError(f"`snakemake --touch` failed in {folder}:\n{(done.stdout + done.stderr).strip()[-1500:]}")
    return True


def kept_options(command: Sequence[str]) -> list[str]:
    """The options of a command line that stand in `KEPT`, with their values."""
    kept: list[str] = []
    words = list(command[1:])
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name not in KEPT or (name == word and equals):
            continue
        kept.append(word)
        count = KEPT[name]
        while not equals and words and not words[0].startswith("-") and count != 0:
            kept.append(words.pop(0))
            count = None if count is None else count - 1
    return kept


def _is_of(task: Task, path: str, root: Path) -> bool:
    """Whether the record beside `path` is of this very task: settings, code, and inputs as they lie there."""
    try:
        record = read_record(record_path(root / path))
        return (
            record.stage == task.stage
            and record.settings == plain(task.settings, "settings")
            and record.code.digest == code_digest(task.modules)
            and _inputs(record) == {name: _sha256(root / source) for name, source in task.inputs.items()}
        )
    except PiretryError:
        return False


def _inputs(record: Record) -> dict[str, str]:
    return {entry.role: entry.sha256 for entry in record.inputs}


def _sha256(artifact: Path) -> str:
    return read_record(record_path(artifact)).artifact.sha256
