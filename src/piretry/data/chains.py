"""The mini scale's problems: chains of additions, subtractions and multiplications modulo 10.

``Start with 3, then +0, -8. Work modulo 10.`` has the worked answer ``3+0=3, 3-8=5. \\boxed{5}``. Every
intermediate result is one digit, so that a model of a third of a million parameters can learn to calculate in
seconds; chains of different lengths are of different difficulty.

The splits (pretrain, train, eval) are disjoint by construction: a hash of the problem itself, not of its text,
decides where it belongs, whatever seed draws it.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from piretry.data.schema import Problem
from piretry.errors import PiretryError
from piretry.settings.mini import ChainSettings

Split = Literal["pretrain", "train", "eval"]
MODULUS = 10
# `*` and not `×`: one byte, so one token in any byte-level tokenizer.
OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda a, b: (a + b) % MODULUS,
    "-": lambda a, b: (a - b) % MODULUS,
    "*": lambda a, b: (a * b) % MODULUS,
}
# Another value would move problems between splits: part of what the splits are, so no setting.
_SPLIT_SALT = "piretry.chains/1"
_TEXT = re.compile(r"Start with (\d), then ((?:[+*-]\d)(?:, [+*-]\d)*)\. Work modulo 10\.")
_BOX = re.compile(r"\\boxed\{(\d)\}")


@dataclass(frozen=True, slots=True)
class Chain:
    """A start digit and operations (operator, digit) to apply to it in turn."""

    start: int
    steps: tuple[tuple[str, int], ...]

    @property
    def canonical(self) -> str:
        """The problem and nothing else, e.g. ``3+0-8``: what decides its split and its id."""
        return f"{self.start}{''.join(f'{operator}{operand}' for operator, operand in self.steps)}"

    @property
    def text(self) -> str:
        """The problem as it is asked."""
        listed = ", ".join(f"{operator}{operand}" for operator, operand in self.steps)
        return f"Start with {self.start}, then {listed}. Work modulo {MODULUS}."

    def results(self) -> list[int]:
        """The right result of every step, in order."""
        value, results = self.start, []
        for operator, operand in self.steps:
            value = OPERATIONS[operator](value, operand)
            results.append(value)
        return results

    def worked(self, results: list[int]) -> str:
        """The worked answer that states `results`, right or wrong: each step goes on from the result stated before."""
        value, lines = self.start, []
        for (operator, operand), result in zip(self.steps, results, strict=True):
            lines.append(f"{value}{operator}{operand}={result}")
            value = result
        return f"{', '.join(lines)}. \\boxed{{{value}}}"


def draw_chain(rng: random.Random, settings: ChainSettings, split: Split) -> Chain:
    """A random chain of `split`: its length by the weights of `settings`, all else uniform."""
    lengths = sorted(settings.operations)
    weights = [settings.operations[length] for length in lengths]
    while True:
        (length,) = rng.choices(lengths, weights)
        steps = tuple((rng.choice(tuple(OPERATIONS)), rng.randrange(MODULUS)) for _ in range(length))
        chain = Chain(rng.randrange(MODULUS), steps)
        if split_of(chain, settings) == split:
            return chain


def split_of(chain: Chain, settings: ChainSettings) -> Split:
    """The split that `chain` belongs to: its hash is a uniform number in [0, 1), and the shares divide that range."""
    digest = hashlib.sha256(f"{_SPLIT_SALT}/{chain.canonical}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < settings.eval_share:
        return "eval"
    return "train" if position < settings.eval_share + settings.train_share else "pretrain"


def generate_problems(settings: ChainSettings, split: Split, problems: int, name: str) -> list[Problem]:
    """`problems` different problems of `split`, drawn by the settings' seed; fewer are a prefix of more.

    Args:
        settings: how chains are made and divided.
        split: which split they come from.
        problems: how many.
        name: the dataset's name, for the column `source`.

    Raises PiretryError when the split is too small to draw so many different ones.
    """
    _check_capacity(settings, split, problems)
    rng = random.Random(f"{settings.seed}/{split}")
    seen: dict[str, Problem] = {}
    while len(seen) < problems:
        chain = draw_chain(rng, settings, split)
        if chain.canonical not in seen:
            seen[chain.canonical] = _verified(
                Problem(
                    problem_id=f"chain-{chain.canonical}",
                    problem=chain.text,
                    gold=str(chain.results()[-1]),
                    solution=chain.worked(chain.results()),
                    source=name,
                    split=split,
                )
            )
    return list(seen.values())


def evaluate(problem: str) -> int:
    """The answer of a problem, found from its text and independently of how the generator found it.

    The chain is computed in the integers and reduced modulo 10 once, at the end; the generator reduces at every
    step. ValueError when the text is no problem of this generator.
    """
    match = _TEXT.fullmatch(problem)
    if match is None:
        raise ValueError(f"this is no chain problem: {problem!r}")
    value = int(match[1])
    for step in match[2].split(", "):
        operand = int(step[1:])
        value = {"+": value + operand, "-": value - operand, "*": value * operand}[step[0]]
    return value - MODULUS * (value // MODULUS)


def _verified(problem: Problem) -> Problem:
    answer = str(evaluate(problem.problem))
    boxed = _BOX.findall(problem.solution or "")
    if problem.gold != answer or boxed != [answer]:
        raise RuntimeError(f"the generator and the independent evaluation ({answer}) disagree on {problem}")
    return problem


def _check_capacity(settings: ChainSettings, split: Split, problems: int) -> None:
    """Refuse to draw more than half of what a length has in the split: draws would repeat more and more."""
    share = settings.eval_share if split == "eval" else settings.train_share
    if split == "pretrain":
        share = 1 - settings.eval_share - settings.train_share
    total = sum(settings.operations.values())
    for length, weight in sorted(settings.operations.items()):
        there_are = MODULUS * (len(OPERATIONS) * MODULUS) ** length * share
        wanted = problems * weight / total
        if wanted > there_are / 2:
            raise PiretryError(
                f"data.chains in the scale file: {problems} problems of the {split} split, with the weights of "
                f"`operations`, need about {wanted:.0f} chains of {length} operations, but the split has only about "
                f"{there_are:.0f} and at most half of them can be drawn. Ask for fewer problems, give shorter chains "
                f"less weight or the split a larger share."
            )
