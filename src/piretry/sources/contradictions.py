"""The same quantity with two values, and the same value for two quantities, found by comparing keys.

A key is what a page states of a condition; what it leaves open fits everything.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from piretry.report.numbers import listed
from piretry.sources.figures import (
    Figure,
    Rounded,
    figure,
    key_name,
    merged_claims,
    typeset,
)
from piretry.sources.finding import Finding
from piretry.sources.model import Key, Page, Protocol, Published, Row, Stated
from piretry.sources.protocol import value_text

_WORDS = {
    "method": "method",
    "tuning": "training",
    "k": "K",
    "prompt": "prompt",
    "round": "round",
    "samples": "samples of a problem",
    "learning_rate": "learning rate",
    "verifier": "verifier",
    "filter": "filter",
    "iterations": "iterations",
}


def contradictions(published: Published) -> list[Finding]:
    """Everything in which the pages exclude each other."""
    return [
        *_values(published),
        *_numbers(published),
        *_bases(published),
        *_sizes(published),
        *_settings(published),
    ]


def _apart(first: str, second: str) -> bool:
    """Whether two printed numbers cannot be one number, rounded."""
    a, b = Rounded.of(first), Rounded.of(second)
    return a.high < b.low or b.high < a.low


def _values(published: Published) -> list[Finding]:
    """Figures that state less than others: is one of those that they can be the same number?

    For a row, the candidates are the rows of other pages that state all that it states and more. Where there are some
    and none has its number, the pages exclude each other. Rows that state nothing but model and method are left out:
    they could be anything (`support` looks for their number).
    """
    groups: dict[str, tuple[list[Row], list[Row]]] = {}
    for row in published.rows:
        stated = row.of.stated()
        if row.gain is None or (set(stated) <= {"role", "method"} and row.of.method == "retry"):
            continue
        others = [
            other
            for other in published.rows
            if other.page != row.page and other.gain is not None and _narrower(other, row) and _same_runs(row, other)
        ]
        if others and all(_apart(str(row.gain), str(other.gain)) for other in others):
            name = f"{row.gain} {sorted(stated.items())} {row.seed}"
            groups.setdefault(name, ([], others))[0].append(row)
    return [_value_finding(published, rows, others) for rows, others in groups.values()]


def _narrower(other: Row, row: Row) -> bool:
    """Whether `other` states all that `row` states, alike, and more, of one kind of gain."""
    mine, theirs = row.of.stated(), other.of.stated()
    same_kind = row.against == other.against and bool(row.cumulative) == bool(other.cumulative)
    return same_kind and mine.items() < theirs.items()


def _same_runs(row: Row, other: Row) -> bool:
    """Whether `row` can be of the run or runs of `other`: a seed is not a mean, and not another seed."""
    if row.seed is not None:
        return other.seed in (None, row.seed) and not other.mean_of
    return row.runs is None or other.seed is None


def _value_finding(published: Published, rows: Sequence[Row], others: Sequence[Row]) -> Finding:
    first = rows[0]
    files = listed([_file(published, row) for row in rows])
    seed = f", seed {first.seed}" if first.seed is not None else ""
    candidates: dict[str, list[str]] = {}
    for other in others:
        text = f"{typeset(str(other.gain))} ({_condition(other)}{_file(published, other)})"
        candidates.setdefault(text, []).append(other.id)
    said = listed(list(candidates))
    open_fields = [_WORDS[name] for name in _WORDS if any(name in o.of.stated() for o in others)]
    open_fields = [name for name in open_fields if name not in {_WORDS.get(field) for field in first.of.stated()}]
    return Finding(
        id=f"two-values-{first.id}",
        kind="contradiction",
        severity="contradiction",
        sentence=(
            f"{typeset(str(first.gain))} on {files} for {key_name(published, first.of)}{seed}. By pages that state "
            f"more ({listed(open_fields)}) it can be {said}."
        ),
        figures=tuple(figure(published, row, "gain") for row in (*rows, *others)),
        claims=merged_claims([*rows, *others]),
        data={"rows": [row.id for row in rows], "candidates": [row.id for row in others], "seed": first.seed},
    )


def _condition(row: Row) -> str:
    """What tells a row from its neighbours, for a list: ``gold prompt, ``."""
    parts = [f"{row.of.prompt} prompt"] if row.of.prompt else []
    parts += [f"{row.of.samples} samples"] if row.of.samples is not None else []
    return "".join(f"{part}, " for part in parts)


def _numbers(published: Published) -> list[Finding]:
    """One printed gain of one model on several pages, for conditions that exclude each other.

    Two runs of one number each with its own seed are a coincidence; a number that a page repeats without a seed is not.
    """
    groups: dict[tuple[str | None, str], list[Row]] = {}
    for row in published.rows:
        if row.gain is not None and not row.cumulative:
            groups.setdefault((row.of.role, str(Rounded.of(row.gain).value)), []).append(row)
    return [
        _number_finding(published, role, rows, fields)
        for (role, _), rows in groups.items()
        if (fields := _conflicting(rows))
    ]


def _conflicting(rows: Sequence[Row]) -> list[str]:
    pairs = (
        (a, b) for a, b in itertools.combinations(rows, 2) if a.page != b.page and (a.seed is None or b.seed is None)
    )
    return list(dict.fromkeys(name for a, b in pairs for name in a.of.conflicts(b.of)))


def _number_finding(published: Published, role: str | None, rows: Sequence[Row], fields: Sequence[str]) -> Finding:
    things: dict[str, list[str]] = {}
    for row in rows:
        stated = {**row.of.stated(), **({"seed": row.seed} if row.seed is not None else {})}
        parts = [
            f"{_WORDS.get(name, name)} {stated[name]}"
            for name in (*dict.fromkeys([*fields, "round"]), "seed")
            if name in stated
        ]
        if parts:
            things.setdefault(", ".join(parts), []).append(_file(published, row))
    said = "; ".join(f"{thing} on {listed(list(dict.fromkeys(files)))}" for thing, files in things.items())
    text = str(rows[0].gain)
    return Finding(
        id=f"one-number-{role}-{text.lstrip('+').replace('-', 'minus-').replace('.', '-')}",
        kind="contradiction",
        severity="contradiction",
        sentence=f"{typeset(text)} of {key_name(published, Key(role=role))} stands for different things: {said}.",
        figures=tuple(figure(published, row, "gain") for row in rows),
        claims=merged_claims(rows),
        data={"fields": {name: _said(published, rows, name) for name in fields}},
    )


def _said(published: Published, rows: Sequence[Row], name: str) -> dict[str, str]:
    """Value of a field -> the pages that state it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        value = getattr(row.of, name)
        if value is not None:
            found.setdefault(str(value), []).append(_file(published, row))
    return {value: listed(list(dict.fromkeys(files))) for value, files in found.items()}


