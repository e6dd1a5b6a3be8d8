"""Tables of the audit of the published figures: the scores by page, what each ± is, and every pair of arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from piretry.sources.figures import interval, number, typeset
from piretry.sources.finding import Finding, Kind
from piretry.sources.model import Published


@dataclass(frozen=True)
class SourceTable:
    """A table as text: the first column heads the rows, `numeric` of the others hold numbers."""

    caption: str
    columns: list[str]
    numeric: list[bool]
    rows: list[list[str]]


def table_of(published: Published, kind: Kind, findings: Sequence[Finding]) -> SourceTable | None:
    """The table of a kind of finding, None where it has none."""
    make = _TABLES.get(kind)
    table = make(published, findings) if make is not None else None
    return table if table is not None and table.rows else None


def _scores(published: Published, findings: Sequence[Finding]) -> SourceTable:
    rows = []
    for finding in findings:
        if "page" in finding.data:
            bad, good = finding.data["impossible"], finding.data["possible"]
            what = "gains" if finding.id.startswith("granularity-gain") else "scores"
            name = published.page(finding.data["page"]).name
            step = f"{finding.data['step']:.2g}"
            rows.append([name, what, str(finding.data["problems"]), step, _numbers(bad), _numbers(good)])
    return SourceTable(
        "Numbers of single runs, each once: can they be counts of one sample a problem?",
        ["Page", "What", "Problems", "Step", "Cannot", "Can"],
        [False, True, True, False, False],
        rows,
    )


def _spreads(published: Published, findings: Sequence[Finding]) -> SourceTable:
    rows = []
    for finding in findings:
        if "sd" in finding.data:
            row, data = published.row(finding.data["row"]), finding.data
            rows.append(
                [
                    f"{row.of.prompt or row.id} ({published.page(row.page).name})",
                    f"±{data['printed']}",
                    data["called"] or "not explained",
                    *(f"{number(data[name], 2)}" for name in ("sd", "se", "normal", "t")),
                ]
            )
    columns = ["Arm", "Printed", "Called", "Standard deviation", "Standard error", "Normal 95% ±", "t 95% ±"]
    return SourceTable(
        "The printed ± beside what the printed gains of the seeds give",
        columns,
        [True, False, True, True, True, True],
        rows,
    )


def _pairs(published: Published, findings: Sequence[Finding]) -> SourceTable:
    """The pairs of the first statement: the others are on the same arms."""
    rows = []
    for finding in findings[:1]:
        label = {name: published.row(name).of.prompt or name for name in finding.data["printed"]}
        for pair in finding.data["pairs"]:
            first, second = pair["first"], pair["second"]
            printed, t = finding.data["printed"], finding.data["t"]
            rows.append(
                [
                    f"{label[first]}, {label[second]}",
                    _both(printed[first], printed[second]),
                    "meet" if pair["printed_overlap"] else "apart",
                    _both(t[first], t[second]),
                    "meet" if pair["t_overlap"] else f"apart by {number(pair['t_gap'], 2)}",
                    number(pair["difference"], 1),
                    number(pair["p_holm"], 2),
                    number(pair["margin"], 1),
                ]
            )
    columns = ["Pair", "Printed intervals", "They", "t-intervals", "They", "Difference", "p (Holm)", "“Same” within"]
    return SourceTable(
        "Every pair of arms: intervals of the mean gain, Welch's test of the difference, and the smallest margin "
        "within which the two would be shown to be the same (percentage points)",
        columns,
        [False, False, False, False, True, True, True],
        rows,
    )


def _both(first: Sequence[float], second: Sequence[float]) -> str:
    """Two intervals, each kept on one line."""
    return " and ".join(interval(low, high).replace(" ", "\u00a0") for low, high in (first, second))


def _numbers(texts: Sequence[str]) -> str:
    return ", ".join(typeset(text) for text in texts) or "–"


_TABLES: dict[Kind, Callable[[Published, Sequence[Finding]], SourceTable]] = {
    "granularity": _scores,
    "spread": _spreads,
    "overlap": _pairs,
}
