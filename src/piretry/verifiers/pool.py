"""The parent's side of the workers: start them when needed, feed them one request each, survive whatever they do.

Everything runs in the calling thread with non-blocking pipes and one `select`, so it works from threads, from
daemonic processes (which may not have `multiprocessing` children) and inside pytest. A worker that dies, writes
garbage or is silent for too long costs the verdict of one request and is replaced; it cannot block the rest.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Sequence

from piretry.errors import PiretryError
from piretry.verifiers.base import Verdict
from piretry.verifiers.process import Broken, Job, Worker

_JOBS_PER_WORKER = 100  # a further worker costs half a second to start: worth it from about this many requests
_TRIES = 2  # a request whose worker broke without reaching its limits is tried once more, on a new worker
_STARTS = 4  # so many workers may end before they are ready, in one run


class WorkerPool:
    """Up to `workers` processes that are started when there is work for them and kept until `close`.

    `wall_s` is the backstop: a worker that has not answered one request after so many seconds is killed.
    `start_s` is how long one may take to load. One thread at a time may call `run`.
    """

    def __init__(self, command: Sequence[str], workers: int, wall_s: float, start_s: float = 120.0) -> None:
        self._command, self._limit = list(command), workers
        self._wall_s, self._start_s = wall_s, start_s
        self._workers: list[Worker] = []
        self._owner = os.getpid()
        self.started = 0  # how many worker processes were started, for reports and tests

    def run(self, jobs: Sequence[Job]) -> list[Verdict]:
        """Return the verdict on each of `jobs`, in order; `timeout` and `error` for those that no worker
        survived.
        """
        self._leave_inherited()
        verdicts: list[Verdict | None] = [None] * len(jobs)
        waiting = deque(range(len(jobs)))
        tries = [0] * len(jobs)
        failed_starts = 0
        useful = 1 + (len(jobs) - 1) // _JOBS_PER_WORKER
        try:
            while waiting or self._working():
                for _ in range(min(self._limit, useful, len(waiting) + self._working()) - len(self._workers)):
                    self._start()
                self._hand_out(waiting, jobs, tries, verdicts)
                for worker, verdict in self._wait():
                    if verdict is not None:
                        assert worker.job is not None
                        verdicts[worker.job], worker.job = verdict, None
                        continue
                    failed_starts += not worker.ready
                    self._replace(worker, waiting, tries, verdicts)
                    if failed_starts >= _STARTS:
                        raise PiretryError(
                            f"The grading worker ended {_STARTS} times before it was ready. Run its command by hand to "
                            f"see why: {' '.join(self._command)}"
                        )
        except BaseException:
            self.close()  # what a worker still computes must not be taken for the answer to a later request
            raise
        return [verdict if verdict is not None else Verdict.error for verdict in verdicts]

    def _start(self) -> None:
        try:
            self._workers.append(Worker(self._command, self._start_s))
        except OSError as error:
            raise PiretryError(
                f"A grading worker cannot be started ({error.strerror}): {self._command[0]}. Free memory or processes, "
                "or ask for fewer `workers`."
            ) from error
        self.started += 1

    def _working(self) -> int:
        return sum(worker.job is not None for worker in self._workers)

    def _hand_out(
        self, waiting: deque[int], jobs: Sequence[Job], tries: list[int], verdicts: list[Verdict | None]
    ) -> None:
        """Give each idle, ready worker the next request."""
        for worker in list(self._workers):
            if waiting and worker.ready and worker.job is None:
                index = waiting.popleft()
                tries[index] += 1
                try:
                    worker.assign(index, jobs[index], self._wall_s)
                except Broken:
                    worker.job = index
                    self._replace(worker, waiting, tries, verdicts)

    def _replace(self, worker: Worker, waiting: deque[int], tries: list[int], verdicts: list[Verdict | None]) -> None:
        """End a broken or silent worker; its request is tried again, unless it was silent or has had its
        tries.
        """
        silent = time.monotonic() >= worker.deadline
        worker.kill()
        self._workers.remove(worker)
        if worker.job is None:
            return
        if silent:
            verdicts[worker.job] = Verdict.timeout
        elif tries[worker.job] >= _TRIES:
            verdicts[worker.job] = Verdict.error
        else:
            waiting.appendleft(worker.job)

    def _wait(self) -> list[tuple[Worker, Verdict | None]]:
        """Wait until a worker answers (its verdict), breaks or passes its deadline (None)."""
        busy = [worker for worker in self._workers if worker.job is not None or not worker.ready]
        if not busy:
            return []
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker.output, selectors.EVENT_READ, worker)
                if worker.writing:
                    selector.register(worker.input, selectors.EVENT_WRITE, worker)
            until = min(worker.deadline for worker in busy) - time.monotonic()
            events = selector.select(max(0.0, until))
        outcomes: dict[int, tuple[Worker, Verdict | None]] = {}
        for key, mask in events:
            worker = key.data
            try:
                if mask & selectors.EVENT_WRITE:
                    worker.write()
                elif (verdict := worker.receive()) is not None:
                    outcomes[id(worker)] = (worker, verdict)
            except Broken:
                outcomes[id(worker)] = (worker, None)
        now = time.monotonic()
        for worker in busy:
            overdue = now >= worker.deadline and (worker.job is not None or not worker.ready)
            if overdue and id(worker) not in outcomes:
                outcomes[id(worker)] = (worker, None)
        return list(outcomes.values())

    def _leave_inherited(self) -> None:
        """After a fork the workers belong to the other process: close the copies of their pipes and start
        anew.
        """
        if self._owner != os.getpid():
            for worker in self._workers:
                worker.forget()
            self._workers, self._owner = [], os.getpid()

    def close(self) -> None:
        """End all workers."""
        self._leave_inherited()
        for worker in self._workers:
            worker.end()
        self._workers = []