def _file(published: Published, row: Row) -> str:
    page: Page = published.page(row.page)
    return page.name


def _bases(published: Published) -> list[Finding]:
    """Accuracies of one untrained model: by seed, and the range over all pages."""
    found = []
    for role in dict.fromkeys(row.of.role for row in published.rows):
        rows = [row for row in published.rows if row.of.role == role and row.base is not None]
        single = [row for row in rows if not row.mean_of]
        for seed in dict.fromkeys(row.seed for row in single if row.seed is not None):
            own = [row for row in single if row.seed == seed]
            values = {str(row.base): row for row in own}
            if any(_apart(a, b) for a, b in itertools.combinations(values, 2)):
                files = {text: [_file(published, row) for row in own if row.base == text] for text in values}
                pages = listed([f"{text}% ({listed(list(dict.fromkeys(names)))})" for text, names in files.items()])
                found.append(
                    _base_finding(
                        published,
                        f"base-{role}-{seed}",
                        f"The untrained {key_name(published, Key(role=role))} has {pages} at seed {seed}.",
                        list(values.values()),
                        own,
                        {"values": sorted(float(text) for text in values)},
                    )
                )
        found += _constant(published, role, single)
    return found


def _base_finding(
    published: Published, name: str, sentence: str, shown: Sequence[Row], rows: Sequence[Row], data: dict[str, object]
) -> Finding:
    return Finding(
        id=name,
        kind="contradiction",
        severity="contradiction",
        sentence=sentence,
        figures=tuple(figure(published, row, "base") for row in shown),
        claims=merged_claims(rows),
        data=data,
    )


def _constant(published: Published, role: str | None, rows: Sequence[Row]) -> list[Finding]:
    """On some pages the base differs between seeds and on others it is the same for all: it was not measured anew."""
    by_page: dict[str, list[Row]] = {}
    for row in rows:
        if row.seed is not None:
            by_page.setdefault(row.page, []).append(row)
    several = {page: own for page, own in by_page.items() if len({row.seed for row in own}) > 1}
    same = {page: own for page, own in several.items() if len({row.base for row in own}) == 1}
    if not same or len(same) == len(several):
        return []
    files = listed([published.page(page).name for page in same])
    other = listed([published.page(page).name for page in several if page not in same])
    shown = [own[0] for own in same.values()]
    texts = sorted({str(own[0].base) for own in same.values()})
    sentence = (
        f"{files} print one accuracy of the untrained {key_name(published, Key(role=role))} for all seeds "
        f"({listed([f'{text}%' for text in texts])}), {other} one for each seed: the gains of the former vary by "
        "training alone, those of the latter by the evaluation of the base too, so that their ± are not of one kind."
    )
    rows = [row for own in several.values() for row in own]
    return [
        _base_finding(
            published, f"base-{role}-constant", sentence, shown, rows, {"pages": sorted(same), "values": texts}
        )
    ]


