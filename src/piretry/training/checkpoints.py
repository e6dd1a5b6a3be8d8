"""Checkpoints of a fine-tuning: which one a killed run goes on from, and one more when the run is told to stop."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def last_checkpoint(folder: Path, processes: int) -> Path | None:
    """The newest whole checkpoint in `folder`, or None.

    A kill may leave half of one. The trainer writes its state last, after the weights and the optimizer, and each
    process its random state: one is whole when the state can be read and no process's random state is missing.
    """
    found = [path for path in folder.glob("checkpoint-*") if _is_whole(path, processes)]
    return max(found, key=_step, default=None)


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _is_whole(path: Path, processes: int) -> bool:
    names = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    try:
        state = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        return bool(state["global_step"] == _step(path)) and all((path / name).is_file() for name in names)
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def stop_on_sigterm() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM ends nothing; the function that is yielded says whether it has come.

    Slurm sends SIGTERM some time before SIGKILL when a job reaches its time limit, is preempted or cancelled. Outside
    the main thread, where Python takes no signals, the block changes nothing.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


def stop_callback(requested: Callable[[], bool]) -> Any:
    """A trainer callback that saves a checkpoint and ends the training at the first step at which a stop is asked for.

    Processes agree on the step, since a checkpoint is written by all of them together: one request stops all.
    `stopped_at` is that step, or None.
    """
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        """Ends the training early, with a checkpoint."""

        stopped_at: int | None = None

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if _any_process(requested(), args.device) and state.global_step < state.max_steps:
                control.should_save = True
                control.should_training_stop = True
                self.stopped_at = state.global_step

    return Stop()


def _any_process(value: bool, device: Any) -> bool:
    """Whether `value` holds in any process of the training."""
    import torch
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return value
    flag = torch.tensor(int(value), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag.item())
