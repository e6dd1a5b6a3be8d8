"""The settings of a cell beside those that the sources publish; what they do not state is said to be so."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from piretry.report.parts import anchors
from piretry.report.results import Results
from piretry.sources.protocol import ProtocolRow, cell_settings, protocol_rows


@dataclass(frozen=True)
class Comparison:
    """One cell: its rows, and how many of them have which status."""

    series: str
    anchor: str
    rows: list[ProtocolRow]
    counts: str


@dataclass(frozen=True)
class Summary:
    """A link to a comparison, and its counts in words."""

    series: str
    anchor: str
    counts: str


def view(results: Results) -> dict[str, Any] | None:
    """`cells`: the comparisons of every cell that a claim measures, in the order of the claims; None without any."""
    found = list(comparisons(results).values())
    return {"cells": found} if found else None


def summaries(results: Results, quantities: Iterable[Mapping[str, Any]]) -> list[Summary]:
    """Links to the comparisons of the cells that `quantities` measure."""
    found = comparisons(results)
    series = dict.fromkeys(quantity.get("series") for quantity in quantities)
    return [Summary(name, found[name].anchor, found[name].counts) for name in series if name in found]


@functools.lru_cache(maxsize=1)
def comparisons(results: Results) -> dict[str, Comparison]:
    """Series -> comparison; computed once for a page, which refers to it from many places.

    Empty where the report's task carries no published protocol.
    """
    published = results.settings.get("published")
    if published is None:
        return {}
    judged = (*results.claims.values(), *results.controls.values())
    series = dict.fromkeys(q.get("series") or "" for claim in judged for q in claim["quantities"])
    found = {}
    for name in series:
        if name.count("/") < 2:  # a count or a base: nothing was trained
            continue
        evaluations = [
            path for path in results.files if path.startswith(f"{name}/s") and path.endswith("/eval.parquet")
        ]
        records = [node.record for node in results.records.chain(evaluations) if node.record is not None]
        if not evaluations or not records:
            continue
        rows = protocol_rows(name, cell_settings(records), published)
        statuses: dict[str, int] = {}
        for row in rows:
            statuses[row.status] = statuses.get(row.status, 0) + 1
        counts = ", ".join(f"{amount} {status}" for status, amount in statuses.items())
        found[name] = Comparison(name, anchors.protocol(name), list(rows), counts)
    return found
