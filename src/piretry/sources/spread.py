"""What a printed ± is: a standard deviation, a standard error or an interval; and whether intervals overlap.

For n gains with sample standard deviation s: the standard error is s/sqrt(n), the normal interval ±z*s/sqrt(n) with
z = 1.96, and the interval for a mean of few runs ±t*s/sqrt(n) with Student's t at n - 1 degrees of freedom (4.30 for 3
runs).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

from piretry.report.numbers import listed
from piretry.sources.figures import (
    Rounded,
    entry_figure,
    figure,
    figures,
    interval,
    key_name,
    merged_claims,
    number,
)
from piretry.sources.finding import Finding, Severity
from piretry.sources.model import Published, Row, decimals, exact
from piretry.stats import holm

LEVEL = 0.95
NAMES = {
    "sd": "the sample standard deviation",
    "se": "the standard error",
    "normal": "the normal 95% interval of the mean",
    "t": "the 95% t-interval of the mean",
}


@dataclass(frozen=True)
class Spread:
    """Mean of n values and the half-widths that could be printed after it."""

    n: int
    mean: float
    sd: float
    se: float
    normal: float
    t: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of two values or more."""
        from scipy import special

        n, sd = len(values), stdev(values)
        se = sd / math.sqrt(n)
        z, t = special.ndtri((1 + LEVEL) / 2), special.stdtrit(n - 1, (1 + LEVEL) / 2)
        return cls(n, fmean(values), sd, se, float(z) * se, float(t) * se)

    @property
    def t_interval(self) -> tuple[float, float]:
        """The 95% t-interval."""
        return self.mean - self.t, self.mean + self.t

    def equal_to(self, printed: str) -> list[str]:
        """Which half-widths the printed number is, to its own decimals."""
        target = Rounded.of(printed)
        return [name for name in NAMES if float(target.low) <= getattr(self, name) <= float(target.high)]


def gains_of(published: Published, row: Row) -> list[float]:
    """The printed gains of the runs that `row` is the mean of; empty where one is missing."""
    runs = [published.row(name) for name in row.mean_of]
    printed = [run.gain for run in runs if run.gain is not None]
    return [float(exact(gain)) for gain in printed] if len(printed) == len(runs) > 1 else []


def plus_minus(published: Published) -> list[Finding]:
    """What each printed ± is, and what all of those on a page are together."""
    rows = [row for row in published.rows if row.plus_minus is not None and gains_of(published, row)]
    findings = [_one(published, row) for row in rows]
    for page in published.pages:
        own = [row for row in rows if row.page == page.id]
        if len(own) > 1:
            findings.append(_together(published, own))
    return findings


def _one(published: Published, row: Row) -> Finding:
    gains = gains_of(published, row)
    spread = Spread.of(gains)
    printed = str(row.plus_minus)
    equal = spread.equal_to(printed)
    called = row.plus_minus_is
    values = (
        f"standard deviation {number(spread.sd, 2)}, standard error {number(spread.se, 2)}, normal interval "
        f"±{number(spread.normal, 2)}, t-interval ±{number(spread.t, 2)}"
    )
    is_what = listed([NAMES[name] for name in equal]) if equal else "none of these"
    severity: Severity
    if called is None:
        severity = "limit"
        verdict = f"The page does not say what it is; it equals {is_what}, to its decimals."
    elif "t" in equal:
        severity = "consistent"
        verdict = f"It is called {called}, and equals {is_what}, to its decimals."
    elif "normal" in equal:
        severity = "limit"
        verdict = (
            f"It is called {called}, and equals {is_what}, to its decimals; a normal interval is too narrow for "
            f"{spread.n} runs."
        )
    else:
        severity = "contradiction"
        verdict = (
            f"It is called {called}, but equals {is_what}, to its decimals; the t-interval is ±{number(spread.t, 2)}."
        )
    return Finding(
        id=f"plus-minus-{row.id}",
        kind="spread",
        severity=severity,
        sentence=(
            f"{key_name(published, row.of)}: ±{printed} after the mean of {spread.n} gains. These gains have {values}. "
            f"{verdict}"
        ),
        figures=(
            figure(published, row, "plus_minus"),
            *(figure(published, published.row(name), "gain") for name in row.mean_of),
        ),
        claims=tuple(row.claims),
        data={"row": row.id, "printed": printed, "called": called, "equal_to": equal, **asdict(spread)},
    )


