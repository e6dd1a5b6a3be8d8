"""How different the correct solutions of a problem are: one measure for every domain.

The measure is a share at a fixed size: of `size` correct samples of a problem, drawn without replacement, how many
are distinct on average, divided by `size`. The plain share of distinct ones among all correct samples falls as samples
are added, so that an easy problem, or a model that is right more often, would look less diverse; at one size for all,
it does not. The expectation over the draws is exact (rarefaction: Hurlbert 1971, *Ecology* 52, 577-586, equation 4)
and unbiased for a fresh draw of `size` from the model.

A problem with fewer than `size` correct samples says nothing and is left out, so that a comparison is one between
problems that both sides solve often enough: `Diversity.problems` counts them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from piretry.stats.variance import Array

Key = Callable[[str], Hashable]
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|\S")
_LEAN_TOKEN = re.compile(r"[^\W\d][\w'.!?]*|\d+|:=|=>|<;>|\S|\n")


def expected_distinct(counts: Sequence[int], size: int) -> float:
    """The expected number of distinct kinds among `size` of the samples, drawn without replacement.

    With N samples, N_i of them of kind i, it is ``sum_i (1 - C(N - N_i, size) / C(N, size))``. The binomials are exact
    integers, so that nothing is lost where they are large.

    Args:
        counts: samples of each kind, N_i >= 0.
        size: how many are drawn, from 0 to N.

    Raises ValueError when `size` is outside that range or a count is negative.
    """
    total = sum(counts)
    if any(count < 0 for count in counts) or not 0 <= size <= total:
        raise ValueError(f"size {size} must lie between 0 and the {total} samples, and no count be negative")
    ways = comb(total, size)
    return sum(ways - comb(total - count, size) for count in counts) / ways


@dataclass(frozen=True)
class Diversity:
    """The share of distinct solutions at `size`, by problem.

    `values` maps each problem with at least `size` correct samples to a share in [1/size, 1]. `left_out` are the
    problems with fewer, of which `unsolved` have none.
    """

    size: int
    values: Mapping[str, float]
    left_out: tuple[str, ...]
    unsolved: int

    @property
    def problems(self) -> int:
        """How many problems the measure rests on."""
        return len(self.values)

    def mean(self) -> float:
        """The mean over problems, each weighing the same; ValueError where no problem has enough correct samples."""
        if not self.values:
            raise ValueError(f"no problem has {self.size} correct samples: draw more, or compare at a smaller size")
        return float(np.mean([self.values[name] for name in sorted(self.values)]))

    def array(self, problems: Sequence[str]) -> Array:
        """The values of `problems` in their order, shape (problems,), for `mean_estimate` with bounds (0, 1).

        ValueError for a problem that was left out: choose `problems` by :func:`shared`.
        """
        missing = [name for name in problems if name not in self.values]
        if missing:
            raise ValueError(f"{missing[0]!r} has fewer than {self.size} correct samples and so no value")
        return np.array([self.values[name] for name in problems], dtype=np.float64)


def diversity(samples: Iterable[tuple[str, str, bool]], key: Key, size: int) -> Diversity:
    """The share of distinct solutions among `size` correct samples of each problem.

    Args:
        samples: (problem id, completion, whether its verdict is correct), in any order.
        key: when two completions count as the same solution: :func:`same_text`, :func:`same_math` or
            :func:`same_proof`.
        size: correct samples that are compared, at least 2: a single one is always distinct.
    """
    if size < 2:
        raise ValueError(f"size {size} is too small: a single solution is always distinct; give at least 2")
    kinds: dict[str, Counter[Hashable]] = {}
    for problem_id, completion, correct in samples:
        seen = kinds.setdefault(problem_id, Counter())
        if correct:
            seen[key(completion)] += 1
    enough = {name: seen for name, seen in kinds.items() if seen.total() >= size}
    return Diversity(
        size=size,
        values={name: expected_distinct(list(seen.values()), size) / size for name, seen in sorted(enough.items())},
        left_out=tuple(sorted(set(kinds) - set(enough))),
        unsolved=sum(not seen for seen in kinds.values()),
    )


def shared(measured: Sequence[Diversity]) -> list[str]:
    """The problems that have a value in each of `measured`, sorted: those on which they can be paired.

    Over seeds of one state, or two states on the same problems; two domains have no problems in common and are
    compared as independent means.
    """
    if not measured:
        return []
    return sorted(set.intersection(*(set(each.values) for each in measured)))


def same_text(completion: str) -> str:
    """Solutions are the same when their texts are, white space aside: the finest reading."""
    return " ".join(completion.split())


def same_math(completion: str) -> tuple[str, ...]:
    """Solutions are the same when they state the same equations, in whatever words: numbers and signs in order.

    Prose, layout and LaTeX spacing fall away; what is left of a worked solution is what it computes. Where a solution
    has no sign of arithmetic at all, its words count.
    """
    text = re.sub(r"\\(?:left|right|quad|qquad|text|mathrm|boxed|displaystyle|[,;:! ])", " ", completion)
    text = text.replace(r"\times", "*").replace(r"\cdot", "*").replace("×", "*").replace("−", "-")
    words = _WORD.findall(text)
    signs = tuple(word for word in words if word[0].isdigit() or word in "+-*/=^<>")
    return signs if any(not word[0].isdigit() for word in signs) else tuple(word.lower() for word in words)


def same_proof(completion: str) -> tuple[str, ...]:
    """Lean proofs are the same when they differ in layout, comments and the names that they introduce alone.

    Names bound by `have`, `let`, `fun`, `intro`, `obtain`, `rcases … with` and the like are numbered in the order of
    their first binding, so that a renamed variable is no new proof. The order of independent steps does count.
    """
    text = re.sub(r"/-.*?-/", " ", completion.rpartition("</think>")[2], flags=re.DOTALL)
    tokens = _LEAN_TOKEN.findall(re.sub(r"--[^\n]*", " ", text))
    names: dict[str, str] = {}
    binding = False
    for token in tokens:
        if token in _BINDERS:
            binding = True
        elif token in _ENDS:
            binding = False
        elif binding and _is_name(token):
            names.setdefault(token, f"#{len(names)}")
    # A line break and a semicolon both end a step, and a proof may use either.
    return tuple(_renamed(token, names) for token in tokens if token not in ("\n", ";"))


_BINDERS = frozenset(("have", "let", "fun", "λ", "intro", "intros", "rintro", "obtain", "suffices", "with"))
# After these no new name is bound: a type, a value, a body or the next step follows.
_ENDS = frozenset((":", ":=", "=>", "↦", ";", "\n", "<;>", "by", "from", "exact"))


def _is_name(token: str) -> bool:
    return token[0].isalpha() and "." not in token and token not in _BINDERS


def _renamed(token: str, names: Mapping[str, str]) -> str:
    """A bound name by its number, also before a projection: ``h.left`` as ``#0.left``."""
    head, dot, rest = token.partition(".")
    return f"{names.get(head, head)}{dot}{rest}"
