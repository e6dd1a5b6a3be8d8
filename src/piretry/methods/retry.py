"""retry: the model fails, is told so, tries again; its correct retries are kept (the method under test)."""

from __future__ import annotations

from piretry.methods.base import Example, Pool, failed_problems


def select(pool: Pool, k: int) -> list[Example]:
    """Correct retries among the first `k` after each failed first attempt.

    A retry file holds retries up to the first success, for the largest K of the grid, so a smaller K is a prefix.
    """
    failed = failed_problems(pool)
    return [
        Example(row.problem_id, row.completion, "retry", row.attempt, row.sample)
        for row in pool.retries
        if row.correct and 1 <= row.attempt <= k and row.problem_id in failed
    ]
