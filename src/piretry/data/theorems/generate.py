"""Draws theorems: random hypotheses, a random goal, kept when the search proves it in the wanted number of steps."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from piretry.data.schema import Problem, content_id
from piretry.data.theorems.formula import PROPOSITIONS, TERMS, And, Equal, Formula, Implies, Or, Variable, renamed
from piretry.data.theorems.proof import Node, Style, render, sound, steps
from piretry.data.theorems.search import Search
from piretry.data.theorems.theorem import Split, Theorem, split_of, typed_name
from piretry.errors import PiretryError
from piretry.settings.prover import TheoremSettings

# Of the hypotheses with one connective, implications are the more frequent: they are what proofs are made of.
_CONNECTIVES = (Implies, Implies, And, Or)
# Share of the random hypotheses that are atoms; without known atoms hardly anything follows.
_ATOMIC_HYPOTHESES = 0.3
# Draws in vain after which the settings are taken to ask for what does not exist.
_PATIENCE = 200_000


@dataclass(frozen=True, slots=True)
class Proved:
    """A theorem with the proof that the search found, and whether its hypotheses are called by numbers."""

    theorem: Theorem
    proof: Node
    numbered: bool

    def text(self, style: Style = "nested") -> str:
        """The proof as a Lean term in a style of `proof.py`; the style of a problem's solution is `nested`."""
        return render(self.proof, style, "numbered" if self.numbered else "typed", len(self.theorem.hypotheses) + 1)


def varied(rng: random.Random, proved: Proved) -> Proved:
    """The same theorem up to its normal form: other variables, another order of hypotheses, and a proof found anew."""
    names = dict(zip(PROPOSITIONS, rng.sample(PROPOSITIONS, len(PROPOSITIONS)), strict=True))
    names |= dict(zip(TERMS, rng.sample(TERMS, len(TERMS)), strict=True))
    formulas = [renamed(formula, names) for _, formula in proved.theorem.hypotheses]
    rng.shuffle(formulas)
    hypotheses, goal = _named(formulas, proved.numbered), renamed(proved.theorem.goal, names)
    proof = Search(hypotheses, rng).prove(goal)
    if proof is None:
        raise RuntimeError(f"the search finds no proof of a renamed theorem: {hypotheses}, {goal}")
    return Proved(Theorem(hypotheses, goal), proof, proved.numbered)


def draw_theorem(rng: random.Random, settings: TheoremSettings, split: Split) -> Proved:
    """A random theorem of `split`: number of hypotheses and difficulty by the weights of `settings`.

    Raises PiretryError when nothing of the kind turns up.
    """
    wanted = _weighted(rng, settings.steps)
    for _ in range(_PATIENCE):
        hypotheses, goals, numbered = _draw(rng, settings, wanted)
        search = Search(hypotheses, rng)
        for goal in goals:
            proof = search.prove(goal)
            if proof is None or steps(proof) != wanted:
                continue
            theorem = Theorem(hypotheses, goal)
            if split_of(theorem.normal_form, settings.train_share, settings.eval_share) == split:
                return Proved(theorem, proof, numbered)
    raise PiretryError(
        f"theorems in the scale file: {_PATIENCE} random sets of hypotheses held none of the {split} split whose "
        f"proof takes {wanted} steps. Give `steps` lower numbers, raise `nested` or the weight of more `hypotheses`."
    )


def generate_theorems(settings: TheoremSettings, split: Split, problems: int, name: str) -> list[Problem]:
    """`problems` theorems of `split` that differ by more than names and order; fewer are a prefix of more.

    A problem's text and its gold are the statement, its solution is the proof in `nested` style, and its id comes from
    the normal form.

    Args:
        settings: how theorems are made and divided.
        split: which split they come from.
        problems: how many.
        name: the dataset's name, for the column `source`.

    Raises PiretryError when the settings do not yield so many different ones.
    """
    rng = random.Random(f"{settings.seed}/{split}")
    found: dict[str, Problem] = {}
    repeats = 0
    while len(found) < problems:
        proved = draw_theorem(rng, settings, split)
        normal = proved.theorem.normal_form
        if normal in found:
            repeats += 1
            if repeats > 1000 + 10 * len(found):
                raise PiretryError(
                    f"theorems in the scale file: only {len(found)} of {problems} different theorems of the {split} "
                    "split turned up. Ask for fewer problems, or allow more hypotheses, steps or nested formulas."
                )
            continue
        if not sound(proved.proof):
            raise RuntimeError(f"the search found a proof that is none: {proved}")
        found[normal] = Problem(
            problem_id=content_id("theorem", normal),
            problem=proved.theorem.statement,
            gold=proved.theorem.statement,
            solution=proved.text(),
            source=name,
            split=split,
        )
    return list(found.values())


