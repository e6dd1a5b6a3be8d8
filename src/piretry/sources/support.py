"""Where the claims' figures come from: is there a page that shows how a figure of the FAQ was measured?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from piretry.report.numbers import listed
from piretry.sources.figures import (
    Figure,
    Rounded,
    entry_figure,
    figure,
    figures,
    key_name,
    typeset,
)
from piretry.sources.finding import Finding
from piretry.sources.model import Entry, Published, Row, Statement


def support(published: Published) -> list[Finding]:
    """Each figure of the FAQ; each statement without a figure; each statement of disjoint data."""
    kinds = {page.id: page.kind for page in published.pages}
    found = [_row(published, row, kinds) for row in published.rows if kinds[row.page] == "faq" and row.gain is not None]
    found += [_unquantified(published, one) for one in published.statements if one.kind == "unquantified"]
    found += [_disjoint(published, one) for one in published.statements if one.kind == "disjoint"]
    found += [_smaller(published, one) for one in published.statements if one.kind == "smaller"]
    return [*found, *(_denial(published, one) for one in published.statements if one.kind == "denial")]


def _row(published: Published, row: Row, kinds: Mapping[str, str]) -> Finding:
    """Rows elsewhere with the same number for a condition that fits: on pages of experiments, else on overviews."""
    same = [
        other
        for other in published.rows
        if kinds[other.page] != "faq"
        and other.gain is not None
        and Rounded.of(other.gain).value == Rounded.of(str(row.gain)).value
        and other.of.fits(row.of)
        and bool(other.cumulative) >= (other.against != row.against)
    ]
    shown = [other for other in same if kinds[other.page] == "experiment"]
    text, name = typeset(str(row.gain)), key_name(published, row.of)
    if shown:
        severity, sentence = (
            "consistent",
            f"{text} for {name} is on {_pages(published, shown)}, which says how it was measured.",
        )
        left = _open(row, shown)
        if left:
            severity = "limit"
            sentence = (
                f"{text} for {name} is on {_pages(published, shown)}, which says how it was measured, but not "
                f"{listed(left)}."
            )
    elif same:
        severity = "unsupported"
        sentence = (
            f"{text} for {name} is repeated on {_pages(published, same)}; no page that was read says how it was "
            "measured."
        )
    else:
        severity = "unsupported"
        near = _nearest(published, row, kinds)
        sentence = f"{text} for {name} is on no other page that was read."
        if near is not None:
            sentence += (
                f" The nearest figure for a condition that fits is {typeset(str(near.gain))}, of "
                f"{key_name(published, near.of)} ({published.page(near.page).name})."
            )
    return Finding(
        id=f"support-{row.id}",
        kind="support",
        severity=severity,  # type: ignore[arg-type]
        sentence=sentence,
        figures=(figure(published, row, "gain"), *(figure(published, other, "gain") for other in same)),
        claims=tuple(row.claims),
        data={"on": [other.id for other in same]},
    )


def _pages(published: Published, rows: Sequence[Entry]) -> str:
    return listed(list(dict.fromkeys(published.page(row.page).name for row in rows)))


def _open(row: Row, shown: list[Row]) -> list[str]:
    """Fields that the FAQ states and none of the pages that show the figure does."""
    words = {"tuning": "the training (full or LoRA)", "k": "K", "round": "the round", "verifier": "the verifier"}
    mine = row.of.stated()
    return [word for name, word in words.items() if name in mine and all(name not in o.of.stated() for o in shown)]


def _nearest(published: Published, row: Row, kinds: Mapping[str, str]) -> Row | None:
    rows = [
        other
        for other in published.rows
        if kinds[other.page] == "experiment"
        and other.gain is not None
        and other.of.fits(row.of)
        and other.against == row.against
        and bool(other.cumulative) == bool(row.cumulative)
    ]
    value = Rounded.of(str(row.gain)).value
    return min(rows, key=lambda other: abs(Rounded.of(str(other.gain)).value - value), default=None)


def _unquantified(published: Published, statement: Statement) -> Finding:
    key = statement.of
    rows = [row for row in published.rows if key is not None and key.stated().items() <= row.of.stated().items()]
    if rows:
        sentence = f"Said: {statement.says}. {_pages(published, rows)} has a figure for it."
    else:
        sentence = f"Said: {statement.says}. No page that was read has a figure for it."
    return Finding(
        id=f"figure-{statement.id}",
        kind="support",
        severity="consistent" if rows else "unsupported",
        sentence=sentence,
        figures=(
            entry_figure(published, statement, "statement", statement.says),
            *(shown for row in rows for shown in figures(published, row)),
        ),
        claims=tuple(statement.claims),
    )


def _disjoint(published: Published, statement: Statement) -> Finding:
    """What is trained on, by page, against the held-out benchmarks and the parts that they have."""
    training = next((entry.stated for entry in published.protocol if entry.setting == "train_data"), [])
    checks = next((entry.stated for entry in published.protocol if entry.setting == "overlap"), [])
    wrong, shown = [], []
    for one in training:
        for benchmark in published.benchmarks:
            if benchmark.name.casefold() in str(one.value).casefold():
                file = published.page(one.page).name
                parts = listed(benchmark.splits)
                has = f"only a {parts} part" if len(benchmark.splits) == 1 else f"the parts {parts}"
                wrong.append(f"{file} names “{one.value}” as what is trained on, and {benchmark.name} has {has}")
                shown.append(Figure(f"train-{one.page}", "training problems", str(one.value), file, one.at))
    sentence = f"Said: {statement.says}. "
    sentence += f"But {'; '.join(wrong)}. " if wrong else "No page trains on a held-out set. "
    sentence += (
        f"A check is described on {listed([published.page(one.page).name for one in checks])}."
        if checks
        else "No page that was read describes a check."
    )
    return Finding(
        id=f"disjoint-{statement.id}",
        kind="support",
        severity="contradiction" if wrong else "consistent" if checks else "unsupported",
        sentence=sentence,
        figures=(entry_figure(published, statement, "statement", statement.says), *shown),
        claims=tuple(statement.claims),
        data={"trained_on": wrong, "checks": len(checks)},
    )


def _smaller(published: Published, statement: Statement) -> Finding:
    """Two printed numbers, the first said to be the smaller: by how much."""
    first, second = (next(other for other in published.others if other.id == name) for name in statement.rows)
    low, high = Rounded.of(first.value), Rounded.of(second.value)
    right = low.high < high.low
    share = float((high.value - low.value) / high.value)
    sentence = (
        f"Said: {statement.says}. {_pages(published, [first, second])} prints {first.value} for "
        f"{key_name(published, first.of)} and {second.value} for {key_name(published, second.of)} ({first.what}): "
        f"{f'{share:.0%} less' if right else 'not less'}."
    )
    return Finding(
        id=f"smaller-{statement.id}",
        kind="support",
        severity="consistent" if right else "contradiction",
        sentence=sentence,
        figures=(
            entry_figure(published, statement, "statement", statement.says),
            *(entry_figure(published, other, other.what, other.value) for other in (first, second)),
        ),
        claims=tuple(statement.claims),
        data={"difference": float(low.value - high.value), "share": share},
    )


def _denial(published: Published, statement: Statement) -> Finding:
    """Two pages that say the opposite of each other."""
    other = next(one for one in published.statements if one.id == statement.denies)
    files = [published.page(one.page).name for one in (other, statement)]
    return Finding(
        id=f"denial-{statement.id}",
        kind="contradiction",
        severity="contradiction",
        sentence=f"{files[0]} says that {other.says}; {files[1]} that {statement.says}.",
        figures=tuple(entry_figure(published, one, "statement", one.says) for one in (other, statement)),
        claims=tuple(dict.fromkeys([*other.claims, *statement.claims])),
    )
