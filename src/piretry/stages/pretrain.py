"""pretrain: the base model of a role, made from nothing: dialogues, tokenizer and weights all follow from the settings.

Run alone: ``piretry pretrain small``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings, ModelShape, PretrainSettings
from piretry.training.curriculum import make_dialogues
from piretry.training.pretrain import pretrain
from piretry.training.tokenizer import build_tokenizer, tokenizer_texts

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the model folder: safetensors, tokenizer with chat template, neutral generation config."""
    chains = ChainSettings.model_validate(job.settings["chains"])
    shape = ModelShape.model_validate(job.settings["shape"])
    settings = PretrainSettings.model_validate(job.settings["pretrain"])
    prompts = RetryPrompts(job.settings["prompts"])
    chat = job.settings["chat"]
    done = pretrain(
        dialogues=make_dialogues(chains, settings, prompts, chat),
        tokenizer=build_tokenizer(tokenizer_texts(chains, prompts, chat), shape.vocabulary),
        shape=shape,
        settings=settings,
        out_dir=job.output("model"),
        state_dir=job.partial(),
        threads=job.settings["threads"],
        progress=lambda total: job.progress(f"pretrain {job.task.target}", total),
    )
    job.count(parameters=done.parameters, steps=done.steps, train_tokens=done.tokens)
    job.note(losses=done.losses, models={job.task.target: {"id": "pretrained by the workflow", "revision": None}})
