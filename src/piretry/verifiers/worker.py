"""A grading worker, started by pool.py as ``python -P -m piretry.verifiers.worker`` with its limits as options.

It speaks JSON lines over its standard input and output, one request at a time:
``{"n": 7, "gold": "...", "answer": "..."}`` gives ``{"n": 7, "verdict": "correct"}``.

The process loads SymPy once and then only forks: each child answers requests until it has answered enough,
runs out of memory or is killed, and is replaced in milliseconds (a new interpreter costs half a second). The
child limits itself through the kernel, whose default action ends it even inside C code that no Python handler
could interrupt:

* SIGPROF after `cpu_s` seconds of processor time for one request, which does not depend on the machine's
  load;
* SIGALRM after `wall_s` seconds on the wall clock, should it sleep;
* RLIMIT_AS for memory, RLIMIT_CORE 0 so that nothing is dumped.

The parent has a wall clock of its own on top (pool.py). When the parent goes away, standard input ends and so
do child and process; where a copy of the pipe survives in another process, the change of parent is noticed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable
from typing import Any

_RECYCLE, _END = 0, 9  # exit codes of a child: replace me, or the input has ended


def main(arguments: list[str] | None = None) -> int:
    """Serve until standard input ends; return the exit status."""
    options = _options(arguments)
    output = os.dup(sys.stdout.fileno())
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)  # a library that prints must not break the protocol
    os.dup2(silence, 2)
    try:
        from piretry.verifiers.compare import compare

        compare(r"\frac{1}{2}", "x^2+1")  # loads the grammar, which every child then shares
    except Exception as error:
        _send(output, {"fatal": f"{type(error).__name__}: {error}"})
        return 1
    gc.collect()
    gc.freeze()
    _send(output, {"ready": True})
    _supervise(lambda: _serve(output, options, compare), output)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="piretry.verifiers.worker")
    parser.add_argument("--cpu-s", type=float, required=True)
    parser.add_argument("--wall-s", type=float, required=True)
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--recycle-after", type=int, required=True)
    return parser.parse_args(arguments)


def _send(output: int, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode("ascii") + b"\n"
    while data:
        data = data[os.write(output, data) :]


def _supervise(serve: Callable[[], int], output: int) -> None:
    """Keep one child serving; report a child that died, and end with the input or with the parent."""
    parent = os.getppid()
    while True:
        alive, held = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(alive)
            os._exit(serve())
        os.close(held)
        while not select.select([alive], [], [], 2.0)[0]:  # readable, at its end, once the child is gone
            if os.getppid() != parent:
                os.kill(child, signal.SIGKILL)
        os.close(alive)
        status = os.waitpid(child, 0)[1]
        if os.getppid() != parent:
            return
        if os.WIFSIGNALED(status):
            _send(output, {"died": os.WTERMSIG(status)})
        elif os.WEXITSTATUS(status) != _RECYCLE:
            return


def _serve(output: int, options: argparse.Namespace, compare: Callable[[str, str | None], Any]) -> int:
    """Answer requests; return the exit code of this child."""
    _limit_myself(options.memory_mb)
    for _ in range(options.recycle_after):
        try:
            line = _read_line()
            if line is None:
                return _END
            request = json.loads(line)
            signal.setitimer(signal.ITIMER_PROF, options.cpu_s)
            signal.setitimer(signal.ITIMER_REAL, options.wall_s)
            try:
                answer = {"verdict": str(compare(request["gold"], request["answer"]))}
            except BaseException as error:  # memory, recursion, a bug: this request is an error
                answer = {"verdict": "error", "reason": type(error).__name__}
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            _send(output, {"n": request["n"], **answer})
        except Exception:  # the parent is gone or writes no requests
            return _END
        if "reason" in answer:
            break  # the next child starts clean
    return _RECYCLE


def _limit_myself(memory_mb: int) -> None:
    for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":  # macOS has the limit in name only, and refuses some values
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))


def _read_line() -> bytes | None:
    """Read one line from standard input without reading beyond it, or None at its end."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = os.read(0, 1 << 20)  # the parent sends the next request only after the answer to this one
        if not chunk:
            return None
        data += chunk
    return data


if __name__ == "__main__":
    os._exit(main())  # nothing is left to flush, and taking SymPy apart takes time
