"""What every method has in common: examples, and the rules that cap and match their number."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from piretry.completions import CompletionRow


@dataclass(frozen=True)
class Example:
    """One training example: the bare problem and a correct completion, as `problem -> solution` in the sources."""

    problem_id: str
    completion: str
    origin: str  # first | retry | fresh | skeleton
    attempt: int
    sample: int


@dataclass(frozen=True)
class Pool:
    """The completions that a method may select from; empty where its task has no such file."""

    attempts: Sequence[CompletionRow]
    retries: Sequence[CompletionRow] = ()
    resamples: Sequence[CompletionRow] = ()


Select = Callable[[Pool, int], list[Example]]


def first_successes(pool: Pool) -> list[Example]:
    """Correct first attempts."""
    return [
        Example(row.problem_id, row.completion, "first", row.attempt, row.sample)
        for row in pool.attempts
        if row.correct
    ]


def failed_problems(pool: Pool) -> set[str]:
    """Problems whose first attempt was not correct."""
    return {row.problem_id for row in pool.attempts if not row.correct}


def capped(examples: Iterable[Example], cap: int) -> list[Example]:
    """At most `cap` examples of a problem, the earliest first, in a fixed order."""
    kept: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda e: (e.problem_id, e.attempt, e.sample)):
        held = kept.setdefault(example.problem_id, [])
        if len(held) < cap:
            held.append(example)
    return [example for problem_id in sorted(kept) for example in kept[problem_id]]


def matched(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """`count` of the examples, chosen by a hash of (seed, example), or all when there are no more than that."""
    if len(examples) <= count:
        return list(examples)

    def rank(example: Example) -> str:
        return hashlib.sha256(f"{seed}/{example.problem_id}/{example.attempt}/{example.sample}".encode()).hexdigest()

    chosen = set(sorted(examples, key=rank)[:count])
    return [example for example in examples if example in chosen]


def build(select: Select, pool: Pool, k: int, include_correct_first: bool, cap_per_problem: int) -> list[Example]:
    """The examples of a method: what its `select` keeps, with or without correct first attempts, capped."""
    first = first_successes(pool) if include_correct_first else []
    return capped([*first, *select(pool, k)], cap_per_problem)


def counts(examples: Sequence[Example]) -> Mapping[str, int]:
    """Examples by origin, and the problems they cover."""
    origins = dict.fromkeys(("first", "retry", "fresh", *(e.origin for e in examples)))
    tally = {f"examples_{origin}": sum(e.origin == origin for e in examples) for origin in origins}
    return {**tally, "examples": len(examples), "problems": len({e.problem_id for e in examples})}
