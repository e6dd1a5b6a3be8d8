"""Up to `workers` Lean processes at a time, in the calling thread; one that hangs is ended while the others go on."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterable

from piretry.errors import PiretryError
from piretry.verifiers.lean.process import Job, Outcome, Process

#: Given a finished job and what it came to, return the jobs that follow from it.
Followers = Callable[[Job, Outcome], Iterable[Job]]


class LeanPool:
    """Runs jobs; `started` counts the processes and `peak_mb` is the largest that one of them was."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.started = 0
        self.peak_mb = 0.0

    def run(self, jobs: Iterable[Job], followers: Followers) -> None:
        """Run `jobs` and whatever `followers` returns for each, until none is left; ends all processes on any error."""
        waiting = deque(jobs)
        running: list[Process] = []
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    running.append(self._start(waiting.popleft()))
                for process, killed in self._wait(running):
                    running.remove(process)
                    outcome = process.end(killed)
                    self.peak_mb = max(self.peak_mb, outcome.memory_mb)
                    waiting.extend(followers(process.job, outcome))
        finally:
            for process in running:
                process.end("stopped")

    def _start(self, job: Job) -> Process:
        try:
            process = Process(job)
        except OSError as error:
            raise PiretryError(
                f"A Lean process cannot be started ({error.strerror}): {job.command[0]}. Free memory or processes, or "
                "ask for fewer `workers`."
            ) from error
        self.started += 1
        return process

    @staticmethod
    def _wait(running: list[Process]) -> list[tuple[Process, str | None]]:
        """Wait until processes end, fall silent for too long or say too much; return them with the reason."""
        with selectors.DefaultSelector() as selector:
            for process in running:
                for pipe in process.open:
                    selector.register(pipe, selectors.EVENT_READ, process)
            until = min(process.deadline for process in running) - time.monotonic()
            events = selector.select(max(0.0, until))
        for key, _ in events:
            key.data.read(key.fd)
        over: list[tuple[Process, str | None]] = []
        now = time.monotonic()
        for process in running:
            if process.flooded:
                over.append((process, "flood"))
            elif not process.open:
                over.append((process, None))
            elif now >= process.deadline:
                over.append((process, "silence"))
        return over
