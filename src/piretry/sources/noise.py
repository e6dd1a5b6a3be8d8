"""How far one run of a benchmark's problems is from the accuracy that it estimates, and which gains that hides.

A score p of n problems has the normal 95% interval p ± 1.96*sqrt(p(1-p)/n), and Wilson's (E. B. Wilson, Journal of the
American Statistical Association 22, 1927), which never leaves [0, 1]. A gain between two independent runs adds their
variances. The two runs of a gain have the same problems, so that a paired test sees more: how much depends on how many
problems change their verdict, which no page states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from piretry.report.numbers import listed
from piretry.sources.figures import Figure, figure, figures, key_name, merged_claims, number, typeset
from piretry.sources.finding import Finding
from piretry.sources.model import Benchmark, Published, Row, exact
from piretry.stats import mcnemar_net_needed

LEVEL = 0.95
# Shares of problems whose verdict changes between two runs, from nearly the same model to much retraining.
FLIP_RATES = (0.10, 0.20, 0.30)


def normal_half_width(share: float, problems: int, level: float = LEVEL) -> float:
    """Half-width of the normal interval of a share of `problems`, as a share."""
    return _z(level) * math.sqrt(share * (1 - share) / problems)


def wilson(share: float, problems: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share of `problems`."""
    z = _z(level)
    middle = (share + z**2 / (2 * problems)) / (1 + z**2 / problems)
    half = z / (1 + z**2 / problems) * math.sqrt(share * (1 - share) / problems + z**2 / (4 * problems**2))
    return middle - half, middle + half


def gain_half_width(before: float, after: float, problems: int, level: float = LEVEL) -> float:
    """Half-width of the normal interval of a difference of two independent shares of `problems` each."""
    return _z(level) * math.sqrt((before * (1 - before) + after * (1 - after)) / problems)


def _z(level: float) -> float:
    from scipy import special

    return float(special.ndtri((1 + level) / 2))


def sampling_error(published: Published) -> list[Finding]:
    """For each benchmark what one run can tell, and for each gain of single runs whether it is more than that."""
    found = []
    for benchmark in published.benchmarks:
        rows = [
            row for row in published.rows
            if published.benchmark(row.of.role) == benchmark and not row.mean_of and (row.runs or 1) == 1
        ]  # fmt: skip
        scores = [float(exact(str(row.base))) for row in rows if row.base is not None]
        if scores:
            found.append(_benchmark(published, benchmark, rows, scores))
            found += _gains(published, benchmark, rows)
    return found


def _benchmark(published: Published, benchmark: Benchmark, rows: Sequence[Row], scores: Sequence[float]) -> Finding:
    """The interval of one run at the middle of the scores printed, before and after."""
    every = [float(exact(text)) for row in rows for text in (row.base, row.after) if text is not None]
    middle = (min(every) + max(every)) / 2 if len(every) > 1 else every[0]
    typical = fmean(every)
    half = 100 * normal_half_width(typical / 100, benchmark.problems)
    low, high = (100 * end for end in wilson(typical / 100, benchmark.problems))
    independent = 100 * gain_half_width(typical / 100, typical / 100, benchmark.problems)
    paired = {rate: mcnemar_net_needed(benchmark.problems, rate) for rate in FLIP_RATES}
    steps = listed(
        [f"{number(100 * net, 1)} points when {rate:.0%} change" for rate, net in paired.items() if net is not None]
    )
    return Finding(
        id=f"run-{benchmark.id}",
        kind="sampling error",
        severity="limit",
        sentence=(
            f"One run of the {benchmark.problems} problems of {benchmark.name} at {number(typical, 1)}%, the mean of "
            f"the scores printed, has a 95% sampling interval of ±{number(half, 1)} points (Wilson: {number(low, 1)}% "
            f"to {number(high, 1)}%). A gain between two runs is seen at the 5% level from {number(independent, 1)} "
            "points on where they are compared as independent; paired by problem, by McNemar's exact test, from "
            f"{steps} their verdict."
        ),
        claims=merged_claims([row for row in rows if row.gain is not None]),
        data={
            "problems": benchmark.problems,
            "accuracy": typical,
            "middle": middle,
            "normal": half,
            "wilson": [low, high],
            "paired": {f"{rate:g}": net for rate, net in paired.items()},
        },
    )


def _gains(published: Published, benchmark: Benchmark, rows: Sequence[Row]) -> list[Finding]:
    """Gains of single runs, one for each printed number and condition."""
    found: dict[tuple[str | None, str], Finding] = {}
    for row in rows:
        if row.gain is None or row.cumulative or published.page(row.page).kind == "faq":
            continue
        name = (row.of.role, str(exact(row.gain)))
        if name not in found:
            found[name] = _gain(published, benchmark, row)
    return list(found.values())


def _gain(published: Published, benchmark: Benchmark, row: Row) -> Finding:
    before, after, told = _levels(published, row)
    half = 100 * gain_half_width(before, after, benchmark.problems)
    gain = float(exact(str(row.gain)))
    alone = [100 * normal_half_width(share, benchmark.problems) for share in (before, after)]
    hidden = abs(gain) <= half
    # The fewest problems that can change for this gain: all of them for the better (or for the worse).
    needed = mcnemar_net_needed(benchmark.problems, abs(gain) / 100)
    surely = needed is not None and abs(gain) / 100 >= needed
    text = typeset(str(row.gain))
    sentence = (
        f"{key_name(published, row.of)}{f', seed {row.seed}' if row.seed is not None else ''}: {text} from "
        f"{number(100 * before, 1)}%{told}. Each score has ±{number(min(alone), 1)}"
        + (f" to {number(max(alone), 1)}" if number(min(alone), 1) != number(max(alone), 1) else "")
        + f" points, the gain as a difference of independent runs ±{number(half, 1)}: "
    )
    if hidden:
        sentence += "it cannot be told from no change that way"
        sentence += (
            "; paired, it could if few problems changed to and fro."
            if surely
            else ", nor by pairing, however few changed."
        )
    else:
        sentence += "it is more than that."
    shown: tuple[Figure, ...] = figures(published, row) or (figure(published, row, "gain"),)
    return Finding(
        id=f"noise-{row.id}",
        kind="sampling error",
        severity="limit" if hidden else "consistent",
        sentence=sentence,
        figures=shown,
        claims=tuple(row.claims),
        data={"gain": gain, "half_width": half, "scores": alone, "hidden": hidden, "paired_at_best": surely},
    )


def _levels(published: Published, row: Row) -> tuple[float, float, str]:
    """Accuracies before and after as shares; where none is printed, the mean of the bases of the same model."""
    gain = float(exact(str(row.gain))) / 100
    if row.base is not None:
        before = float(exact(row.base)) / 100
        return before, float(exact(row.after)) / 100 if row.after is not None else before + gain, ""
    bases = [
        float(exact(other.base)) / 100
        for other in published.rows
        if other.of.role == row.of.role and other.base is not None and not other.mean_of
    ]
    before = fmean(bases) if bases else 0.5
    return before, min(max(before + gain, 0.0), 1.0), " (taken: its page prints no accuracy)"
