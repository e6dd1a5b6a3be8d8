"""Wrong proofs that look right: one slip in a right one, and what Lean would say of it.

Names, brackets and keywords stay as they should be, so that only a type checker can tell: what the heuristic verifier
is bad at. A name that does not exist is the third kind, since small models invent names too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from piretry.data.theorems.formula import And, Formula, Implies, Variable, lean
from piretry.data.theorems.generate import Proved
from piretry.data.theorems.proof import Node, reachable
from piretry.data.theorems.theorem import typed_name


@dataclass(frozen=True, slots=True)
class Slip:
    """A proof with one mistake, and an error message in Lean's words for it."""

    proved: Proved
    message: str


def slip(rng: random.Random, proved: Proved) -> Slip | None:
    """A random slip in `proved`, or None where the proof has no place for one.

    Raises nothing and never returns a right proof: what is put in has another type than its place asks for.
    """
    found = list(_slips(rng, proved))
    if not found:
        return None
    place, wrong, message = rng.choice(found)
    return Slip(Proved(proved.theorem, _replaced(proved.proof, place, wrong), proved.numbered), message)


def _slips(rng: random.Random, proved: Proved) -> Iterator[tuple[Node, Node, str]]:
    """(node, what is wrongly put in its place, the message) for every place that a slip can be made at."""
    given = [Node(formula, "given", name=name) for name, formula in proved.theorem.hypotheses]
    for node in reachable(proved.proof):
        premise = node.parts[0] if node.parts else node
        if premise.rule != "given":
            continue
        if node.rule == "apply" and isinstance(premise.formula, Implies):
            others = [other for other in given if other.formula not in (premise.formula.left, premise.formula)]
            if others:
                other = rng.choice(others)
                yield node, Node(node.formula, "apply", (premise, other)), _mismatch(other, premise)
            name = _unknown(rng, proved)
            wrong = Node(premise.formula, "given", name=name)
            yield node, Node(node.formula, "apply", (wrong, node.parts[1])), f"Unknown identifier `{name}`"
        elif node.rule in ("left", "right") and isinstance(premise.formula, And):
            half = "right" if node.rule == "left" else "left"
            actual = premise.formula.right if half == "right" else premise.formula.left
            if actual != node.formula:
                message = (
                    f"Type mismatch {premise.name}.{half} has type {lean(actual)} but is expected to have type "
                    f"{lean(node.formula)}"
                )
                yield node, Node(node.formula, half, (premise,)), message  # type: ignore[arg-type]


def _mismatch(argument: Node, function: Node) -> str:
    assert isinstance(function.formula, Implies)
    return (
        f"Application type mismatch: The argument {argument.name} has type {lean(argument.formula)} but is expected to "
        f"have type {lean(function.formula.left)} in the application {function.name} {argument.name}"
    )


def _unknown(rng: random.Random, proved: Proved) -> str:
    """A name of the theorem's own kind that it does not have."""
    known = {name for name, _ in proved.theorem.hypotheses}
    while True:
        if proved.numbered:
            name = f"h{rng.randint(1, 2 * len(known) + 8)}"
        else:
            atoms: list[Formula] = [Variable(name) for name in rng.sample("pqrs", 2)]
            name = typed_name(Implies(*atoms))
        if name not in known and name not in proved.text().split():
            return name


def _replaced(root: Node, place: Node, wrong: Node) -> Node:
    """The proof `root` with the node `wrong` where `place` was."""
    made: dict[int, Node] = {}
    for node in reachable(root):
        if node is place:
            made[id(node)] = wrong
        else:
            parts = tuple(made[id(part)] for part in node.parts)
            same = all(new is old for new, old in zip(parts, node.parts, strict=True))
            made[id(node)] = node if same else Node(node.formula, node.rule, parts, node.name)
    return made[id(root)]
