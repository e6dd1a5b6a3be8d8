"""Where a gain comes from: transitions of verdicts, and answering more often against answering better.

The samples of a problem are exchangeable before and after: no sample after belongs to one before. With
``b[v]`` and ``a[w]`` the shares of verdicts on a problem before and after, a random sample before and a
random sample after move from v to w with probability ``b[v] * a[w]``. Summed over v, arrivals at `correct`
minus departures from it are ``a[correct] * (1 - b[correct]) - b[correct] * (1 - a[correct]) = a[correct] -
b[correct]``: the parts sum exactly to the gain, problem by problem. With one sample these are the
transitions that happened; with several, an unchanged state has traffic both ways that cancels on average,
so look at the net of each kind.

Beside it stands the split of a rate into "answered" and "correct given an answer" (E. M. Kitagawa, Journal
of the American Statistical Association 50, 1955), which also sums exactly to the gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piretry.stats.estimate import Estimate, linearised_estimate, mean_estimate
from piretry.stats.variance import Array, SeedVariance

#: Verdicts of a completion, as in design and schema.
VERDICTS = ("correct", "wrong", "no_answer", "gold_unparseable", "timeout", "error", "sorry", "banned", "axiom")
_GROUPS = {
    "wrong": ("wrong", "sorry", "banned", "axiom"),
    "no_answer": ("no_answer",),
    "other": ("gold_unparseable", "timeout", "error"),
}


@dataclass(frozen=True)
class Part:
    """Traffic between `correct` and one kind of failure: shares of all samples, fractions.

    `arrived`: kind -> correct; `left`: correct -> kind; `net` = arrived - left, with its interval.
    """

    kind: str
    arrived: float
    left: float
    net: Estimate


@dataclass(frozen=True)
class Decomposition:
    """A gain and its parts; the nets of `parts` sum to `gain.value`, and so do `answering` and `answers`.

    `flows[v][w]`: share of samples that move from verdict v to verdict w (all shares sum to 1).
    `answering`: the part of the gain due to giving an answer more often (anything but `no_answer`);
    `answers`: the part due to answers being right more often. `sentence` puts it in words and says when
    more than half of it is format.
    """

    gain: Estimate
    parts: tuple[Part, ...]
    flows: dict[str, dict[str, float]]
    answering: Estimate
    answers: Estimate
    sentence: str

    def part(self, kind: str) -> Part:
        """The part of one kind of failure: wrong, no_answer or other."""
        return next(part for part in self.parts if part.kind == kind)


def decomposition(
    before: object,
    after: object,
    level: float = 0.95,
    bootstrap: int = 0,
    seed: int = 0,
    seed_variance: SeedVariance | None = None,
) -> Decomposition:
    """Split the gain between verdicts of shape (S, P, n before) and (S, P, n after); n may differ.

    ValueError for other shapes or an unknown verdict.
    """
    first, second = _rates(before, "before"), _rates(after, "after")
    if first.shape != second.shape:
        raise ValueError(f"before and after must share seeds and problems: {first.shape[:2]}, {second.shape[:2]}")
    options = {"bootstrap": bootstrap, "seed": seed, "seed_variance": seed_variance}
    right = VERDICTS.index("correct")
    gain = mean_estimate(second[..., right] - first[..., right], level, **options)  # type: ignore[arg-type]
    parts = []
    for kind, verdicts in _GROUPS.items():
        members = [VERDICTS.index(verdict) for verdict in verdicts]
        arrived = first[..., members].sum(-1) * second[..., right]
        left = first[..., right] * second[..., members].sum(-1)
        net = mean_estimate(arrived - left, level, **options)  # type: ignore[arg-type]
        parts.append(Part(kind, float(arrived.mean()), float(left.mean()), net))
    flows = np.einsum("spv,spw->vw", first, second) / (first.shape[0] * first.shape[1])
    answering, answers = _answering(first, second, level, seed_variance)
    return Decomposition(
        gain,
        tuple(parts),
        {v: {w: float(flows[i, j]) for j, w in enumerate(VERDICTS)} for i, v in enumerate(VERDICTS)},
        answering,
        answers,
        _sentence(gain, parts, answering.value),
    )


def _rates(verdicts: object, name: str) -> Array:
    """Share of each verdict for each (seed, problem): (S, P, number of verdicts)."""
    array = np.asarray(verdicts)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"{name} must have shape (seeds, problems, samples), not {array.shape}")
    unknown = sorted(set(np.unique(array).tolist()) - set(VERDICTS))
    if unknown:
        raise ValueError(f"{name} holds unknown verdicts {unknown}; known are {', '.join(VERDICTS)}")
    return np.stack([(array == verdict).mean(-1) for verdict in VERDICTS], axis=-1)


def _answering(first: Array, second: Array, level: float, variance: SeedVariance | None) -> tuple[Estimate, Estimate]:
    """Kitagawa's two terms with delta-method intervals."""
    right, silent = VERDICTS.index("correct"), VERDICTS.index("no_answer")
    c0, c1 = first[..., right], second[..., right]
    a0, a1 = 1.0 - first[..., silent], 1.0 - second[..., silent]
    mean_c0, mean_c1, mean_a0, mean_a1 = (float(x.mean()) for x in (c0, c1, a0, a1))
    if mean_a0 == 0 or mean_a1 == 0:  # one state never answers: all of the gain is answering
        whole = linearised_estimate(mean_c1 - mean_c0, c1 - c0 - (mean_c1 - mean_c0), level, seed_variance=variance)
        return whole, linearised_estimate(0.0, np.zeros_like(c0), level, seed_variance=variance)
    q0, q1 = mean_c0 / mean_a0, mean_c1 / mean_a1
    influence_q0, influence_q1 = (c0 - q0 * a0) / mean_a0, (c1 - q1 * a1) / mean_a1
    answered, quality = mean_a1 - mean_a0, q1 - q0
    answering = ((a1 - a0) - answered) * (q0 + q1) / 2 + answered * (influence_q0 + influence_q1) / 2
    answers = (influence_q1 - influence_q0) * (mean_a0 + mean_a1) / 2 + quality * ((a0 - mean_a0) + (a1 - mean_a1)) / 2
    return (
        linearised_estimate(answered * (q0 + q1) / 2, answering, level, seed_variance=variance),
        linearised_estimate(quality * (mean_a0 + mean_a1) / 2, answers, level, seed_variance=variance),
    )


def _sentence(gain: Estimate, parts: list[Part], answering: float) -> str:
    net = {part.kind: part.net.value for part in parts}
    change = "gain" if gain.value >= 0 else "loss"
    text = (
        f"of the {change} of {100 * gain.value:+.1f} pp, {100 * net['wrong']:+.1f} come from wrong answers, "
        f"{100 * net['no_answer']:+.1f} from samples without an answer and {100 * net['other']:+.1f} from "
        f"other failures; "
        f"answering more or less often accounts for {100 * answering:+.1f} pp"
    )
    if gain.low <= 0 <= gain.high:
        return f"not distinguishable from no change: {text}"
    if max(net["no_answer"] / gain.value, answering / gain.value) > 0.5:
        return f"mostly format: {text}"
    return text
