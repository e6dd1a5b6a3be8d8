"""Published multiples against every pair of figures that could stand behind them."""

from __future__ import annotations

from fractions import Fraction

from piretry.sources.figures import Rounded, entry_figure, figure, number, row_name, typeset
from piretry.sources.finding import Finding, Severity
from piretry.sources.model import Published, Ratio, Row, decimals


def ratios(published: Published) -> list[Finding]:
    """For each multiple: its own pair of figures, and the range over all figures printed for the same two methods."""
    return [_ratio(published, ratio) for ratio in published.ratios if ratio.numerator and ratio.denominator]


def _ratio(published: Published, ratio: Ratio) -> Finding:
    top, bottom = published.row(str(ratio.numerator)), published.row(str(ratio.denominator))
    claimed = Rounded.of(ratio.times)
    own, low, high = quotient(str(top.gain), str(bottom.gain))
    tops, bottoms = _alike(published, top), _alike(published, bottom)
    every = {
        (a.id, b.id): quotient(str(a.gain), str(b.gain))[0]
        for a in tops
        for b in bottoms
        if Rounded.of(str(b.gain)).low > 0
    }
    reached = claimed.low <= high and low <= claimed.high
    severity: Severity = "consistent" if reached else "contradiction"
    digits = max(decimals(ratio.times) + 1, 1)
    sentence = (
        f"{published.page(ratio.page).name} has {ratio.times} times. Its own figures, {typeset(str(top.gain))} and "
        f"{typeset(str(bottom.gain))}, give {number(own, digits)} ({number(low, digits)} to {number(high, digits)} "
        f"before rounding), {'which rounds to it' if _rounds(own, claimed) else 'which does not round to it'}."
    )
    if not _rounds(own, claimed) and reached:
        severity = "limit"
    values = sorted(every.values())
    if len(values) > 1:
        least, most = (min(every, key=every.__getitem__), max(every, key=every.__getitem__))
        sentence += (
            f" Over the {len(values)} pairs of gains that the pages print for the same two methods it is "
            f"{number(values[0], digits)} ({typeset(str(published.row(least[0]).gain))} over "
            f"{typeset(str(published.row(least[1]).gain))}) to {number(values[-1], digits)} "
            f"({typeset(str(published.row(most[0]).gain))} over {typeset(str(published.row(most[1]).gain))})."
        )
    negative = [row for row in bottoms if Rounded.of(str(row.gain)).high <= 0]
    if negative:
        loss = typeset(str(negative[0].gain))
        sentence += f" Over {row_name(published, negative[0])} with {loss} there is no multiple at all."
        severity = "contradiction" if severity == "consistent" else severity
    return Finding(
        id=f"ratio-{ratio.id}",
        kind="ratio",
        severity=severity,
        sentence=sentence,
        figures=(
            entry_figure(published, ratio, "multiple", f"{ratio.times}×"),
            *(figure(published, row, "gain") for row in {row.id: row for row in (*tops, *bottoms)}.values()),
        ),
        claims=tuple(ratio.claims),
        data={
            "claimed": float(claimed.value),
            "own": float(own),
            "own_range": [float(low), float(high)],
            "pairs": {f"{a} / {b}": float(value) for (a, b), value in every.items()},
        },
    )


def quotient(top: str, bottom: str) -> tuple[Fraction, Fraction, Fraction]:
    """The quotient of two printed numbers, and the smallest and largest that their rounding allows.

    Raises ZeroDivisionError where the lower figure may have been zero.
    """
    a, b = Rounded.of(top), Rounded.of(bottom)
    if b.low <= 0 <= b.high:
        raise ZeroDivisionError(f"{bottom} may be zero before rounding")
    corners = [x / y for x in (a.low, a.high) for y in (b.low, b.high)]
    return a.value / b.value, min(corners), max(corners)


def _rounds(value: Fraction, claimed: Rounded) -> bool:
    return claimed.low <= value <= claimed.high


def _alike(published: Published, row: Row) -> list[Row]:
    """Gains of the same model, method and filter, one for each printed number: later rounds and hints are left out."""
    found: dict[str, Row] = {row.id: row}
    for other in published.rows:
        same = (other.of.role, other.of.method) == (row.of.role, row.of.method)
        plain = other.of.prompt in (None, "bare") and (other.of.filter or "binary") == (row.of.filter or "binary")
        first = other.of.round in (None, 1) and other.against == "base" and not other.cumulative
        printed = {_digits(str(known.gain)) for known in found.values()}
        if same and plain and first and other.gain is not None and _digits(other.gain) not in printed:
            found[other.id] = other
    return list(found.values())


def _digits(text: str) -> str:
    """A number without the zeros that say nothing: +10 and +10.0 are one figure."""
    return f"{Rounded.of(text).value}"
