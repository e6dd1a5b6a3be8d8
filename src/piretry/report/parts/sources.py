"""The published figures checked against themselves: computed from report/published.yaml, without any measurement."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from piretry.report.parts import anchors
from piretry.report.parts.source_tables import SourceTable, table_of
from piretry.report.parts.verdicts import Badge
from piretry.report.results import Results
from piretry.sources import audit
from piretry.sources.figures import Figure
from piretry.sources.finding import Finding, Kind, Severity
from piretry.sources.model import Published
from piretry.sources.read import from_settings

_BADGES: dict[Severity, tuple[Badge, str]] = {
    "impossible": (Badge("impossible as stated", "✗", "disagree"), "cannot come from the evaluation that is stated"),
    "contradiction": (
        Badge("contradiction", "✗", "disagree"),
        "two pages, or a figure and a statement, exclude each other",
    ),
    "unsupported": (Badge("unsupported", "?", "open"), "said, and nothing that is printed shows it"),
    "limit": (Badge("of limited weight", "?", "open"), "true, but says less than it seems to"),
    "consistent": (Badge("in order", "✓", "agree"), "checked, and nothing is wrong"),
}
_KINDS: dict[Kind, tuple[str, str]] = {
    "granularity": (
        "Can the scores be counts?",
        "A score of n problems, one sample of each, goes in steps of 100/n percent; a printed score between two steps "
        "was not measured like that.",
    ),
    "spread": (
        "What the ± is",
        "For three runs a standard deviation is far smaller than a 95% interval of their mean.",
    ),
    "overlap": (
        "Do the intervals overlap?",
        "All pairs, as printed and as t-intervals of the gains of the three seeds.",
    ),
    "ratio": ("Multiples", "Published multiples against the figures behind them, with what rounding leaves open."),
    "contradiction": (
        "Pages against pages",
        "One condition with two values, one value for two conditions, and settings on which pages differ.",
    ),
    "cause": ("What is credited, and what differs", "A comparison shows a cause only where nothing else differs."),
    "support": ("Where the FAQ's figures come from", "Is there a page that says how a figure was measured?"),
    "sampling error": (
        "What one run can tell",
        "The sampling error of a finite number of problems, beside each gain of a single run.",
    ),
    "arithmetic": ("Sums", "Gains, means, totals and counts, to rounding."),
}


@dataclass(frozen=True)
class Note:
    """One finding as text: its badge, its sentence, its figures, and links to its claims."""

    anchor: str
    badge: Badge
    sentence: str
    figures: list[Figure]
    claims: list[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """One kind of check: what was found, and what is in order."""

    anchor: str
    title: str
    about: str
    table: SourceTable | None
    found: list[Note]
    sound: list[Note]


@dataclass(frozen=True)
class PageRow:
    """One page of the sources, and how many of its numbers are in the file."""

    file: str
    kind: str
    read: str
    numbers: int


def sources_view(results: Results) -> dict[str, Any] | None:
    """`groups` of findings by kind, the worst first; None where the report's task carries no published figures."""
    published = _published(results)
    if published is None:
        return None
    findings = findings_of(results)
    counts = audit.counts(findings)
    groups = []
    for kind, (title, about) in _KINDS.items():
        own = audit.by_severity([finding for finding in findings if finding.kind == kind])
        if own:
            groups.append(
                Group(
                    f"sources-{anchors.slug(kind)}",
                    title,
                    about,
                    table_of(published, kind, [finding for finding in findings if finding.kind == kind]),
                    [_note(results, finding) for finding in own if not finding.sound],
                    [_note(results, finding) for finding in own if finding.sound],
                )
            )
    return {
        "name": published.name,
        "site": published.site,
        "counts": [(*_BADGES[severity], amount) for severity, amount in counts.items()],
        "total": len(findings),
        "groups": groups,
        "pages": [PageRow(page.file, page.kind, page.read, _numbers(published, page.id)) for page in published.pages],
    }


view = sources_view


def notes_for(results: Results, claim: str) -> list[Note]:
    """What was found on the published figures that `claim` rests on, the worst first; what is in order is left out."""
    return [_note(results, f) for f in audit.findings_for(findings_of(results), claim) if not f.sound]


@functools.lru_cache(maxsize=1)
def findings_of(results: Results) -> tuple[Finding, ...]:
    """All findings; computed once for a page, whose claims all ask for theirs."""
    published = _published(results)
    return tuple(audit.audit_sources(published)) if published is not None else ()


def _published(results: Results) -> Published | None:
    value = results.settings.get("published")
    return from_settings(value) if value is not None else None


def _note(results: Results, finding: Finding) -> Note:
    claims = [(claim, anchors.claim(claim)) for claim in finding.claims if claim in results.claims]
    return Note(
        f"source-{anchors.slug(finding.id)}",
        _BADGES[finding.severity][0],
        finding.sentence,
        list(finding.figures),
        claims,
    )


def _numbers(published: Published, page: str) -> int:
    """How many printed numbers of a page are in the file."""
    rows = [row for row in published.rows if row.page == page]
    parts = sum(getattr(row, part) is not None for row in rows for part in ("base", "after", "gain", "plus_minus"))
    counts = [entry for entry in published.counts if entry.page == page]
    shares = sum((entry.retry_success is not None) + (entry.correct_retries is not None) for entry in counts)
    return parts + shares + sum(entry.page == page for entry in (*published.ratios, *published.others))
