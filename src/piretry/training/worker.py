"""One process of a training in several: ``python -m piretry.training.worker SPEC.json`` under accelerate's launcher."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError

STOP = "stop"
OUTCOME = "outcome.json"
_STEPS = re.compile(r"piretry-steps (\d+)\s*")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Spec:
    """What the processes of a launch are told, as JSON: paths, the task's settings, and the folder of the launch.

    In `folder` lie the file `stop`, when the processes are to save a checkpoint and end, and what they report.
    """

    model: str
    rows: str
    settings: dict[str, Any]
    target: str
    checkpoints: str
    folder: str

    def to_json(self) -> str:
        """The specification as JSON."""
        return json.dumps(asdict(self), indent=2)


def main(path: str) -> int:
    """Train as the specification in file `path` says; the exit status is 0 only when the whole training is done."""
    from piretry.sft import read_sft
    from piretry.training.sft import train_here

    die_with(os.getppid())
    spec = Spec(**json.loads(Path(path).read_text(encoding="utf-8")))
    folder, rank = Path(spec.folder), int(os.environ["RANK"])
    try:
        _require_gpu(spec.settings)
        outcome = train_here(
            Path(spec.model),
            read_sft(Path(spec.rows)),
            spec.settings,
            Path(spec.target),
            Path(spec.checkpoints),
            _printed_steps if rank == 0 else _silent,
            (folder / STOP).exists,
        )
    except PiretryError as error:
        _report(folder, rank, str(error), meant=True)
        return 2
    except Exception:
        _report(folder, rank, traceback.format_exc(), meant=False)
        raise
    if rank == 0:
        _write(folder / OUTCOME, asdict(outcome))
    (folder / f"finished.{rank}").touch()
    _leave_group()
    return 0


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent, whose id is `parent`, has died (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os.kill(os.getpid(), signal.SIGKILL)


def steps_in(line: str) -> int | None:
    """The steps that a line of a worker's output reports, or None when it is another line."""
    found = _STEPS.fullmatch(line)
    return int(found[1]) if found else None


@contextmanager
def _printed_steps(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda step: print(f"piretry-steps {step}", flush=True)


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda step: None


def _require_gpu(settings: dict[str, Any]) -> None:
    import torch

    found = torch.cuda.device_count()
    if settings["device"] == "cuda" and found < settings["processes"]:
        raise PiretryError(
            f"The training needs {settings['processes']} GPUs, one a process, but the job sees {found}. Look at "
            "CUDA_VISIBLE_DEVICES, at the GPUs of the job in the scale file's resources, and, in a container, for --nv."
        )


def _report(folder: Path, rank: int, message: str, meant: bool) -> None:
    """Leave for the parent why this process fails; `meant` is a sentence for the user, else it is a traceback."""
    _write(folder / f"failure-{rank}.json", {"rank": rank, "time": time.time(), "message": message, "meant": meant})


def _write(path: Path, value: Any) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


def _leave_group() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
