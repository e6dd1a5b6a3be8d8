"""Exact McNemar tests for pairs of binary verdicts, reported beside every gain whose samples are single."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piretry.stats.variance import as_values

_POOLED_NOTE = (
    "the pooled table counts a problem once for each seed: its p value is too small, because flips of one problem "
    "are not independent; use the combined one"
)


@dataclass(frozen=True)
class PairTable:
    """Verdicts of two states on the same problems: how many both, only one or neither got right."""

    both: int
    lost: int
    won: int
    neither: int
    p_value: float

    @property
    def net(self) -> int:
        """Problems won minus problems lost."""
        return self.won - self.lost


@dataclass(frozen=True)
class McNemar:
    """An exact test for each seed, their combination, and the table of all pairs.

    `p_combined` is twice the mean of the seeds' p values, a valid p value however the seeds depend on each
    other (L. Rueschendorf, Annals of Statistics 10, 1982). It speaks of these seeds, as each of the tests
    does. `problems_up`, `problems_down`: problems with more (fewer) seeds right after than before. No sign
    test is made of these two: with one base for all seeds they differ even when nothing has changed.
    """

    per_seed: tuple[PairTable, ...]
    p_combined: float
    problems_up: int
    problems_down: int
    pooled: PairTable
    notes: tuple[str, ...]


def exact_p(won: int, lost: int) -> float:
    """Two-sided exact p value: twice the smaller binomial tail at 1/2, at most 1."""
    from scipy import special

    flips = won + lost
    return 1.0 if flips == 0 else min(1.0, 2.0 * float(special.bdtr(min(won, lost), flips, 0.5)))


def mcnemar(before: object, after: object) -> McNemar:
    """Compare 0/1 verdicts before and after, both of shape (S, P) or (P,).

    ValueError when the shapes differ or a value is neither 0 nor 1.
    """
    first, second = as_values(before, "before"), as_values(after, "after")
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"before and after must have one shape (seeds, problems): {first.shape}, {second.shape}")
    if not (np.isin(first, (0.0, 1.0)).all() and np.isin(second, (0.0, 1.0)).all()):
        raise ValueError("McNemar's test needs verdicts of single samples, 0 or 1; use mean_estimate for means")
    per_seed = tuple(_table(b, a) for b, a in zip(first, second, strict=True))
    several = len(per_seed) > 1
    balance = (second - first).sum(0)
    combined = min(1.0, 2.0 * float(np.mean([table.p_value for table in per_seed])))
    return McNemar(
        per_seed,
        combined if several else per_seed[0].p_value,
        int((balance > 0).sum()),
        int((balance < 0).sum()),
        _table(first.ravel(), second.ravel()),
        (_POOLED_NOTE,) if several else (),
    )


def _table(before: np.ndarray, after: np.ndarray) -> PairTable:
    both = int((before * after).sum())
    won, lost = int((after * (1 - before)).sum()), int((before * (1 - after)).sum())
    return PairTable(both, lost, won, before.size - both - won - lost, exact_p(won, lost))
