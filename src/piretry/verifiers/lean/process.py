"""One Lean process as the checker sees it: started in its cage, read without blocking, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MAX_OUTPUT = 16 << 20  # bytes of diagnostics; a proof that makes Lean say more is ended
_MAX_LINES = 100_000
_KEPT_STDERR = 4096
_CLOSING_S = 5.0  # between the end of its output and its own


@dataclass
class Job:
    """One call of Lean.

    `start_s` bounds the wall clock until Lean's first line, `step_s` the time between two lines, and `total_s` all of
    it. `task` is the caller's own.
    """

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    start_s: float
    step_s: float
    total_s: float
    task: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Outcome:
    """What a job came to: its lines, its exit status, and `killed`: ``silence`` or ``flood`` where we ended it.

    `memory_mb` is the largest resident memory of one of its processes.
    """

    lines: tuple[str, ...]
    stderr: str
    status: int
    killed: str | None
    memory_mb: float
    seconds: float

    @property
    def ended(self) -> bool:
        """Whether Lean came to its own end, with or without errors in the file."""
        return self.killed is None and self.status in (0, 1)


class Process:
    """A running job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            list(job.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=job.folder,
            env=dict(job.environment),
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self.pipes = {self._process.stdout.fileno(): bytearray(), self._process.stderr.fileno(): bytearray()}
        self._output, self._errors = self.pipes
        self.open = set(self.pipes)
        for pipe in self.pipes:
            os.set_blocking(pipe, False)
        self._progress = self.began
        self._spoken = False

    @property
    def deadline(self) -> float:
        """When the process must have spoken again or ended, on the monotonic clock."""
        step = self.job.step_s if self._spoken else self.job.start_s
        return min(self._progress + step, self.began + self.job.total_s)

    @property
    def flooded(self) -> bool:
        """Whether it wrote more than is read."""
        return len(self.pipes[self._output]) > _MAX_OUTPUT

    def read(self, pipe: int) -> None:
        """Take in what there is in one of its pipes; at its end the pipe is no longer `open`."""
        try:
            while chunk := os.read(pipe, 1 << 16):
                buffer = self.pipes[pipe]
                buffer += chunk
                if pipe == self._output:
                    if b"\n" in chunk:
                        self._progress, self._spoken = time.monotonic(), True
                    if self.flooded:
                        return
                else:
                    del buffer[:-_KEPT_STDERR]
        except BlockingIOError:
            return
        except OSError:
            pass
        self.open.discard(pipe)

    def end(self, killed: str | None = None) -> Outcome:
        """End the process with all it started, and return what it came to."""
        if killed is None and not self._ends_soon():
            killed = "silence"  # it closed its output and went on
        self._signal()  # before it is waited for: afterwards its number may be another's
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        output = b"" if killed == "flood" else bytes(self.pipes[self._output])
        lines = output.decode("utf-8", "replace").split("\n", _MAX_LINES)
        stderr = bytes(self.pipes[self._errors]).decode("utf-8", "replace")
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return Outcome(
            tuple(line for line in lines if line),
            stderr,
            self._process.returncode,
            killed,
            usage.ru_maxrss / 1024,
            time.monotonic() - self.began,
        )

    def _ends_soon(self) -> bool:
        until = time.monotonic() + _CLOSING_S
        while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > until:
                return False
            time.sleep(0.001)
        return True

    def _signal(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
