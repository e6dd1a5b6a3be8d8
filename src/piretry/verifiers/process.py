"""One worker process as its parent sees it: started, given one request, read without blocking, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import piretry
from piretry.errors import PiretryError
from piretry.verifiers.base import Verdict

#: a reference and an answer, or None for the question whether the reference parses
Job = tuple[str, str | None]

_MAX_LINE = 1 << 16  # a reply is some 50 bytes; more without a newline is garbage
_END_S = 2.0  # how long an idle worker may take to end by itself
_SIGNALS_OF_TIME = (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU)


class Broken(Exception):
    """The worker broke the protocol or is gone."""


class Worker:
    """One worker process, its pipes and the request that it works on."""

    def __init__(self, command: Sequence[str], start_s: float) -> None:
        source = str(Path(piretry.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": "0"}
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
        """Queue `job` for writing; raise Broken when the worker spoke or ended while it was idle."""
        if self._read():
            raise Broken
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
            raise Broken from error

    def _read(self) -> bytes:
        """Read what there is; raise Broken at the end of the pipe."""
        data = b""
        try:
            while chunk := os.read(self.output, 1 << 16):
                data += chunk
                if len(data) > _MAX_LINE:
                    raise Broken
        except BlockingIOError:
            return data
        except OSError as error:
            raise Broken from error
        raise Broken

    def receive(self) -> Verdict | None:
        """Take in what the worker wrote; return the verdict on its request once it is there.

        Raises Broken for anything that is not in the protocol, PiretryError when the worker cannot work at
        all.
        """
        self._received += self._read()
        verdict: Verdict | None = None
        *lines, self._received = self._received.split(b"\n")
        if len(self._received) > _MAX_LINE:
            raise Broken
        for line in lines:
            message = _message(line)
            if "fatal" in message:
                raise PiretryError(
                    f"The grading worker cannot start: {message['fatal']}. Check that math-verify and its parser are "
                    "installed in this environment (piretry grade needs them)."
                )
            if message.get("ready") is True and not self.ready:
                self.ready = True
            elif verdict is None and self.job is not None and self.ready:
                verdict = self._verdict(message)
            else:
                raise Broken
        return verdict

    def _verdict(self, message: dict[str, Any]) -> Verdict:
        if "died" in message:
            return Verdict.timeout if message["died"] in _SIGNALS_OF_TIME else Verdict.error
        if message.get("n") != self._serial or message.get("verdict") not in list(Verdict):
            raise Broken
        return Verdict(message["verdict"])

    def end(self) -> None:
        """End the worker: an idle one by closing its input (it then buries its child), any other by force."""
        if self.ready and self.job is None:
            self.forget()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_S)
        self.kill()

    def kill(self) -> None:
        """End the worker and its children at once, and close the pipes."""
        if self.process.returncode is None:  # once it has been waited for, its number may be another's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.forget()
        self.process.wait()

    def forget(self) -> None:
        """Close this process's ends of the pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Broken from error
    if not isinstance(message, dict):
        raise Broken
    return message


def worker_command(cpu_s: float, wall_s: float, memory_mb: int, recycle_after: int) -> list[str]:
    """Return the command of a worker; ``-P`` keeps the current folder off its import path."""
    command = [sys.executable, "-P", "-m", "piretry.verifiers.worker"]
    command += ["--cpu-s", str(cpu_s), "--wall-s", str(wall_s)]
    return [*command, "--memory-mb", str(memory_mb), "--recycle-after", str(recycle_after)]
