"""Sums that need no statistics: gains, means, totals over rounds, and counts against shares, all to rounding."""

from __future__ import annotations

from fractions import Fraction

from piretry.report.numbers import listed
from piretry.sources.figures import Figure, Rounded, entry_figure, figure, figures, key_name, number, typeset
from piretry.sources.finding import Finding
from piretry.sources.model import Published, Row


def arithmetic(published: Published) -> list[Finding]:
    """Every line of results that can be computed from others."""
    found: list[Finding] = []
    for page in published.pages:
        rows = [row for row in published.rows if row.page == page.id]
        found += _page(published, page.id, "gain", [_gain(published, row) for row in rows])
        found += _page(published, page.id, "mean", [one for row in rows for one in _means(published, row)])
    found += [_total(published, row) for row in published.rows if row.cumulative]
    return [*found, *_counts(published)]


# A sum of one line: whether it comes out, what it says, its figures and claims.
Check = tuple[bool, str, tuple[Figure, ...], list[str]]


def _page(published: Published, page: str, what: str, checks: list[Check | None]) -> list[Finding]:
    """One finding for the sums of one kind that come out on a page, and one for each that does not."""
    made = [check for check in checks if check is not None]
    good, bad = [check for check in made if check[0]], [check for check in made if not check[0]]
    file = published.page(page).name
    right = {
        "gain": ("gain is", "gains are", "after minus before"),
        "mean": ("mean is that", "means are those", "of the runs"),
    }[what]
    found = []
    if good:
        found.append(
            Finding(
                id=f"{what}s-{page}",
                kind="arithmetic",
                severity="consistent",
                sentence=f"{file}: {len(good)} {right[len(good) > 1]} {right[2]}, to rounding.",
                figures=tuple(shown for check in good for shown in check[2]),
                claims=tuple(dict.fromkeys(claim for check in good for claim in check[3])),
                data={"checked": len(made), "right": len(good)},
            )
        )
    for index, (_, says, shown, claims) in enumerate(bad, start=1):
        found.append(Finding(f"{what}-{page}-{index}", "arithmetic", "contradiction", says, shown, tuple(claims)))
    return found


def _gain(published: Published, row: Row) -> Check | None:
    if row.base is None or row.after is None or row.gain is None:
        return None
    before, after, gain = (Rounded.of(text) for text in (row.base, row.after, row.gain))
    low, high = after.low - before.high, after.high - before.low
    right = gain.low <= high and low <= gain.high
    says = (
        f"{key_name(published, row.of)}: from {row.base}% to {row.after}% is {number(after.value - before.value, 1)} "
        f"points, and {typeset(row.gain)} is printed."
    )
    return right, says, figures(published, row), row.claims


def _means(published: Published, row: Row) -> list[Check | None]:
    runs = [published.row(name) for name in row.mean_of]
    made: list[Check | None] = []
    for part in ("base", "after", "gain"):
        texts = [getattr(run, part) for run in runs]
        if getattr(row, part) is None or len(runs) < 2 or None in texts:
            continue
        boxes, printed = [Rounded.of(text) for text in texts], Rounded.of(getattr(row, part))
        mean = sum((box.value for box in boxes), Fraction(0)) / len(boxes)
        slack = sum((box.half for box in boxes), Fraction(0)) / len(boxes)
        right = printed.low <= mean + slack and mean - slack <= printed.high
        says = (
            f"{key_name(published, row.of)}: the mean of {listed([typeset(text) for text in texts])} is "
            f"{number(mean, 2)}, and {typeset(getattr(row, part))} is printed."
        )
        shown = (figure(published, row, part), *(figure(published, run, part) for run in runs))
        made.append((right, says, shown, row.claims))
    return made


def _total(published: Published, row: Row) -> Finding:
    parts = [published.row(name) for name in row.cumulative]
    boxes, printed = [Rounded.of(str(part.gain)) for part in parts], Rounded.of(str(row.gain))
    total = sum((box.value for box in boxes), Fraction(0))
    slack = sum((box.half for box in boxes), Fraction(0))
    right = printed.low <= total + slack and total - slack <= printed.high
    terms = " + ".join(typeset(str(part.gain)).lstrip("+") for part in parts)
    return Finding(
        id=f"total-{row.id}",
        kind="arithmetic",
        severity="consistent" if right else "contradiction",
        sentence=(
            f"{key_name(published, row.of)}: {terms} = {number(total, 1)}, and {typeset(str(row.gain))} is printed"
            f"{'' if right else ', which is not that sum'}."
        ),
        figures=(figure(published, row, "gain"), *(figure(published, part, "gain") for part in parts)),
        claims=tuple(row.claims),
        data={"total": float(total), "printed": float(printed.value)},
    )


def _counts(published: Published) -> list[Finding]:
    """Arms of one base must have about the same number of failures: correct retries over their share."""
    pairs = [
        (entry, Rounded.of(entry.correct_retries), Rounded.of(entry.retry_success))
        for entry in published.counts
        if entry.correct_retries is not None and entry.retry_success is not None
    ]
    if len(pairs) < 2:
        return []
    # "~3,200" is rounded to hundreds and "~49%" to whole percents, as the zeros at the end say.
    ranges = {}
    for entry, count, share in pairs:
        unit = Fraction(_last_unit(str(entry.correct_retries)), 2)
        ranges[entry.id] = (
            100 * (count.value - unit) / share.high,
            100 * count.value / share.value,
            100 * (count.value + unit) / share.low,
        )
    meet = max(low for low, _, _ in ranges.values()) <= min(high for _, _, high in ranges.values())
    said = listed([f"{entry.correct_retries} at {entry.retry_success}%" for entry, _, _ in pairs])
    failures = listed([f"{float(middle):,.0f}" for _, middle, _ in ranges.values()])
    prompts = listed([str(entry.of.prompt) for entry, _, _ in pairs])
    return [
        Finding(
            id="failures",
            kind="arithmetic",
            severity="consistent" if meet else "contradiction",
            sentence=(
                f"Correct retries and success rates of the {prompts} prompts ({said}) imply {failures} failures of one "
                f"base, {'the same to rounding' if meet else 'which rounding does not explain'}."
            ),
            figures=tuple(
                entry_figure(
                    published, entry, "correct retries", f"~{entry.correct_retries} at ~{entry.retry_success}%"
                )
                for entry, _, _ in pairs
            ),
            claims=tuple(dict.fromkeys(claim for entry, _, _ in pairs for claim in entry.claims)),
            data={name: [float(value) for value in found] for name, found in ranges.items()},
        )
    ]


def _last_unit(text: str) -> int:
    """The unit of the last digit that is not a zero: 100 for 3,200."""
    digits = text.replace(",", "").partition(".")[0]
    return 10 ** (len(digits) - len(digits.rstrip("0")))
