"""What the audit asks of single records, and how it words what it sees."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from piretry.provenance import layout
from piretry.provenance.hashing import Content
from piretry.provenance.model import Record


def created_at(root: Path) -> datetime | None:
    """When the id of the results folder `root` was drawn, by the clock of that job; None when that is not known."""
    try:
        created = datetime.fromisoformat(json.loads((root / layout.RUN_FILE).read_text(encoding="utf-8"))["created"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return created if created.tzinfo else None


def outside(record: Record, path: str) -> Path:
    """Where something outside the results folder lay, seen from the folder in which the job ran."""
    return Path(record.folder) / path


def belongs_to(path: str, target: str) -> tuple[str | None, str | None, str | None]:
    """The state, claim and table that the record of `path` names when it was written there."""
    return layout.state_of(path, target), layout.claim_of(path), layout.table_of(path)


def difference(now: Content, record: Record) -> str:
    """In what the content that lies there differs from the one that `record` names; for a folder, in which files."""
    then = record.artifact
    if now.kind != then.kind:
        return f"it is a {now.kind}, and was recorded as a {then.kind}"
    if now.kind == "directory":
        before = {entry.path: entry.sha256 for entry in then.files}
        after = {entry.path: entry.sha256 for entry in now.files}
        parts = [
            f"{word}: {listed(names)}"
            for word, names in (
                ("changed", {name for name in before.keys() & after.keys() if before[name] != after[name]}),
                ("gone", before.keys() - after.keys()),
                ("added", after.keys() - before.keys()),
            )
            if names
        ]
        return f"its files are not those recorded ({'; '.join(parts)})"
    size = "" if now.size == then.size else f", {now.size} bytes instead of {then.size}"
    return f"its bytes are not those recorded (sha256 {now.sha256[:12]} instead of {then.sha256[:12]}{size})"


def listed(names: Iterable[str]) -> str:
    """The first three names in order, and how many more."""
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
