"""What a reader sees first: the scale, the counts by verdict, every claim in one table and one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.report.figures import overview_figure
from piretry.report.numbers import listed, moment, plural, short
from piretry.report.parts import anchors
from piretry.report.parts.claims import measured_label, measured_text
from piretry.report.parts.verdicts import Badge, badge, counted
from piretry.report.results import Results

_READINGS = {
    "direction": "Small models made for this run, not the models of the FAQ. The published figures stand beside the "
    "measured ones, but nothing here tests their size: a verdict says only whether an effect points the same way.",
    "paper": "The models and data that the FAQ names: the verdicts test the published figures themselves.",
}


_PLAIN = ("value", "count", "above", "gain", "accuracy", "yield")  # numbers of the kind that was published


@dataclass(frozen=True)
class Row:
    """One line of the table of all claims."""

    anchor: str
    drawer: str
    id: str
    says: str
    published: str
    measured: str
    measured_label: str
    badge: Badge


def view(results: Results) -> dict[str, Any]:
    """The banner, the counts, the table and the picture."""
    reading = results.scale["reading"]
    verdicts = [claim["verdict"] for claim in results.claims.values()]
    return {
        "scale": results.scale["name"],
        "reading": reading,
        "meaning": _READINGS[reading],
        "description": results.scale["description"],
        "synthetic": _synthetic(results),
        "counts": counted(verdicts, reading),
        "total": len(verdicts),
        "groups": [
            (section, [_row(claim) for claims in questions.values() for claim in claims])
            for section, questions in results.questions.items()
        ],
        "figure": overview_figure(results),
        "troubles": list(results.troubles),
        "facts": _facts(results),
    }


def _synthetic(results: Results) -> int:
    """How many artifacts below the page say in their record that they were made up, not measured."""
    return sum("synthetic" in record.facts for record in results.records.by_path.values())


def _row(claim: dict[str, Any]) -> Row:
    measured = claim["measured"]
    return Row(
        anchors.claim(claim["id"]),
        anchors.drawer(claim["id"]),
        claim["id"],
        claim["says"],
        claim["published"],
        measured_text(claim),
        # Beside a published value, a measured difference or ratio must say what it is.
        measured_label(measured) if measured and measured["measure"] not in _PLAIN else "",
        badge(claim["verdict"]),
    )


def _facts(results: Results) -> list[tuple[str, str]]:
    """When, where and from which code all of it was made."""
    records = list(results.records.by_path.values())
    facts = [("Source of the claims", results.settings["source"])]
    if records:
        first = min(record.cost.started for record in records)
        last = max(record.cost.finished for record in records)
        commits = sorted({record.checkout.commit or "" for record in records})
        dirty = any(record.checkout.dirty for record in records)
        known = [short(commit) for commit in commits if commit]
        code = listed(known) if known else "not known: made outside a git checkout"
        facts += [
            ("Run", f"{moment(first)} to {moment(last)}"),
            ("Host", listed(sorted({record.machine.host for record in records}))),
            ("Commit", code + (", with uncommitted changes" if dirty else "")),
            ("Records", plural(len(records), "artifact") + " below this page, each with a provenance record"),
        ]
    return facts
