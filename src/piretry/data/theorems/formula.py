"""Propositions of the fragment: variables, equations between variables, →, And, Or; their Lean text and their names.

A hypothesis of type φ is called `h` and the Polish form of φ: ``hipq : p → q``, ``hapoqr : And p (Or q r)``. Polish
form is uniquely readable, so that the name tells the type, which a very small model needs in order to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

PROPOSITIONS = ("p", "q", "r", "s")
TERMS = ("x", "y", "z", "w")


@dataclass(frozen=True, slots=True)
class Variable:
    """A propositional variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Equal:
    """An equation between two variables of type Nat."""

    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Implies:
    """left → right."""

    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class And:
    """Conjunction, without notation: ``And p q``."""

    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Or:
    """Disjunction, without notation: ``Or p q``."""

    left: Formula
    right: Formula


Formula = Variable | Equal | Implies | And | Or

_LETTER = {Implies: "i", And: "a", Or: "o"}


def lean(formula: Formula) -> str:
    """The formula as Lean reads it without any notation but the built-in arrow."""
    if isinstance(formula, Variable):
        return formula.name
    if isinstance(formula, Equal):
        return f"Eq {formula.left} {formula.right}"
    if isinstance(formula, Implies):
        left = lean(formula.left)
        return f"{f'({left})' if isinstance(formula.left, Implies) else left} → {lean(formula.right)}"
    return f"{type(formula).__name__} {_argument(formula.left)} {_argument(formula.right)}"


def _argument(formula: Formula) -> str:
    return formula.name if isinstance(formula, Variable) else f"({lean(formula)})"


def polish(formula: Formula, rename: Callable[[str], str] = str) -> str:
    """Polish form with one letter a connective and variable; `rename` is applied to the variables."""
    if isinstance(formula, Variable):
        return rename(formula.name)
    if isinstance(formula, Equal):
        return f"e{rename(formula.left)}{rename(formula.right)}"
    return f"{_LETTER[type(formula)]}{polish(formula.left, rename)}{polish(formula.right, rename)}"


def symmetric(formula: Formula, rename: Callable[[str], str]) -> str:
    """Polish form up to the order of the arguments of And, Or and Eq: the smaller one comes first."""
    if isinstance(formula, Variable):
        return rename(formula.name)
    if isinstance(formula, Equal):
        return "e" + "".join(sorted((rename(formula.left), rename(formula.right))))
    parts = [symmetric(formula.left, rename), symmetric(formula.right, rename)]
    if not isinstance(formula, Implies):
        parts.sort()
    return _LETTER[type(formula)] + "".join(parts)


def variables(formula: Formula) -> Iterator[str]:
    """Names of the variables in `formula`, from left to right, with repeats."""
    if isinstance(formula, Variable):
        yield formula.name
    elif isinstance(formula, Equal):
        yield formula.left
        yield formula.right
    else:
        yield from variables(formula.left)
        yield from variables(formula.right)


def renamed(formula: Formula, names: Mapping[str, str]) -> Formula:
    """`formula` with each variable called by its new name."""
    if isinstance(formula, Variable):
        return Variable(names[formula.name])
    if isinstance(formula, Equal):
        return Equal(names[formula.left], names[formula.right])
    return type(formula)(renamed(formula.left, names), renamed(formula.right, names))