def _draw(
    rng: random.Random, settings: TheoremSettings, wanted: int
) -> tuple[tuple[tuple[str, Formula], ...], list[Formula], bool]:
    """Named hypotheses, all different, some goals that are none of them, and whether the names are numbers.

    Part of the hypotheses is grown backwards from a goal, about as far as the `wanted` steps: random ones alone hardly
    ever give more than three. The rest is random, and the search alone says what follows from them in how many steps.
    """
    count = _weighted(rng, settings.hypotheses)
    numbered = rng.random() < settings.numbered
    draw = _Formulas(rng, rng.random() < settings.equations)
    core = draw.atom()
    formulas = dict.fromkeys(draw.explanation(core, rng.choice((0, wanted, 2 * wanted)), count))
    while len(formulas) < count:
        nested = rng.random() < settings.nested
        formula = draw.atom() if rng.random() < _ATOMIC_HYPOTHESES else draw.compound(nested)
        if not _trivial(formula):
            formulas[formula] = None
    listed = list(formulas)
    rng.shuffle(listed)
    goals = [core, And(core, draw.atom()), And(draw.atom(), core), Or(core, draw.atom()), Or(draw.atom(), core)]
    goals += [Implies(draw.atom(), core), draw.atom(), draw.compound(nested=False)]
    rng.shuffle(goals)
    goals = [goal for goal in goals if goal not in formulas and not _trivial(goal)]
    return _named(listed, numbered), goals, numbered


def _named(formulas: Sequence[Formula], numbered: bool) -> tuple[tuple[str, Formula], ...]:
    """Hypotheses with their names: by their type, or h1, h2, … in order."""
    return tuple(
        (f"h{number}" if numbered else typed_name(formula), formula) for number, formula in enumerate(formulas, start=1)
    )


class _Formulas:
    """Draws formulas over the variables of one theorem."""

    def __init__(self, rng: random.Random, equations: bool) -> None:
        self.rng = rng
        self.propositions = rng.sample(PROPOSITIONS, 2 if equations else rng.choice((3, 4, 4)))
        terms = rng.sample(TERMS, 3) if equations else []
        self.equations = [Equal(left, right) for left in terms for right in terms if left != right]

    def atom(self) -> Formula:
        if self.equations and self.rng.random() < 0.6:
            return self.rng.choice(self.equations)
        return Variable(self.rng.choice(self.propositions))

    def compound(self, nested: bool) -> Formula:
        """One connective, or two."""
        connective = self.rng.choice(_CONNECTIVES)
        left, right = self.atom(), self.atom()
        if nested:
            inner = self.rng.choice(_CONNECTIVES)(left, right)
            left, right = (inner, self.atom()) if self.rng.random() < 0.5 else (self.atom(), inner)
        return connective(left, right)

    def explanation(self, goal: Formula, rules: int, most: int) -> list[Formula]:
        """At most `most` hypotheses, none of them trivial, from which `goal` follows by at most `rules` rules."""
        needed, hypotheses = [goal], list[Formula]()
        for _ in range(rules):
            need, *others = needed
            premise, other = self.atom(), self.atom()
            kind = self.rng.choice(("implies", "implies", "and", "both", "cases"))
            made: list[Formula]
            if kind == "implies":
                made, others = [Implies(premise, need)], [*others, premise]
            elif kind == "and":
                made = [And(need, other) if self.rng.random() < 0.5 else And(other, need)]
            elif kind == "both":
                made, others = [Implies(And(premise, other), need)], [*others, premise, other]
            else:
                made = [Or(premise, other), Implies(premise, need), Implies(other, need)]
            fits = len({*hypotheses, *made, *others}) <= most
            if fits and goal not in others and not any(_trivial(formula) for formula in made):
                needed, hypotheses = others, [*hypotheses, *made]
            if not needed:
                break
        return [formula for formula in dict.fromkeys([*hypotheses, *needed]) if formula != goal]


def _trivial(formula: Formula) -> bool:
    """Whether a connective joins a formula to itself, as in p → p."""
    if isinstance(formula, Variable | Equal):
        return False
    return formula.left == formula.right or _trivial(formula.left) or _trivial(formula.right)


def _weighted(rng: random.Random, weights: Mapping[int, float]) -> int:
    numbers = sorted(weights)
    return rng.choices(numbers, [weights[number] for number in numbers])[0]
