"""Runs one task: opens its publication, hands the stage a Job, publishes what it wrote or nothing."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from piretry.grid.task import Task
from piretry.hub import stay_offline
from piretry.provenance.code import code_digest
from piretry.provenance.hashing import digest_json
from piretry.provenance.record import Publication

PARTIAL = ".partial"


class Job:
    """What a stage sees of the task it runs: settings, input paths, output paths to write, counters, progress."""

    def __init__(self, task: Task, root: Path, publication: Publication) -> None:
        self.task = task
        self.root = root
        self._publication = publication

    @property
    def settings(self) -> dict[str, Any]:
        """The task's resolved settings."""
        return self.task.settings

    def input(self, name: str) -> Path:
        """The path of input `name`."""
        return self.root / self.task.inputs[name]

    def output(self, name: str) -> Path:
        """The path to write output `name` to: a temporary one, renamed into place when the stage has succeeded."""
        return self._publication.temporary(name)

    def partial(self) -> Path:
        """The folder for state that a killed run of this very task leaves and the next one resumes from.

        Its name holds a digest of settings, inputs and code, so that no other task's state is ever taken up.
        """
        digest = digest_json(
            {
                "settings": self.settings,
                "inputs": self._publication.input_hashes,
                "code": code_digest(self.task.modules),
            }
        )
        return self._partial_home() / f"{self._partial_stem()}-{digest[:16]}"

    def count(self, **counters: float) -> None:
        """Add to the counters of the provenance record."""
        self._publication.count(**counters)

    def note(self, **facts: Any) -> None:
        """Put facts into the provenance record: model and dataset ids, fingerprints, losses."""
        self._publication.note(**facts)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """A progress bar on a terminal, a line every tenth in a log."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=console) as display:
                bar = display.add_task(label, total=total)
                yield lambda step: display.advance(bar, step)
            return
        done, shown = 0, 0

        def advance(step: int) -> None:
            nonlocal done, shown
            done += step
            if total and done * 10 // total > shown:
                shown = done * 10 // total
                print(f"{label}: {done} of {total}", file=sys.stderr, flush=True)

        yield advance

    def forget_partial(self) -> None:
        """Remove what was kept for resuming."""
        for folder in self._partial_home().glob(f"{self._partial_stem()}-*"):
            shutil.rmtree(folder, ignore_errors=True)
        with_nothing = self._partial_home()
        if with_nothing.is_dir() and not any(with_nothing.iterdir()):
            with_nothing.rmdir()

    def _first_output(self) -> Path:
        return self.root / next(iter(self.task.outputs.values()))

    def _partial_home(self) -> Path:
        return self._first_output().parent / PARTIAL

    def _partial_stem(self) -> str:
        return self._first_output().name


def run_task(task: Task, root: Path, command: list[str]) -> None:
    """Run `task` in the results folder `root`; its outputs and their records appear together, or not at all."""
    # Deterministic kernels are asked for before torch is imported; harmless where there is no GPU.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if task.stage != "fetch":
        stay_offline()
    stage = importlib.import_module(f"piretry.stages.{task.stage}")
    with Publication(
        root=root,
        stage=task.stage,
        target=task.target,
        settings=task.settings,
        inputs={name: root / path for name, path in task.inputs.items()},
        outputs={name: root / path for name, path in task.outputs.items()},
        modules=task.modules,
        command=command,
    ) as publication:
        job = Job(task, root, publication)
        stage.run(job)
    job.forget_partial()
