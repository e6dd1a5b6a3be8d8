"""The training worker with FSDP on the CPU, for tests: accelerate would drop the sharding there without a word.

accelerate offers FSDP where it finds several GPUs; here it is told that it does, after the process group (gloo) and the
device (cpu) are settled. Everything from there on is what runs on GPUs: accelerate's wrapping, torch's `fully_shard`,
the trainer, sharded checkpoints, the gathering of the final weights.
"""

from __future__ import annotations

import sys
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType

from piretry.training.worker import main

_settle = PartialState.__init__


def _as_if_gpus(state: PartialState, *arguments: Any, **options: Any) -> None:
    _settle(state, *arguments, **options)
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.MULTI_GPU


if __name__ == "__main__":
    PartialState.__init__ = _as_if_gpus
    sys.exit(main(sys.argv[1]))
