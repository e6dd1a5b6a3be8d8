"""What Lean says: its JSON lines, the axioms that a theorem rests on, and error texts that may go into a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: The axioms of Lean's own logic; every other one makes a proof inadmissible.
ALLOWED_AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})
SORRY_AXIOM = "sorryAx"
#: An error text longer than this is cut: it goes into the context of a small model.
MAX_ERROR_CHARS = 1200
_MAX_ERRORS = 4
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


@dataclass(frozen=True)
class Message:
    """One diagnostic: `line` counts from 1 and `column` from 0; `kind` is ``hasSorry`` for the warning of a sorry."""

    severity: str
    line: int
    column: int
    kind: str
    data: str

    @property
    def is_error(self) -> bool:
        """Whether it is an error; a severity that is not known counts as one."""
        return self.severity not in ("information", "info", "warning", "trace")

    @property
    def is_sorry(self) -> bool:
        """Whether it says that a declaration uses sorry."""
        return self.kind == "hasSorry" or (self.severity == "warning" and "declaration uses" in self.data)


def parse_message(line: str) -> Message | None:
    """Read one line of ``lean --json``; None for anything else, such as what a proof itself printed."""
    try:
        row = json.loads(line)
        position = row["pos"]
        return Message(
            str(row["severity"]),
            int(position["line"]),
            int(position["column"]),
            str(row.get("kind", "")),  # not in Lean before 4.15 or so
            str(row["data"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def parse_axioms(message: Message, name: str) -> tuple[str, ...] | None:
    """Return the axioms that `message` lists for the theorem `name`, or None if it is no such message."""
    if message.severity not in ("information", "info"):
        return None
    data = " ".join(message.data.split())
    if data == f"'{name}' does not depend on any axioms":
        return ()
    found = re.fullmatch(rf"'{re.escape(name)}' depends on axioms: \[(.*)\]", data)
    return tuple(part.strip() for part in found[1].split(",")) if found else None


def error_text(messages: Sequence[Message], first_line: int, names: Iterable[tuple[str, str]] = ()) -> str:
    """Return the errors of one candidate as plain text: cut to a bound, without control characters.

    Lines are counted from `first_line`, the line of the check file that is the candidate's first. Each (old, new) of
    `names` is replaced, so that the checker's random names do not show.
    """
    parts = []
    for message in messages[:_MAX_ERRORS]:
        line = message.line - first_line + 1
        place = f"line {line}: " if line >= 1 else ""
        parts.append(place + clean(message.data, names))
    if len(messages) > _MAX_ERRORS:
        parts.append(f"({len(messages) - _MAX_ERRORS} more errors)")
    return cut("\n".join(parts))


def clean(text: str, names: Iterable[tuple[str, str]] = ()) -> str:
    """Return `text` without control and invisible characters, and with the given replacements."""
    for old, new in names:
        text = text.replace(old, new)
    return _CONTROL.sub("", text.replace("\r\n", "\n")).strip()


def cut(text: str) -> str:
    """Return `text` cut to MAX_ERROR_CHARS."""
    return text if len(text) <= MAX_ERROR_CHARS else text[: MAX_ERROR_CHARS - 4].rstrip() + " ..."
