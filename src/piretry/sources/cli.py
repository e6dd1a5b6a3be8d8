"""The verb `sources`: what the published figures are worth by themselves."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from piretry.errors import PiretryError, nearest
from piretry.sources.finding import SEVERITIES, Finding
from piretry.sources.model import Published
from piretry.sources.read import FILE, check_claims, read_published


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `sources` to the command line."""
    parser = verbs.add_parser("sources", help="check the published figures themselves: no model and no GPU")
    parser.add_argument("claim", nargs="?", metavar="CLAIM", help="only what concerns this claim")
    parser.add_argument("--home", type=Path, default=Path(), help="folder with config.yaml (default: here)")
    parser.add_argument("--file", type=Path, help=f"the published figures (default: {FILE} beside the claims)")
    parser.add_argument("--all", action="store_true", help="also what is in order")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=_sources)


def _sources(options: argparse.Namespace) -> int:
    from piretry.claims.model import ClaimsFile
    from piretry.settings.load import load, read_yaml
    from piretry.sources.audit import audit_sources, findings_for  # imports numpy, which other verbs need not wait for

    claims_file = options.home / str(read_yaml(options.home / "config.yaml").get("claims", "report/claims.yaml"))
    path = options.file or claims_file.with_name(FILE)
    published = read_published(path)
    claims = load(ClaimsFile, claims_file).ids
    check_claims(published, claims, str(path))
    findings = audit_sources(published)
    if options.claim is not None:
        if options.claim not in claims:
            raise PiretryError(f"No claim is called {options.claim!r}.{nearest(options.claim, claims)}")
        findings = findings_for(findings, options.claim)
    print(as_json(published, findings) if options.json else as_text(published, findings, options.all))
    return 0


def as_json(published: Published, findings: Sequence[Finding]) -> str:
    """Sources, counts and findings as JSON."""
    from piretry.sources.audit import counts

    value = {
        "source": {"name": published.name, "site": published.site},
        "counts": counts(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_text(published: Published, findings: Sequence[Finding], everything: bool = False) -> str:
    """The findings under headings, the worst first; what is in order is counted, and told with `everything`."""
    from piretry.sources.audit import counts

    lines = [f"{published.name} ({published.site})", ""]
    found = counts(findings)
    for severity in SEVERITIES:
        own = [finding for finding in findings if finding.severity == severity]
        if not own:
            continue
        if severity == "consistent" and not everything:
            lines += [f"consistent: {len(own)} (--all tells them)", ""]
            continue
        lines += [f"{severity}: {len(own)}"]
        for finding in own:
            lines += _wrapped(finding.sentence, "  - ")
            if finding.claims:
                lines += _wrapped(f"[{', '.join(finding.claims)}]", "    ")
        lines.append("")
    lines.append(", ".join(f"{amount} {severity}" for severity, amount in found.items()))
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, 110, initial_indent=indent, subsequent_indent=" " * (len(indent)), break_on_hyphens=False
    )
