"""skeleton_sft: proofs that were found with the sub-goals in the prompt are trained on without them.

The simpler form of structural PI; the published one, distillation by divergence, is in `training/distill.py`. The
completions made with the skeleton take the place of the pool's resamples.
"""

from __future__ import annotations

from piretry.methods.base import Example, Pool, failed_problems


def select(pool: Pool, k: int) -> list[Example]:
    """The correct ones among `k` attempts with the skeleton, on each problem whose first attempt failed.

    On failed problems alone, as retry does: what the sub-goals add is what the bare attempt could not do.
    """
    failed = failed_problems(pool)
    return [
        Example(row.problem_id, row.completion, "skeleton", row.attempt, row.sample)
        for row in pool.resamples
        if row.correct and 1 <= row.sample <= k and row.problem_id in failed
    ]
