"""The parent's side of the workers: start them when needed, feed them one request each, survive whatever they do.

Everything runs in the calling thread with non-blocking pipes and one `select`, so it works from threads, from
daemonic processes (which may not have `multiprocessing` children) and inside pytest. A worker that dies, writes
garbage or is silent for too long costs the verdict of one request and is replaced; it cannot block the rest.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import piretry
from piretry.errors import PiretryError
from piretry.verifiers.base import Verdict

Job = tuple[str, str | None]

_MAX_LINE = 1 << 16  # a reply is some 50 bytes; more without a newline is garbage
_JOBS_PER_WORKER = 100  # a further worker costs half a second to start: worth it from about this many requests
_TRIES = 2  # a request whose worker broke without reaching its limits is tried once more, on a new worker
_STARTS = 4  # so many workers may end before they are ready, in one run
_END_S = 2.0  # how long an idle worker may take to end by itself
_SIGNALS_OF_TIME = (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU)


class _Broken(Exception):
    """The worker broke the protocol or is gone."""


class _Worker:
    """One worker process, its pipes and the request that it works on."""

    def __init__(self, command: Sequence[str], start_s: float) -> None:
        source = str(Path(piretry.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1"}
        self.process = subprocess.Popen(  # its own session, so that it can be ended with its children
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.input, False)
        os.set_blocking(self.output, False)
        self.ready = False
        self.job: int | None = None
        self.deadline = time.monotonic() + start_s
        self._serial = 0
        self._unsent = b""
        self._received = b""

    def assign(self, index: int, job: Job, wall_s: float) -> None:
        """Queue `job` for writing; raise _Broken when the worker spoke or ended while it was idle."""
        if self._read():
            raise _Broken
        self._serial += 1
        self.job = index
        self.deadline = time.monotonic() + wall_s
        request = {"n": self._serial, "gold": job[0], "answer": job[1]}
        self._unsent = json.dumps(request).encode("ascii") + b"\n"
        self.write()

    @property
    def writing(self) -> bool:
        """Whether a part of the request waits for room in the pipe."""
        return bool(self._unsent)

    def write(self) -> None:
        """Write what the pipe takes."""
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self.input, self._unsent[: 1 << 16]) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise _Broken from error

    def _read(self) -> bytes:
        """Read what there is; raise _Broken at the end of the pipe."""
        data = b""
        try:
            while chunk := os.read(self.output, 1 << 16):
                data += chunk
                if len(data) > _MAX_LINE:
                    raise _Broken
        except BlockingIOError:
            return data
        except OSError as error:
            raise _Broken from error
        raise _Broken

    def receive(self) -> Verdict | None:
        """Take in what the worker wrote; return the verdict on its request once it is there.

        Raises _Broken for anything that is not in the protocol, PiretryError when the worker cannot work at all.
        """
        self._received += self._read()
        verdict: Verdict | None = None
        *lines, self._received = self._received.split(b"\n")
        if len(self._received) > _MAX_LINE:
            raise _Broken
        for line in lines:
            message = _message(line)
            if "fatal" in message:
                raise PiretryError(
                    f"The grading worker could not start: {message['fatal']}. Check that math-verify and its parser are "
                    "installed in this environment (piretry grade needs them)."
                )
            if message.get("ready") is True and not self.ready:
                self.ready = True
            elif verdict is None and self.job is not None and self.ready:
                verdict = self._verdict(message)
            else:
                raise _Broken
        return verdict

    def _verdict(self, message: dict[str, Any]) -> Verdict:
        if "died" in message:
            return Verdict.timeout if message["died"] in _SIGNALS_OF_TIME else Verdict.error
        if message.get("n") != self._serial or message.get("verdict") not in list(Verdict):
            raise _Broken
        return Verdict(message["verdict"])

    def end(self) -> None:
        """End the worker: an idle one by closing its input, so that it can bury its child, any other by force."""
        if self.ready and self.job is None:
            self.forget()
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        """End the worker and its children at once, and close the pipes."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.forget()
        self.process.wait()

    def forget(self) -> None:
        """Close this process's ends of the pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Broken from error
    if not isinstance(message, dict):
        raise _Broken
    return message


def worker_command(cpu_s: float, memory_mb: int, recycle_after: int) -> list[str]:
    """Return the command of a worker; ``-P`` keeps the current folder off its import path."""
    command = [sys.executable, "-P", "-m", "piretry.verifiers.worker"]
    return [*command, "--cpu-s", str(cpu_s), "--memory-mb", str(memory_mb), "--recycle-after", str(recycle_after)]


class WorkerPool:
    """Up to `workers` processes that are started when there is work for them and kept until `close`.

    `wall_s` is the backstop: a worker that has not answered one request after so many seconds is killed.
    `start_s` is how long one may take to load. One thread at a time may call `run`.
    """

    def __init__(self, command: Sequence[str], workers: int, wall_s: float, start_s: float = 120.0) -> None:
        self._command, self._limit = list(command), workers
        self._wall_s, self._start_s = wall_s, start_s
        self._workers: list[_Worker] = []
        self._owner = os.getpid()
        self.started = 0  # how many worker processes were started, for reports and tests

    def run(self, jobs: Sequence[Job]) -> list[Verdict]:
        """Return the verdict on each of `jobs`, in order; `timeout` and `error` for those that no worker survived."""
        self._leave_inherited()
        verdicts: list[Verdict | None] = [None] * len(jobs)
        waiting = deque(range(len(jobs)))
        tries = [0] * len(jobs)
        failed_starts = 0
        useful = 1 + (len(jobs) - 1) // _JOBS_PER_WORKER
        try:
            while waiting or self._working():
                for _ in range(min(self._limit, useful, len(waiting) + self._working()) - len(self._workers)):
                    self._workers.append(_Worker(self._command, self._start_s))
                    self.started += 1
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
                except _Broken:
                    worker.job = index
                    self._replace(worker, waiting, tries, verdicts)

    def _replace(self, worker: _Worker, waiting: deque[int], tries: list[int], verdicts: list[Verdict | None]) -> None:
        """End a broken or silent worker; its request is tried again, unless it was silent or has had its tries."""
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

    def _wait(self) -> list[tuple[_Worker, Verdict | None]]:
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
        outcomes: dict[int, tuple[_Worker, Verdict | None]] = {}
        for key, mask in events:
            worker = key.data
            try:
                if mask & selectors.EVENT_WRITE:
                    worker.write()
                elif (verdict := worker.receive()) is not None:
                    outcomes[id(worker)] = (worker, verdict)
            except _Broken:
                outcomes[id(worker)] = (worker, None)
        now = time.monotonic()
        for worker in busy:
            overdue = now >= worker.deadline and (worker.job is not None or not worker.ready)
            if overdue and id(worker) not in outcomes:
                outcomes[id(worker)] = (worker, None)
        return list(outcomes.values())

    def _leave_inherited(self) -> None:
        """After a fork the workers belong to the other process: close the copies of their pipes and start anew."""
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