def _together(published: Published, rows: Sequence[Row]) -> Finding:
    """The one half-width that all ± of a page are, if there is one."""
    equal = [Spread.of(gains_of(published, row)).equal_to(str(row.plus_minus)) for row in rows]
    common = [name for name in NAMES if all(name in names for names in equal)]
    called = sorted({row.plus_minus_is for row in rows if row.plus_minus_is})
    wrong = bool(called) and "t" not in common
    said = listed([NAMES[name] for name in common]) if common else "not one quantity"
    named = f"called {listed(called)}" if called else "not explained"
    return Finding(
        id=f"plus-minus-page-{rows[0].page}",
        kind="spread",
        severity="contradiction" if wrong else "limit" if not called else "consistent",
        sentence=(
            f"All {len(rows)} numbers after ± on {published.page(rows[0].page).name} together are {said}; there they "
            f"are {named}."
        ),
        figures=tuple(figure(published, row, "plus_minus") for row in rows),
        claims=merged_claims(rows),
        data={
            "common": common,
            "called": called,
            "rows": {row.id: names for row, names in zip(rows, equal, strict=True)},
        },
    )


@dataclass(frozen=True)
class Pair:
    """Two arms: their printed intervals, their t-intervals, and Welch's test of the difference.

    `printed_overlap`, `t_overlap`: whether the intervals meet. `t_gap`: how far apart the t-intervals are, negative
    where they meet, and `t_gap_least` the same at the rounding of the gains that favours meeting. `low`, `high`: the
    90% interval of the difference, inside which a margin would have to lie for "the same" to be shown at 5%.
    """

    first: str
    second: str
    printed_overlap: bool
    t_overlap: bool
    t_gap: float
    t_gap_least: float
    difference: float
    df: float
    p_value: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """The smallest margin within which the two would be shown to be the same."""
        return max(-self.low, self.high)


def overlaps(published: Published) -> list[Finding]:
    """For each statement that all intervals overlap: which pairs do, as printed and as t-intervals."""
    return [
        _overlap(published, statement.id)
        for statement in published.statements
        if statement.kind == "overlap" and all(gains_of(published, published.row(name)) for name in statement.rows)
    ]


def _overlap(published: Published, name: str) -> Finding:
    statement = next(statement for statement in published.statements if statement.id == name)
    rows = [published.row(row) for row in statement.rows]
    pairs = [pair(published, first, second) for first, second in itertools.combinations(rows, 2)]
    adjusted = holm([found.p_value for found in pairs])
    printed_apart = [found for found in pairs if not found.printed_overlap]
    t_apart = [found for found in pairs if not found.t_overlap]
    label = {row.id: row.of.prompt or row.id for row in rows}
    count = len(pairs)

    def named(some: Sequence[Pair]) -> str:
        return listed([f"{label[found.first]} and {label[found.second]}" for found in some])

    def both(found: Pair) -> str:
        ends = [interval(*printed_interval(published.row(row))) for row in (found.first, found.second)]
        return f"{label[found.first]} {ends[0]} and {label[found.second]} {ends[1]}"

    sentence = f"Said: {statement.says}. "
    if printed_apart:
        apart = "; ".join(both(found) for found in printed_apart)
        sentence += f"As printed, {len(printed_apart)} of {count} pairs do not meet: {apart}. "
    else:
        sentence += f"As printed, all {count} pairs meet. "
    if t_apart:
        sentence += f"As t-intervals of the printed gains, {named(t_apart)} do not meet"
        sentence += ", " + listed(
            [
                f"by {number(found.t_gap, 2)} points"
                + (", which rounding of the gains could hide" if found.t_gap_least <= 0 else "")
                for found in t_apart
            ]
        )
        sentence += "; all others do. " if len(t_apart) < count else ". "
    else:
        sentence += f"As t-intervals all {count} pairs meet. "
    least = min(value for value in adjusted if value is not None)
    sure = sum(value is not None and value < 1 - LEVEL for value in adjusted)
    sentence += (
        "Whether intervals meet does not settle whether arms differ: by Welch's test with Holm's correction "
        f"{sure or 'none'} of the {count} pairs differ{'s' if sure == 1 else ''} at the 5% level (smallest p "
        f"{number(least, 2)}), and for “the same” at the 5% level margins of {number(min(p.margin for p in pairs), 1)} "
        f"to {number(max(p.margin for p in pairs), 1)} points would be needed: {rows[0].runs or len(rows[0].mean_of)} "
        "runs an arm are too few to show either."
    )
    return Finding(
        id=f"overlap-{statement.id}",
        kind="overlap",
        severity="contradiction" if printed_apart else "consistent",
        sentence=sentence,
        figures=(
            entry_figure(published, statement, "statement", statement.says),
            *(shown for row in rows for shown in figures(published, row, ("gain", "plus_minus"))),
        ),
        claims=tuple(statement.claims),
        data={
            "pairs": [
                {**asdict(found), "margin": found.margin, "p_holm": p} for found, p in zip(pairs, adjusted, strict=True)
            ],
            "printed": {row.id: printed_interval(row) for row in rows},
            "t": {row.id: Spread.of(gains_of(published, row)).t_interval for row in rows},
        },
    )


