"""Proofs in natural deduction as graphs of facts, and their rendering as Lean terms.

A proof is a node: a formula, the rule that gives it, and the nodes that the rule needs. A fact that is used twice is
one node. Lean text comes in three styles:

- `flat` names every fact that is derived on the way, in the order of need: a plan has to be made ahead.
  ``have hp : p := hapr.left; have hq : q := hipq hp; hiqr hq``
- `nested` names the facts that a goal needs, and proves each as a goal of its own: one step back at a time, which is
  what very small models can learn.
  ``have hq : q := (have hp : p := hapr.left; hipq hp); hiqr hq``
- `direct` names none: ``hiqr (hipq hapr.left)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from piretry.data.theorems.formula import And, Equal, Formula, Implies, Or, lean
from piretry.data.theorems.theorem import typed_name

Rule = Literal["given", "assumed", "apply", "left", "right", "pair", "inl", "inr", "cases", "intro", "symm", "trans"]
Style = Literal["nested", "flat", "direct"]
STYLES: tuple[Style, ...] = ("direct", "flat", "nested")

# Facts that these rules give are named; the other rules build a goal out of facts.
_FORWARD = ("apply", "left", "right", "symm", "trans", "cases")
_CALLS = {"pair": "And.intro", "inl": "Or.inl", "inr": "Or.inr", "symm": "Eq.symm", "trans": "Eq.trans"}


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A fact with its derivation; nodes are compared by identity.

    `parts` are the premises. A `cases` node has (disjunction, left assumption, left proof, right assumption, right
    proof), an `intro` node (assumption, proof): such assumptions may be used in their own proof only. `name` is the
    hypothesis of a `given` node.
    """

    formula: Formula
    rule: Rule
    parts: tuple[Node, ...] = ()
    name: str = ""


def steps(root: Node) -> int:
    """The number of different rule applications in a proof: its difficulty. A hypothesis alone counts 0."""
    return sum(node.rule not in ("given", "assumed") for node in reachable(root))


def reachable(root: Node) -> list[Node]:
    """Every node of a proof once, premises before what they prove, the premises of a rule from left to right."""
    seen: set[int] = set()
    order: list[Node] = []

    def visit(node: Node) -> None:
        if id(node) not in seen:
            seen.add(id(node))
            for part in node.parts:
                visit(part)
            order.append(node)

    visit(root)
    return order


def render(root: Node, style: Style, names: Literal["typed", "numbered"] = "typed", first_number: int = 1) -> str:
    """The Lean term of a proof, on one line.

    Args:
        root: the proof.
        style: see the module.
        names: how facts on the way and assumptions are called: by their type, or `h1`, `h2`, … in order.
        first_number: the first number that no hypothesis has.
    """
    writer = _Writer(style, names, first_number, _free(root))
    return writer.scope(root, frozenset(), {})


