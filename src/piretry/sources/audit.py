"""All checks of the published figures, in the order in which the page shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from piretry.sources.arithmetic import arithmetic
from piretry.sources.cause import causes
from piretry.sources.contradictions import contradictions
from piretry.sources.finding import SEVERITIES, Finding, Severity
from piretry.sources.granularity import granularity
from piretry.sources.model import Published
from piretry.sources.noise import sampling_error
from piretry.sources.ratios import ratios
from piretry.sources.spread import overlaps, plus_minus
from piretry.sources.support import support

CHECKS = (granularity, plus_minus, overlaps, ratios, contradictions, causes, support, sampling_error, arithmetic)


def audit_sources(published: Published) -> list[Finding]:
    """Every finding, each with an id of its own; the same file gives the same list."""
    found = [finding for check in CHECKS for finding in check(published)]
    seen = Counter(finding.id for finding in found)
    twice = sorted(name for name, amount in seen.items() if amount > 1)
    if twice:
        raise AssertionError(f"two findings have one id: {', '.join(twice)}")
    return found


def findings_for(findings: Iterable[Finding], claim: str) -> list[Finding]:
    """The findings on figures that a claim rests on, the worst first."""
    return by_severity([finding for finding in findings if claim in finding.claims])


def by_severity(findings: Sequence[Finding]) -> list[Finding]:
    """The findings from the worst to the best, otherwise in order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def counts(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many findings there are of each severity."""
    seen = Counter(finding.severity for finding in findings)
    return {severity: seen[severity] for severity in SEVERITIES}
