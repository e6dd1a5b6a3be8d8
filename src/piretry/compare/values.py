"""Each claim's number in both runs, and whether the difference is more than noise. The rule: docs/compare.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from piretry.claims.judging import NOT_RUN
from piretry.compare.measured import Number, Side, difference, number_of, statistics
from piretry.compare.model import (
    ALPHA,
    EXACT,
    IDENTICAL,
    NOT_COMPARED,
    PAIRED,
    UNPAIRED,
    ClaimDiff,
    ControlDiff,
    Part,
)
from piretry.compare.pairs import Pairs
from piretry.compare.runs import is_control
from piretry.errors import PiretryError
from piretry.stats.multiple import holm


def compare_claims(pairs: Pairs) -> tuple[tuple[ClaimDiff, ...], tuple[ControlDiff, ...]]:
    """All claims of both runs in the order of run A, then those that B alone has; and the controls."""
    one, two = pairs.a.claims, pairs.b.claims
    names = [*one, *(name for name in two if name not in one)]
    controls = [name for name in names if is_control(one.get(name) or two[name])]
    comparer = _Comparer(pairs)
    rows = [comparer.row(name) for name in names if name not in controls]
    told = tuple(ControlDiff(name, _verdict(one, name), _verdict(two, name)) for name in controls)
    return tuple(_decided(rows)), told


class _Comparer:
    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self._done: dict[tuple[str, ...], tuple[str, tuple[Part, ...], str]] = {}

    def row(self, name: str) -> ClaimDiff:
        one, two = self.pairs.a.claims.get(name), self.pairs.b.claims.get(name)
        head = one or two or {}
        row = ClaimDiff(
            id=name,
            section=str(head["section"]),
            claim=str(head.get("says", "")),
            published=str(head.get("published", "")),
            only=None if one and two else "A" if one else "B",
            verdict_a=_verdict(self.pairs.a.claims, name),
            verdict_b=_verdict(self.pairs.b.claims, name),
            measured_a=one["measured"] if one else None,
            measured_b=two["measured"] if two else None,
            kind=NOT_COMPARED,
            parts=(),
            p=None,
            p_holm=None,
            differs=False,
            says="",
        )
        if one is None or two is None:
            return replace(row, says=f"only run {row.only} has this claim")
        if one["measured"] is None or two["measured"] is None:
            return replace(row, says=_not_measured(one, two))
        try:
            return self._measured(row)
        except PiretryError as error:
            return replace(row, says=f"it cannot be measured again: {error}")

    def _measured(self, row: ClaimDiff) -> ClaimDiff:
        sides = [Side.of(run, row.id) for run in (self.pairs.a, self.pairs.b)]
        asked = [statistics(side) for side in sides]
        labels = [tuple(number.label for number in numbers) for numbers in asked]
        if labels[0] != labels[1]:
            told = " and ".join(
                f"run {name} measures {_shown(label)}" for name, label in zip("AB", labels, strict=True)
            )
            return replace(row, says=f"the claim is declared differently in the two runs: {told}")
        if asked[0] and asked[0][0].exact:
            return self._exact(row, asked[0][0].label)
        if self._identical(sides, asked):
            return self._same_files(row)
        if labels[0] not in self._done:
            self._done[labels[0]] = self._tested(sides, asked)
        kind, parts, why = self._done[labels[0]]
        p = min(1.0, len(parts) * min(part.p for part in parts))
        return replace(row, kind=kind, parts=parts, p=p, says=why)

    def _exact(self, row: ClaimDiff, label: str) -> ClaimDiff:
        """A count has no sampling error: it is the same or it is not."""
        a, b = _value(row.measured_a), _value(row.measured_b)
        same = a == b
        told = "the same count in both runs" if same else "not the same count in the two runs, and a count has no noise"
        says = f"{label}: {told}"
        return replace(row, kind=IDENTICAL if same else EXACT, differs=not same, says=says)

    def _same_files(self, row: ClaimDiff) -> ClaimDiff:
        if _value(row.measured_a) == _value(row.measured_b):
            return replace(row, kind=IDENTICAL, says="measured on identical files: nothing to test")
        says = "measured on identical files, but not in the same way: see the settings and code of stage judge"
        return replace(row, kind=EXACT, differs=True, says=says)

    def _identical(self, sides: Sequence[Side], asked: Sequence[Sequence[Number]]) -> bool:
        """Whether the numbers rest on the same bytes: the same files by path and by hash."""
        told = []
        for side, numbers, rename in zip(sides, asked, (self.pairs.key_a, self.pairs.key_b), strict=True):
            files = {file for number in numbers for file in side.files(number)}
            told.append({(rename(file), side.run.sha256(file)) for file in files})
        return told[0] == told[1] and all(sha is not None for _, sha in told[0])

    def _tested(self, sides: Sequence[Side], asked: Sequence[Sequence[Number]]) -> tuple[str, tuple[Part, ...], str]:
        parts, paired = [], True
        for one, two in zip(*asked, strict=True):
            tables = [side.run.problems(side.files(number)) for side, number in zip(sides, (one, two), strict=True)]
            same = tables[0] == tables[1] and None not in tables[0]
            part, by_problem = difference(number_of(sides[0], one), number_of(sides[1], two), same)
            parts.append(part)
            paired = paired and by_problem
        if paired:
            return PAIRED, tuple(parts), "the same problems: compared problem by problem"
        return UNPAIRED, tuple(parts), "two independent estimates"


def _decided(rows: Sequence[ClaimDiff]) -> Iterator[ClaimDiff]:
    """Holm's correction over the distinct numbers compared; claims that state the same number share it."""
    labels = {tuple(part.label for part in row.parts): row.p for row in rows if row.p is not None}
    adjusted = dict(zip(labels, holm(list(labels.values())), strict=True))
    for row in rows:
        if row.p is None:
            yield row
            continue
        p_holm = adjusted[tuple(part.label for part in row.parts)]
        differs = p_holm is not None and p_holm < ALPHA
        yield replace(row, p_holm=p_holm, differs=differs)


def _verdict(claims: dict[str, dict[str, Any]], name: str) -> str | None:
    return str(claims[name]["verdict"]) if name in claims else None


def _value(measured: dict[str, Any] | None) -> float | None:
    return None if measured is None else measured["value"]


def _shown(labels: tuple[str, ...]) -> str:
    return "; ".join(labels) or "nothing"


def _not_measured(one: dict[str, Any], two: dict[str, Any]) -> str:
    without = [name for name, result in (("A", one), ("B", two)) if result["measured"] is None]
    if len(without) == 2:
        return "not run in either" if one["verdict"] == two["verdict"] == NOT_RUN else "measured in neither"
    result = one if without == ["A"] else two
    return f"measured in one run alone (run {without[0]}: {result['verdict']})"
