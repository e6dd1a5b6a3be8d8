"""train: supervised fine-tuning of a cell's model on its selected examples, with TRL's SFTTrainer.

Full fine-tuning or LoRA; the loss covers the completion only. A LoRA adapter is merged into the weights that are
saved, so that every state is sampled in the same way, and the adapter itself is kept in `adapter/` beside them; a
merged model that does not act as its adapter is not published. A job with several GPUs trains in as many processes.
Run alone: ``piretry train small/retry-full/k3/bare/r1/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.sft import read_sft
from piretry.training.sft import fine_tune

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Train from the model in input `model` on `sft` and save the new model folder."""
    rows = read_sft(job.input("sft"))
    outcome = fine_tune(
        model=job.input("model"),
        rows=rows,
        settings=job.settings,
        target=job.output("model"),
        checkpoints=job.partial(),
        progress=lambda total: job.progress(f"train {job.task.target}", total),
    )
    job.count(examples=len(rows), **outcome.counters)
    job.note(losses=outcome.losses, **outcome.facts)