def printed_interval(row: Row) -> tuple[float, float]:
    """The interval that a row prints."""
    gain, half = float(exact(str(row.gain))), float(exact(str(row.plus_minus)))
    return gain - half, gain + half


def pair(published: Published, first: Row, second: Row) -> Pair:
    """Two rows of means compared; both need ± and their runs."""
    mine, theirs = gains_of(published, first), gains_of(published, second)
    digits = max(decimals(str(row.gain)) for row in (first, second))
    printed = [printed_interval(row) for row in (first, second)]
    gap = round(max(printed[0][0], printed[1][0]) - min(printed[0][1], printed[1][1]), digits + 3)
    difference, df, p_value, half = welch(mine, theirs, 0.90)
    t_gap = _gap(Spread.of(mine).t_interval, Spread.of(theirs).t_interval)
    return Pair(
        first.id,
        second.id,
        printed_overlap=gap <= 0,
        t_overlap=t_gap <= 0,
        t_gap=t_gap,
        t_gap_least=_gap(
            widest_interval([published.row(name) for name in first.mean_of]),
            widest_interval([published.row(name) for name in second.mean_of]),
        ),
        difference=difference,
        df=df,
        p_value=p_value,
        low=difference - half,
        high=difference + half,
    )


def _gap(first: tuple[float, float], second: tuple[float, float]) -> float:
    return max(first[0], second[0]) - min(first[1], second[1])


def widest_interval(runs: Sequence[Row]) -> tuple[float, float]:
    """The lowest lower and the highest upper end that the t-interval of gains can have before they were rounded.

    The upper end is a convex function of the gains and the lower end a concave one, so that corners of the box of
    rounding intervals decide.
    """
    boxes = [Rounded.of(str(run.gain)) for run in runs]
    ends = [
        Spread.of([float(value) for value in corner]).t_interval
        for corner in itertools.product(*((box.low, box.high) for box in boxes))
    ]
    return min(low for low, _ in ends), max(high for _, high in ends)


def welch(first: Sequence[float], second: Sequence[float], level: float) -> tuple[float, float, float, float]:
    """Welch's test of mean(second) - mean(first): difference, degrees of freedom, two-sided p, half-width at `level`.

    B. L. Welch, Biometrika 34, 1947, with the degrees of freedom of Satterthwaite.
    """
    from scipy import special

    a, b = Spread.of(first), Spread.of(second)
    difference, variance = b.mean - a.mean, a.se**2 + b.se**2
    if variance == 0:
        return difference, float(a.n + b.n - 2), 1.0 if difference == 0 else 0.0, 0.0
    df = variance**2 / (a.se**4 / (a.n - 1) + b.se**4 / (b.n - 1))
    se = math.sqrt(variance)
    p_value = 2 * float(special.stdtr(df, -abs(difference) / se))
    return difference, df, p_value, float(special.stdtrit(df, (1 + level) / 2)) * se
