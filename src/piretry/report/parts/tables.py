"""The tables of the report, as their CSV files have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.report.charts.figure import data_uri
from piretry.report.numbers import MINUS
from piretry.report.parts import anchors
from piretry.report.parts.claims import rebuild_command
from piretry.report.results import Results, Table

_HIDDEN = ("published",)  # long, and in the claim itself: the page leaves it out, the CSV has it


@dataclass(frozen=True)
class TableView:
    """One table: its cells as text, numbers shortened to what can be read, and the whole file to download."""

    name: str
    anchor: str
    path: str
    record: str
    columns: list[str]
    rows: list[list[str]]
    uri: str
    command: str


def view(results: Results) -> dict[str, Any]:
    """`tables`, in the order of claims.yaml."""
    return {"tables": [_table(results, table) for table in results.tables.values()]}


def _table(results: Results, table: Table) -> TableView:
    shown = [index for index, name in enumerate(table.columns) if name not in _HIDDEN]
    return TableView(
        name=table.name,
        anchor=anchors.table(table.name),
        path=table.path,
        record=anchors.record(table.path),
        columns=[table.columns[index].replace("_", " ") for index in shown],
        rows=[[_cell(row[index]) for index in shown] for row in table.rows],
        uri=data_uri(table.text, "text/csv"),
        command=rebuild_command(results, f"{results.settings['results']}/{table.path}"),
    )


def _cell(text: str) -> str:
    """A number with at most four significant digits; anything else as it is."""
    try:
        value = float(text)
    except ValueError:
        return text
    return text if value.is_integer() and "." not in text else f"{value:.4g}".replace("-", MINUS)
