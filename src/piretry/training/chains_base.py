"""What the bases of the roles of mathematics are pretrained on, made from a task's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings, ModelShape, PretrainSettings
from piretry.training.curriculum import Dialogue, make_dialogues
from piretry.training.tokenizer import build_tokenizer, tokenizer_texts


def material(given: Mapping[str, Any]) -> tuple[list[Dialogue], Any, PretrainSettings]:
    """Dialogues, tokenizer and schedule."""
    chains = ChainSettings.model_validate(given["chains"])
    settings = PretrainSettings.model_validate(given["pretrain"])
    shape = ModelShape.model_validate(given["shape"])
    prompts, chat = RetryPrompts(given["prompts"]), given["chat"]
    tokenizer = build_tokenizer(tokenizer_texts(chains, prompts, chat), shape.vocabulary)
    return make_dialogues(chains, settings, prompts, chat), tokenizer, settings
