"""What an audit found: findings, notes, and how they are printed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

# The kinds of findings. The order is that of the summary.
KINDS = {
    "missing": "an artifact that a record names is not there",
    "changed": "the bytes of an artifact are not those that its record names",
    "record_missing": "an artifact has no record",
    "record_invalid": "a record cannot be read",
    "record_edited": "a record does not fit its own checksum",
    "record_changed": "an artifact was made from other bytes, or another record, than lie there now",
    "other_code": "the code that made an artifact is not the present code of its stage",
    "other_image": "the container image that an artifact was made in has other bytes now",
    "renamed": "an artifact and its record lie elsewhere than the record says",
    "foreign": "a record was written in another results folder",
    "unexpected": "a file that no stage has made lies in the results folder",
    "time_order": "the times in the records contradict each other",
}

# What is counted but is no finding.
NOTES = {
    "dirty": "artifacts were made from a checkout with uncommitted changes",
    "no_commit": "artifacts name no git commit (made by an installed package)",
    "no_image": "artifacts were made outside a container image",
    "rebuilt": "inputs were made again, with the same bytes, after they had been used",
    "outside_absent": "inputs from outside the results folder are not here to be checked",
    "image_absent": "artifacts name a container image that is not here to be checked",
    "code_unknown": "artifacts are of a stage whose present code is not known here",
    "leftovers": "unfinished outputs of interrupted jobs lie about (.tmp-*); the next run removes them",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One problem: the path below the results folder, one of `KINDS`, a sentence, the claims affected."""

    path: str
    kind: str
    sentence: str
    claims: tuple[str, ...]

    def line(self) -> str:
        """The finding on one line."""
        claims = f" [claims: {', '.join(self.claims)}]" if self.claims else " [no claim depends on it]"
        return _one_line(f"{self.kind:<15} {self.path}: {self.sentence}{claims}")


@dataclass(frozen=True)
class AuditReport:
    """The outcome of an audit: findings by path, counts of `NOTES`, and how much was looked at."""

    root: str
    findings: tuple[Finding, ...]
    notes: Mapping[str, int]
    artifacts: int
    bytes_hashed: int

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def text(self) -> str:
        """A line for each finding, then a summary with counts."""
        lines = [finding.line() for finding in self.findings]
        lines.append(f"{self.root}: {self.artifacts} artifacts, {self.bytes_hashed / 1e6:.1f} MB re-hashed.")
        lines += [f"note: {count} {NOTES[name]}" for name, count in self.notes.items()]
        if self.ok:
            lines.append("ok: every artifact is what its record says, and was made from what lies here.")
            return "\n".join(lines)
        counts = Counter(finding.kind for finding in self.findings)
        claims = sorted({claim for finding in self.findings for claim in finding.claims})
        lines.append(f"NOT ok: {len(self.findings)} findings ({_counted(counts)}).")
        lines.append(f"Claims that depend on them: {', '.join(claims) if claims else 'none'}.")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The same as JSON: ok, root, artifacts, bytes, findings, notes."""
        value = {
            "ok": self.ok,
            "root": self.root,
            "artifacts": self.artifacts,
            "bytes": self.bytes_hashed,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": dict(self.notes),
        }
        return json.dumps(value, indent=1)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts.get(kind))


def _one_line(text: str) -> str:
    """Names of files and values in records are not ours: no control character reaches the terminal."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
