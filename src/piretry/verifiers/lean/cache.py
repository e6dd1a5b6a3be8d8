"""Findings that outlive the process, by (toolchain and rules, statement, proof).

Timeouts and errors are not stored: they depend on the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean.terms import Finding
from piretry.verifiers.stored import StoredTexts

#: a problem's text and a proof; an empty proof asks for the statement alone
Key = tuple[str, str]

_DEPENDS_ON_MACHINE = (Verdict.timeout, Verdict.error)


class FindingCache:
    """The findings of one version of toolchain and rules in the SQLite file `path`."""

    def __init__(self, path: Path, version: str) -> None:
        self._stored = StoredTexts(path, version, "findings", ["verdict", "message"], "the Lean verifier")

    def look_up(self, keys: Sequence[Key]) -> dict[Key, Finding]:
        """Return the stored findings of those of `keys` that have one; raise PiretryError for a damaged file."""
        found = self._stored.look_up(keys)
        try:
            findings = {key: Finding(Verdict(verdict), message) for key, (verdict, message) in found.items()}
        except ValueError as error:
            raise self._stored.unreadable(error) from error
        return {key: findings[key] for key in keys if key in findings}

    def store(self, findings: Iterable[tuple[Key, Finding]]) -> None:
        """Store the findings that depend on nothing but the key; raise PiretryError for a damaged file."""
        self._stored.store(
            {key: (str(f.verdict), f.message) for key, f in findings if f.verdict not in _DEPENDS_ON_MACHINE}
        )