class _Writer:
    """Renders a proof scope by scope; a scope is what stands under one binder."""

    def __init__(self, style: Style, names: str, first_number: int, free: Mapping[int, frozenset[int]]) -> None:
        self.style = style
        self.names = names
        self.number = first_number
        self.free = free

    def scope(self, root: Node, bound: frozenset[int], known: Mapping[int, str]) -> str:
        """The text of `root` where the assumptions `bound` may be used and the nodes `known` have names already."""
        known = dict(known)
        lines = []
        if self.style == "nested":
            for node in _needs(root):
                if id(node) not in known:
                    # Named after its proof is written, as Lean would have it: inside, the name is not known.
                    value = self.scope(node, bound, known)
                    value = f"({value})" if value.startswith("have ") else value
                    name = self.fresh(node.formula)
                    lines.append(f"have {name} : {lean(node.formula)} := {value}; ")
                    known[id(node)] = name
        if self.style == "flat":
            for node in reachable(root):
                # A fact is stated in the outermost scope that knows its assumptions.
                ready = node.rule in _FORWARD and self.free[id(node)] <= bound
                if ready and node is not root and id(node) not in known:
                    value = self.term(node, bound, known)
                    name = self.fresh(node.formula)
                    lines.append(f"have {name} : {lean(node.formula)} := {value}; ")
                    known[id(node)] = name
        return "".join(lines) + self.term(root, bound, known)

    def term(self, node: Node, bound: frozenset[int], known: Mapping[int, str]) -> str:
        """The text of one fact."""
        if id(node) in known:
            return known[id(node)]
        if node.rule == "given":
            return node.name
        if node.rule in ("left", "right"):
            return f"{self.argument(node.parts[0], bound, known)}.{node.rule}"
        if node.rule == "intro":
            return self.binder(node.parts[0], node.parts[1], bound, known)
        if node.rule == "cases":
            disjunction, *branches = node.parts
            left = self.binder(branches[0], branches[1], bound, known)
            right = self.binder(branches[2], branches[3], bound, known)
            return f"Or.elim {self.argument(disjunction, bound, known)} ({left}) ({right})"
        if node.rule == "apply":  # a function of two arguments takes them one after the other: f a b
            function, argument = node.parts
            named = id(function) in known or function.rule in ("given", "apply")
            head = self.term(function, bound, known) if named else self.argument(function, bound, known)
            return f"{head} {self.argument(argument, bound, known)}"
        return " ".join([_CALLS[node.rule], *(self.argument(part, bound, known) for part in node.parts)])

    def argument(self, node: Node, bound: frozenset[int], known: Mapping[int, str]) -> str:
        """A fact as the argument of a function: in parentheses unless it is a name or a projection."""
        text = self.term(node, bound, known)
        return f"({text})" if " " in text else text

    def binder(self, assumption: Node, body: Node, bound: frozenset[int], known: Mapping[int, str]) -> str:
        """``fun h => …`` with `body` in a scope of its own."""
        name = self.fresh(assumption.formula)
        inside = self.scope(body, bound | {id(assumption)}, {**known, id(assumption): name})
        return f"fun {name} => {inside}"

    def fresh(self, formula: Formula) -> str:
        if self.names == "typed":
            return typed_name(formula)
        self.number += 1
        return f"h{self.number - 1}"


def _needs(root: Node) -> list[Node]:
    """The derived facts that `root` is made of directly: its premises, and those of the goals it is built from."""
    found: dict[int, Node] = {}
    for part in root.parts[:1] if root.rule == "cases" else () if root.rule == "intro" else root.parts:
        if part.rule in _FORWARD:
            found[id(part)] = part
        else:
            found |= {id(node): node for node in _needs(part)}
    return list(found.values())


def _free(root: Node) -> dict[int, frozenset[int]]:
    """For each node of a proof (by identity) the assumptions that it depends on and does not bind itself."""
    free: dict[int, frozenset[int]] = {}
    for node in reachable(root):
        parts = [free[id(part)] for part in node.parts]
        if node.rule == "assumed":
            free[id(node)] = frozenset((id(node),))
        elif node.rule == "intro":
            free[id(node)] = parts[1] - parts[0]
        elif node.rule == "cases":
            free[id(node)] = parts[0] | (parts[2] - parts[1]) | (parts[4] - parts[3])
        else:
            free[id(node)] = frozenset[int]().union(*parts)
    return free


def sound(root: Node) -> bool:
    """Whether every rule of a proof is applied as it should be and no assumption is used outside its scope.

    It owes nothing to the search, so that it can vouch for it where there is no Lean; of the text, Lean is the judge.
    """
    return not _free(root)[id(root)] and all(_applied_rightly(node) for node in reachable(root))


def _applied_rightly(node: Node) -> bool:
    goal, given = node.formula, [part.formula for part in node.parts]
    rightly: dict[Rule, Callable[[], bool]] = {
        "given": lambda: not given and bool(node.name),
        "assumed": lambda: not given,
        "apply": lambda: given[0] == Implies(given[1], goal),
        "left": lambda: isinstance(given[0], And) and given[0].left == goal,
        "right": lambda: isinstance(given[0], And) and given[0].right == goal,
        "pair": lambda: goal == And(given[0], given[1]),
        "inl": lambda: isinstance(goal, Or) and goal.left == given[0],
        "inr": lambda: isinstance(goal, Or) and goal.right == given[0],
        "cases": lambda: given[0] == Or(given[1], given[3]) and given[2] == goal == given[4],
        "intro": lambda: goal == Implies(given[0], given[1]),
        "symm": lambda: isinstance(goal, Equal) and given[0] == Equal(goal.right, goal.left),
        "trans": lambda: (
            isinstance(goal, Equal)
            and isinstance(given[0], Equal)
            and given[0].left == goal.left
            and given[1] == Equal(given[0].right, goal.right)
        ),
    }
    return rightly[node.rule]()
