"""What the prover's base is pretrained on, made from a task's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from piretry.lean_prompts import LeanPrompts
from piretry.settings.mini import ModelShape
from piretry.settings.prover import ProverPretrainSettings, TheoremSettings
from piretry.training.curriculum import Dialogue
from piretry.training.prover import PIECES, make_prover_dialogues, prover_texts
from piretry.training.tokenizer import build_tokenizer


def material(given: Mapping[str, Any]) -> tuple[list[Dialogue], Any, ProverPretrainSettings]:
    """Dialogues, tokenizer and schedule."""
    theorems = TheoremSettings.model_validate(given["theorems"])
    settings = ProverPretrainSettings.model_validate(given["pretrain"])
    shape = ModelShape.model_validate(given["shape"])
    prompts, chat = LeanPrompts(given["prompts"], given["error_characters"]), given["chat"]
    tokenizer = build_tokenizer(prover_texts(theorems, prompts, chat), shape.vocabulary, PIECES)
    return make_prover_dialogues(theorems, settings, prompts, chat), tokenizer, settings
