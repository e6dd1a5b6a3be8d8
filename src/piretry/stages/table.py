"""table: one table of the report as CSV, a row for each quantity and test of its claims.

Run alone: ``piretry table k_ablation``.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from piretry.runner import Job

COLUMNS = (
    "claim",
    "verdict",
    "published",
    "row",
    "label",
    "unit",
    "value",
    "low",
    "high",
    "level",
    "p_value",
    "p_holm",
    "outcome",
    "smallest_detectable",
    "problems",
    "seeds",
)


def run(job: Job) -> None:
    """Write the rows of every claim in the table, in the order that claims.yaml lists them."""
    with job.output("table").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for member in job.settings["members"]:
            claim = json.loads(job.input(member).read_text(encoding="utf-8"))
            writer.writerows(rows_of(claim))


def rows_of(claim: dict[str, Any]) -> list[dict[str, Any]]:
    """The table rows of one claim: its quantities, then its tests; one empty row for a claim that was not run."""
    common = {"claim": claim["id"], "verdict": claim["verdict"], "published": claim["published"]}
    rows = [
        {
            **common,
            "row": "quantity",
            "label": quantity["label"],
            "unit": quantity["unit"],
            **_numbers(quantity),
            "level": quantity["level"],
            "p_value": _number(quantity["p_value"]),
            "smallest_detectable": _number(quantity["mde"]),
            "problems": quantity["n_problems"],
            "seeds": " ".join(str(seed) for seed in quantity["seeds"]),
        }
        for quantity in claim["quantities"]
    ]
    rows += [
        {
            **common,
            "row": f"test: {test['test']}",
            "label": test["label"],
            "unit": test["unit"],
            **_numbers(test["estimate"]),
            "p_value": _number(test["p_value"]),
            "p_holm": _number(test["p_holm"]),
            "outcome": test["verdict"],
        }
        for test in claim["tests"]
    ]
    return rows or [{**common, "row": "not run"}]


def _numbers(values: dict[str, Any]) -> dict[str, str]:
    return {key: _number(values[key]) for key in ("value", "low", "high")}


def _number(value: float | None) -> str:
    # Ten significant digits: enough to recompute with, few enough that the last bits of a sum do not show.
    return "" if value is None else f"{value:.10g}"
