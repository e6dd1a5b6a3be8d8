"""The dialogues that the mini prover is pretrained on: proofs, retries after failed ones, and proofs along a skeleton.

The loop that trains on them is that of the other mini models (`pretrain.py`). What a retry shows is made up without
Lean, as is the error in it (`data/theorems/slips.py` words it as Lean does): the model learns what such a dialogue
looks like, and whether it can use what it is told is left open. The fresh proof after a failure has slips at the same
rate as any other.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal

from piretry.data.theorems.generate import Proved, draw_theorem, varied
from piretry.data.theorems.proof import STYLES, Style
from piretry.data.theorems.skeleton import skeleton
from piretry.data.theorems.slips import slip
from piretry.dialogue import opening, retry_dialogue
from piretry.lean_prompts import LeanPrompts, skeleton_opening
from piretry.settings.prover import ProverPretrainSettings, TheoremSettings
from piretry.training.curriculum import Dialogue

_SAMPLE = 500
_LETTER = "[aeiopqrsw-z]"
_INSIDE = "|".join(rf"\bh{_LETTER * length}" for length in range(14))
# How the prover's text is cut up. The names that tell a type fall into their letters, each of which says one thing
# about the type, wherever the name stands; other words are whole, with the space after them, and so are the marks.
PIECES = (
    rf"\n|[0-9]|\) \(|: |:= |; |=> |[()] ?|[:;.,`]|h(?={_LETTER}+\b)|(?<={_INSIDE}){_LETTER}(?={_LETTER}*\b) ?"
    r"|\w+ ?|[^\s\w():;.,`]+ ?|\s"
)


def make_prover_dialogues(
    theorems: TheoremSettings, settings: ProverPretrainSettings, prompts: LeanPrompts, chat: Mapping[str, Any]
) -> list[Dialogue]:
    """The dialogues of a whole pretraining run, in the order of training: `steps` times `batch_size` of them.

    Args:
        theorems: the generator; only theorems of its pretraining split are used.
        settings: the mixture and the slips.
        prompts: the prover's prompts.
        chat: the scale's chat settings (`system`, `instruction`), so that the model knows the very turns it will see.
    """
    rng = random.Random(f"{settings.seed}/proofs")
    pool = [draw_theorem(rng, theorems, "pretrain") for _ in range(settings.theorems)]
    total = settings.steps * settings.batch_size
    dialogues = []
    for number in range(total):
        slips = settings.slips if number >= settings.slips_from * total else 0.0
        writer, proved = _Writer(rng, settings, prompts, chat, slips), varied(rng, rng.choice(pool))
        plain = number < settings.plain_until * total
        dialogues.append(writer.bare(proved) if plain else writer.dialogue(proved))
    return dialogues


def prover_texts(theorems: TheoremSettings, prompts: LeanPrompts, chat: Mapping[str, Any]) -> list[str]:
    """Text to train the prover's tokenizer on: statements of the pretraining split, their proofs, and all prompts."""
    rng = random.Random(f"{theorems.seed}/tokenizer")
    texts = ["system", "user", "assistant"] * _SAMPLE
    for _ in range(_SAMPLE):
        proved = draw_theorem(rng, theorems, "pretrain")
        texts += [turn["content"] for turn in opening(chat, proved.theorem.statement)]
        texts += [*(proved.text(style) for style in STYLES), prompts.bare()]
        failed, subgoals = slip(rng, proved), skeleton(proved.text())
        texts += [prompts.error(failed.message)] if failed else []
        texts += [prompts.skeleton(subgoals)] if subgoals else []
    return texts


class _Writer:
    """Writes dialogues as the model to be made would lead them."""

    def __init__(
        self,
        rng: random.Random,
        settings: ProverPretrainSettings,
        prompts: LeanPrompts,
        chat: Mapping[str, Any],
        slips: float,
    ) -> None:
        self.rng = rng
        self.settings = settings
        self.prompts = prompts
        self.chat = chat
        self.slips = slips

    def dialogue(self, proved: Proved) -> Dialogue:
        """One dialogue about a theorem; a kind for which it has no material becomes the bare theorem and its proof."""
        statement, kind = proved.theorem.statement, self.rng.random()
        subgoals = skeleton(proved.text())
        if kind < self.settings.skeleton_share and subgoals:
            prompt = skeleton_opening(self.chat, statement, self.prompts, subgoals)
            return Dialogue(prompt, self.attempt(proved, "nested"))
        if kind < self.settings.skeleton_share + self.settings.retry_share:
            failed = slip(self.rng, proved)
            if failed is not None:
                return self.retry(proved, failed.proved.text(), failed.message)
        return self.bare(proved)

    def bare(self, proved: Proved) -> Dialogue:
        """The theorem and a proof."""
        return Dialogue(opening(self.chat, proved.theorem.statement), self.attempt(proved))

    def attempt(self, proved: Proved, style: Style | None = None) -> str:
        """A proof in `style`, or in one by the weights of the settings; with a slip now and then."""
        if self.rng.random() < self.slips:
            failed = slip(self.rng, proved)
            proved = failed.proved if failed is not None else proved
        if style is None:
            styles: list[Style] = sorted(self.settings.styles)
            (style,) = self.rng.choices(styles, [self.settings.styles[name] for name in styles])
        return proved.text(style)

    def retry(self, proved: Proved, failure: str, message: str) -> Dialogue:
        """A failed proof, one of the two retry prompts, and a fresh proof."""
        histories: list[Literal["last", "all", "none"]] = sorted(self.settings.histories)
        (history,) = self.rng.choices(histories, [self.settings.histories[kind] for kind in histories])
        prompt = self.prompts.bare() if self.rng.random() < 0.5 else self.prompts.error(message)
        failures = [failure] * (2 if history == "all" else 1)
        turns = retry_dialogue(self.chat, proved.theorem.statement, failures, prompt, history)
        return Dialogue(turns, self.attempt(proved))
