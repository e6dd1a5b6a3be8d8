"""`piretry claims`: the claims with published and measured values, verdicts and the target that rebuilds each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.grid import paths
from piretry.grid.project import Project


def list_claims(project: Project, root: Path) -> list[dict[str, Any]]:
    """A row for each claim, in the FAQ's order; claims without a result file yet have verdict `not built`."""
    rows = []
    for claim in project.claims.claims:
        path = root / paths.CLAIM.format(claim=claim.id)
        result = _read(path) if path.exists() else None
        measured = (result or {}).get("measured")
        rows.append(
            {
                "id": claim.id,
                "section": claim.section,
                "published": claim.published,
                "measured": measured["value"] if measured else None,
                "what": measured["label"] if measured else None,
                "unit": measured["unit"] if measured else None,
                "ci95": [measured["low"], measured["high"]] if measured else None,
                "verdict": result["verdict"] if result else "not built",
                "n": result["n"] if result else None,
                "seeds": result["seeds"] if result else [],
                "target": str(project.results / paths.CLAIM.format(claim=claim.id)),
            }
        )
    return rows


def claims_text(rows: list[dict[str, Any]]) -> str:
    """The list as a table of plain text."""
    lines = [f"{'claim':<22}{'published':<44}{'measured [95% interval]':<38}{'verdict':<20}{'n':>6}  seeds"]
    for row in rows:
        published = row["published"] if len(row["published"]) <= 42 else row["published"][:41] + "…"
        seeds = len(row["seeds"])
        lines.append(
            f"{row['id']:<22}{published:<44}{_measured(row):<38}{row['verdict']:<20}{row['n'] or '':>6}  {seeds or ''}"
        )
    return "\n".join(lines)


def _measured(row: dict[str, Any]) -> str:
    if row["measured"] is None:
        return ""
    (low, high), unit = row["ci95"], row["unit"]
    interval = f" [{_number(low, unit)}, {_number(high, unit)}]" if low is not None and high is not None else ""
    return f"{_number(row['measured'], unit)}{interval} {unit}"


def _number(value: float, unit: str) -> str:
    if unit == "problems":
        return f"{value:,.0f}"
    return f"{value:.1f}" if unit in ("%", "x") else f"{value:+.1f}"


def _read(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PiretryError(f"{path} is not valid JSON ({error}). Delete it and run the workflow again.") from error
    return value
