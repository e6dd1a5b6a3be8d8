"""resample: K fresh attempts on each failed problem, with no retry turn (the sources' double-sample).

The control of the experiment: it spends on failures as retry does, but the model is never told that it failed.
"""

from __future__ import annotations

from piretry.methods.base import Example, Pool, failed_problems


def select(pool: Pool, k: int) -> list[Example]:
    """The correct ones among `k` independent attempts on each problem whose first attempt failed."""
    failed = failed_problems(pool)
    return [
        Example(row.problem_id, row.completion, "fresh", row.attempt, row.sample)
        for row in pool.resamples
        if row.correct and 1 <= row.sample <= k and row.problem_id in failed
    ]
