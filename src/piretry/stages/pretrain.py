"""pretrain: the base model of a role, made from nothing: dialogues, tokenizer and weights all follow from the settings.

Run alone: ``piretry pretrain small``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from piretry.settings.mini import ModelShape
from piretry.training.pretrain import pretrain

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the model folder: safetensors, tokenizer with chat template, neutral generation config."""
    # By name, so that an edit to what the prover is taught changes the code digest of the prover's base alone.
    taught = importlib.import_module(f"piretry.training.{job.settings['taught']}")
    dialogues, tokenizer, settings = taught.material(job.settings)
    done = pretrain(
        dialogues=dialogues,
        tokenizer=tokenizer,
        shape=ModelShape.model_validate(job.settings["shape"]),
        settings=settings,
        out_dir=job.output("model"),
        state_dir=job.partial(),
        threads=job.settings["threads"],
        progress=lambda total: job.progress(f"pretrain {job.task.target}", total),
    )
    job.count(parameters=done.parameters, steps=done.steps, train_tokens=done.tokens)
    job.note(losses=done.losses, models={job.task.target: {"id": "pretrained by the workflow", "revision": None}})
