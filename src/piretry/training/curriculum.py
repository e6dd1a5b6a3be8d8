"""The dialogues that a mini base model is pretrained on: worked answers with errors, and retries.

Two kinds of errors give a base model its place. *Slips* are random: any step may state a wrong result; sampling at
a temperature below 1, or training on right answers, sharpens them away. *Misconceptions* repeat: a few of the 300
facts ``a op b = c`` have one wrong result that this model has learnt, and they can only be unlearnt from an answer
in which the right one came up. Both are carried on: the next step goes on from what was stated.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from piretry.data.chains import MODULUS, OPERATIONS, Chain, draw_chain
from piretry.dialogue import opening, retry_dialogue
from piretry.engines.base import Message
from piretry.prompts import RetryPrompts
from piretry.settings.mini import ChainSettings, PretrainSettings

Fact = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The turns that the model sees, and the answer that it is trained to give."""

    prompt: tuple[Message, ...]
    answer: str


def make_dialogues(
    chains: ChainSettings, settings: PretrainSettings, prompts: RetryPrompts, chat: Mapping[str, Any]
) -> list[Dialogue]:
    """The dialogues of a whole pretraining run, in the order of training: `steps` times `batch_size` of them.

    Args:
        chains: the generator; only chains of its pretraining split are used.
        settings: the mixture and the noise.
        prompts: the scale's retry prompts, each as frequent as the others.
        chat: the scale's chat settings (`system`, `instruction`), so that the model knows the very turns it will see.
    """
    rng = random.Random(f"{settings.seed}/dialogues")
    wrong_facts = misconceptions(settings)
    total = settings.steps * settings.batch_size
    dialogues = []
    for number in range(total):
        noise = settings.step_noise if number >= settings.noise_from * total else 0.0
        writer = _Writer(rng, noise, wrong_facts, settings.misconception_rate)
        chain = draw_chain(rng, chains, "pretrain")
        if rng.random() < settings.retry_share:
            dialogues.append(_retry(rng, writer, chain, chains, settings, prompts, chat))
        else:
            dialogues.append(Dialogue(opening(chat, chain.text), chain.worked(writer.attempt(chain))))
    return dialogues


def misconceptions(settings: PretrainSettings) -> dict[Fact, int]:
    """The facts that the model of these settings has learnt wrong, each with its wrong result."""
    rng = random.Random(f"{settings.seed}/misconceptions")
    facts: list[Fact] = [(a, operator, b) for a in range(MODULUS) for operator in OPERATIONS for b in range(MODULUS)]
    chosen = rng.sample(facts, round(settings.misconceptions * len(facts)))
    return {fact: _other_digit(rng, OPERATIONS[fact[1]](fact[0], fact[2])) for fact in chosen}


class _Writer:
    """Writes attempts as the model to be made would."""

    def __init__(self, rng: random.Random, noise: float, wrong_facts: Mapping[Fact, int], rate: float) -> None:
        self.rng = rng
        self.noise = noise
        self.wrong_facts = wrong_facts
        self.rate = rate

    def attempt(self, chain: Chain, slip_at: int | None = None) -> list[int]:
        """The stated results of an attempt; at step `slip_at` it surely slips."""
        value, results = chain.start, []
        for number, (operator, operand) in enumerate(chain.steps):
            right = OPERATIONS[operator](value, operand)
            learnt = self.wrong_facts.get((value, operator, operand))
            if number == slip_at or self.rng.random() < self.noise:
                value = _other_digit(self.rng, right)
            elif learnt is not None and self.rng.random() < self.rate:
                value = learnt
            else:
                value = right
            results.append(value)
        return results

    def failure(self, chain: Chain) -> list[int]:
        """An attempt whose answer is wrong: one slip at a random step, and more by chance.

        A multiplication by 0 or an even number can absorb the slip, so it is tried until the answer is wrong; a slip
        at the last step always is.
        """
        gold = chain.results()[-1]
        while (results := self.attempt(chain, slip_at=self.rng.randrange(len(chain.steps))))[-1] == gold:
            pass
        return results


def _retry(
    rng: random.Random,
    writer: _Writer,
    chain: Chain,
    chains: ChainSettings,
    settings: PretrainSettings,
    prompts: RetryPrompts,
    chat: Mapping[str, Any],
) -> Dialogue:
    """A failed answer, a retry prompt, and a fresh answer.

    The fresh answer is an attempt like any other, with the same noise, and owes nothing to the failed one: a model
    of this size that was shown repaired failures would learn a skill that the mini scale then only confirms. A hint
    of an answer is followed with a set probability by bending the last step, which is how a rationalised answer looks;
    otherwise the model works the problem out as if nothing had been said.
    """
    gold = chain.results()[-1]
    other = draw_chain(rng, chains, "pretrain")
    while other.results()[-1] == gold:  # `wrong` shows an answer that is another problem's and not right
        other = draw_chain(rng, chains, "pretrain")
    name = rng.choice(prompts.names)
    shown = (str(gold), str(other.results()[-1]))
    histories: list[Literal["last", "all", "none"]] = sorted(settings.histories)
    (history,) = rng.choices(histories, [settings.histories[kind] for kind in histories])
    failures = [chain.worked(writer.failure(chain)) for _ in range(2 if history == "all" else 1)]
    turns = retry_dialogue(chat, chain.text, failures, prompts.render(name, *shown), history)
    results = writer.attempt(chain)
    hint = prompts.hinted(name, *shown)
    if hint is not None and rng.random() < settings.hint_following:
        results[-1] = int(hint)
    return Dialogue(turns, chain.worked(results))


def _other_digit(rng: random.Random, digit: int) -> int:
    """A digit that is not `digit`, all others equally likely."""
    return (digit + rng.randrange(1, MODULUS)) % MODULUS
