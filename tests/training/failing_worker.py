"""The training worker, whose second process fails after two steps: it raises, or, with FAIL=kill, is killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from piretry.training import worker


@contextmanager
def failing(total: int) -> Iterator[Callable[[int], None]]:
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        if done >= 2:
            if os.environ.get("FAIL") == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("the second process is broken")

    yield advance


if __name__ == "__main__":
    worker._silent = failing
    sys.exit(worker.main(sys.argv[1]))
