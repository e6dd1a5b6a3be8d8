"""rejection: 1+K independent attempts on every problem, the correct ones are kept (rejection sampling)."""

from __future__ import annotations

from piretry.methods.base import Example, Pool


def select(pool: Pool, k: int) -> list[Example]:
    """The correct ones among `k` further independent attempts, on all problems."""
    return [
        Example(row.problem_id, row.completion, "fresh", row.attempt, row.sample)
        for row in pool.resamples
        if row.correct and 1 <= row.sample <= k
    ]
