"""Search for a proof: facts are gathered forwards, the goal is built backwards, disjunctions are split last.

Saturation applies what always helps (taking conjunctions apart, modus ponens with a premise that can be built) round
by round, so that what is found first has a short derivation. The goal is then built from the facts; where that fails,
a disjunction is split and both cases are searched. Every rule that is applied greedily is invertible or only adds
facts, so that, up to the depth bound on nested cases and assumptions, nothing provable is missed (the tests compare
with a decision procedure for intuitionistic logic).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from piretry.data.theorems.formula import And, Equal, Formula, Implies, Or
from piretry.data.theorems.proof import Node, steps

Facts = dict[Formula, Node]


# Cases and assumptions that a proof may nest: enough for everything that the generator draws (see the tests).
DEPTH = 4


class Search:
    """The search from one set of hypotheses, for any number of goals.

    Args:
        hypotheses: (name, formula) pairs.
        rng: shuffles the order in which hypotheses are tried, so that several short proofs can be found; None keeps
            their order.
        depth: the bound on nested cases and assumptions.
    """

    def __init__(
        self, hypotheses: Sequence[tuple[str, Formula]], rng: random.Random | None = None, depth: int = DEPTH
    ) -> None:
        ordered = list(hypotheses)
        if rng is not None:
            rng.shuffle(ordered)
        self.depth = depth
        self.facts = _saturated({formula: Node(formula, "given", name=name) for name, formula in ordered}, depth)

    def prove(self, goal: Formula) -> Node | None:
        """A short proof of `goal`, or None when there is none within the bound."""
        return _prove(self.facts, goal, self.depth)


def _prove(facts: Facts, goal: Formula, depth: int) -> Node | None:
    facts = _saturated(facts, depth)
    found = _build(facts, goal, depth)
    if found is not None or depth == 0:
        return found
    proofs = []
    for fact, node in list(facts.items()):
        if not isinstance(fact, Or) or fact.left in facts or fact.right in facts:
            continue
        left, right = Node(fact.left, "assumed"), Node(fact.right, "assumed")
        in_left = _prove({**facts, fact.left: left}, goal, depth - 1)
        in_right = _prove({**facts, fact.right: right}, goal, depth - 1) if in_left is not None else None
        if in_left is not None and in_right is not None:
            proofs.append(Node(goal, "cases", (node, left, in_left, right, in_right)))
    return min(proofs, key=steps, default=None)


def _saturated(facts: Facts, depth: int) -> Facts:
    """`facts` and what follows from them without splitting a disjunction."""
    facts = dict(facts)
    while True:
        new: Facts = {}
        for fact, node in facts.items():
            if isinstance(fact, And):
                new.setdefault(fact.left, Node(fact.left, "left", (node,)))
                new.setdefault(fact.right, Node(fact.right, "right", (node,)))
            elif isinstance(fact, Implies) and fact.right not in facts:
                premise = _build(facts, fact.left, depth)
                if premise is not None:
                    new.setdefault(fact.right, Node(fact.right, "apply", (node, premise)))
            elif isinstance(fact, Equal):
                new.setdefault(back := Equal(fact.right, fact.left), Node(back, "symm", (node,)))
                for other, link in facts.items():
                    if isinstance(other, Equal) and other.left == fact.right and other.right != fact.left:
                        new.setdefault(on := Equal(fact.left, other.right), Node(on, "trans", (node, link)))
        new = {fact: node for fact, node in new.items() if fact not in facts}
        if not new:
            return facts
        facts.update(new)


def _build(facts: Facts, goal: Formula, depth: int) -> Node | None:
    """A proof of `goal` from `facts` as they are; only what stands under an assumption is searched anew."""
    if goal in facts:
        return facts[goal]
    if isinstance(goal, And):
        left = _build(facts, goal.left, depth)
        right = _build(facts, goal.right, depth) if left is not None else None
        return Node(goal, "pair", (left, right)) if left is not None and right is not None else None
    if isinstance(goal, Or):
        left, right = _build(facts, goal.left, depth), _build(facts, goal.right, depth)
        made = [Node(goal, "inl", (left,))] if left is not None else []
        made += [Node(goal, "inr", (right,))] if right is not None else []
        return min(made, key=steps, default=None)
    if isinstance(goal, Implies) and depth > 0:
        assumption = Node(goal.left, "assumed")
        body = _prove({**facts, goal.left: assumption}, goal.right, depth - 1)
        return Node(goal, "intro", (assumption, body)) if body is not None else None
    return None
