"""Fine-tunes in a process of its own, for tests that kill it: ``python train_driver.py SPEC``, SPEC as JSON.

Prints `step N` after each step, and the outcome's counters as JSON at the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuning_case import ROWS

from piretry.errors import PiretryError
from piretry.training.launch import launch
from piretry.training.sft import fine_tune


@contextmanager
def printed(total: int) -> Iterator[Callable[[int], None]]:
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        print(f"step {done}", flush=True)

    yield advance


def main() -> None:
    spec = json.loads(sys.argv[1])
    arguments = (Path(spec["model"]), ROWS, spec["settings"], Path(spec["target"]), Path(spec["checkpoints"]), printed)
    try:
        outcome = launch(*arguments, module=spec["module"]) if spec.get("module") else fine_tune(*arguments)
    except PiretryError as error:
        sys.exit(f"PiretryError: {error}")
    print(json.dumps({"counters": outcome.counters, "losses": outcome.losses}), flush=True)


if __name__ == "__main__":
    main()
