"""What an export says of the results in words: the verdicts, and what each file is."""

from __future__ import annotations

from typing import Any

from piretry.claims.model import CONTROLS
from piretry.exports.source import Source
from piretry.provenance import layout
from piretry.provenance.model import RECORD_SUFFIX, Record
from piretry.report.numbers import estimate

_FOUND_SHOWN = 20


def verdict_counts(source: Source) -> str:
    """``30 claims: 4 same direction, 2 not run``."""
    verdicts = source.verdicts
    counted = ", ".join(f"{len(claims)} {verdict}" for verdict, claims in verdicts.items())
    return f"{sum(map(len, verdicts.values()))} claims: {counted or 'none judged'}"


def scale_sentence(source: Source) -> str:
    """What a verdict at this scale means."""
    readings = {claim.get("reading") for claim in source.claims.values()}
    if readings == {"direction"}:
        return (
            f"The scale {source.scale} uses small models built for the purpose: its verdicts are about directions "
            "only, and no test of the published figures."
        )
    return f"The scale {source.scale} is judged against the published figures."


def audit_sentences(source: Source) -> str:
    """What the audit said when the export was made, with its findings."""
    report = source.report
    if report.ok:
        return f"The audit of all {report.artifacts} artifacts found nothing when this export was made."
    lines = [finding.line() for finding in report.findings[:_FOUND_SHOWN]]
    more = len(report.findings) - _FOUND_SHOWN
    lines += [f"and {more} more (audit.json has all)"] if more > 0 else []
    head = f"NOT CLEAN: the audit had {len(report.findings)} findings when this export was made."
    return "\n".join([head, *lines])


def left_out_sentence(left_out: dict[str, Record]) -> str:
    """What is not in the export; empty when all is."""
    if not left_out:
        return ""
    size = sum(record.artifact.size for record in left_out.values()) / 1e6
    return (
        f"The weights of {len(left_out)} models ({size:.1f} MB) are left out: they are named with their hash and "
        "their provenance record."
    )


def measured_text(claim: dict[str, Any]) -> str:
    """The headline number of a claim with its interval; empty when nothing was measured."""
    measured = claim.get("measured")
    return estimate(measured, measured.get("unit") or "") if measured else ""


def claim_sentence(claim: dict[str, Any]) -> str:
    """One claim: what it says, what was published, what was found."""
    kind = "Control" if claim.get("section") == CONTROLS else "Claim"
    parts = [f"{kind} {claim.get('id')}: {claim.get('says', '')}".strip()]
    if claim.get("published"):
        parts.append(f"Published: {claim['published']}.")
    measured = measured_text(claim)
    if measured:
        parts.append(f"Measured: {measured}.")
    parts.append(f"Verdict: {claim.get('verdict')}.")
    return " ".join(parts)


def artifact_sentence(source: Source, path: str, record: Record) -> str:
    """What the artifact at `path` is."""
    if path in source.claims:
        return claim_sentence(source.claims[path])
    if record.table:
        return f"Table {record.table}: a row for each quantity and test of its claims."
    if layout.maker(path) == "cost":
        return "Tokens generated, and saved because cells share attempts and retries."
    if layout.maker(path) == "report":
        return f"The report on every claim at scale {source.scale}, one page."
    return f"{record.artifact.role} made by stage {record.stage} for {record.target}."


def record_sentence(path: str) -> str:
    """What the provenance record at `path` is."""
    return f"Provenance record of {path.removesuffix(RECORD_SUFFIX)}."