def _sizes(published: Published) -> list[Finding]:
    """A larger model of the same benchmark whose untrained accuracy is below that of a smaller one."""
    models = sorted(published.models, key=lambda model: model.billions)
    found = []
    for small, large in itertools.combinations(models, 2):
        if small.benchmark != large.benchmark:
            continue
        lower = [row for row in published.rows if row.of.role == large.role and row.base is not None]
        upper = [
            row for row in published.rows if row.of.role == small.role and row.base is not None and not row.mean_of
        ]
        if not lower or not upper:
            continue
        best = min(upper, key=lambda row: Rounded.of(str(row.base)).value)
        worst = min(lower, key=lambda row: Rounded.of(str(row.base)).value)
        if Rounded.of(str(worst.base)).high < Rounded.of(str(best.base)).low:
            top = max(upper, key=lambda row: Rounded.of(str(row.base)).value)
            benchmark = published.benchmark(large.role)
            where = f" on {benchmark.name}" if benchmark else ""
            found.append(
                Finding(
                    id=f"size-{small.role}-{large.role}",
                    kind="contradiction",
                    severity="contradiction",
                    sentence=(
                        f"Untrained, {large.name} has {worst.base}%{where}, less than "
                        f"{small.name} with {best.base}% to {top.base}%."
                    ),
                    figures=tuple(figure(published, row, "base") for row in (worst, best, top)),
                    claims=merged_claims([worst, best]),
                )
            )
    return found


def _settings(published: Published) -> list[Finding]:
    """Settings of which two pages state different values for one condition that both report."""
    found = []
    for entry in published.protocol:
        for key, rows in _conditions(published):
            stated = [one for one in entry.stated if one.scope.covers(key)]
            values = {value_text(one.value): one for one in stated}
            if len(values) > 1 and not _sweep(entry, stated):
                found.append(_setting(published, entry, key, rows, stated))
    return _each_once(found)


def _sweep(entry: Protocol, stated: Sequence[Stated]) -> bool:
    """Several values on one page of a learning rate are a sweep, not a contradiction."""
    return entry.setting == "learning_rate" and len({one.page for one in stated}) == 1


def _conditions(published: Published) -> list[tuple[Key, list[Row]]]:
    """Every condition that the rows name, as completely as their pages do, with its rows."""
    found: dict[str, tuple[Key, list[Row]]] = {}
    for row in published.rows:
        # Round 1 of the iteration is the single run: what the pages state for either is for both.
        of = row.of.model_copy(update={"round": 1}) if row.of.round is None and row.of.k == 1 else row.of
        found.setdefault(of.model_dump_json(), (of, []))[1].append(row)
    return list(found.values())


def _setting(published: Published, entry: Protocol, key: Key, rows: Sequence[Row], stated: Sequence[Stated]) -> Finding:
    by_value: dict[str, list[str]] = {}
    for one in stated:
        by_value.setdefault(value_text(one.value), []).append(published.page(one.page).name)
    said = listed([f"{value} ({listed(list(dict.fromkeys(files)))})" for value, files in by_value.items()])
    return Finding(
        id=f"setting-{entry.setting}",
        kind="contradiction",
        # Two wordings on one page may be a long and a short form.
        severity="contradiction" if len({one.page for one in stated}) > 1 else "limit",
        sentence=f"{entry.label}, for {key_name(published, key)}: {said}.",
        figures=tuple(
            Figure(
                f"{entry.setting}-{one.page}", entry.label, value_text(one.value), published.page(one.page).name, one.at
            )
            for one in stated
        ),
        claims=merged_claims(rows),
        data={"values": by_value},
    )


def _each_once(findings: Sequence[Finding]) -> list[Finding]:
    """Of findings with the same values of one setting the first, with the claims of all."""
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        groups.setdefault(f"{one.id} {sorted(one.data['values'])}", []).append(one)
    return [
        replace(group[0], claims=tuple(dict.fromkeys(claim for one in group for claim in one.claims)))
        for group in groups.values()
    ]
