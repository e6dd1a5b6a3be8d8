"""distill: structural PI distillation of a prover: shown the sub-goals of known proofs it teaches itself without them.

Run alone: ``piretry distill prover/skeleton-lora/k1/none/r1/s42``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.data.schema import read_problems
from piretry.lean_prompts import LeanPrompts
from piretry.training.distill import distill, distill_rows

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Train from the model in input `model` on the theorems in `problems` and save the new model folder."""
    settings = job.settings
    prompts = LeanPrompts(settings["prompts"], settings["error_characters"])
    theorems = read_problems(job.input("problems"))
    rows = distill_rows(theorems, settings["chat"], prompts)
    outcome = distill(
        model=job.input("model"),
        rows=rows,
        settings=settings,
        target=job.output("model"),
        checkpoints=job.partial(),
        progress=lambda total: job.progress(f"distill {job.task.target}", total),
    )
    job.count(theorems=len(rows), without_subgoals=len(theorems) - len(rows), **outcome.counters)
    job.note(losses=outcome.losses, **outcome.facts)
