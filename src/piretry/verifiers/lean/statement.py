"""The statement of a problem: the text that the checker itself writes around a candidate's proof."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from piretry.verifiers.lean.text import without_comments

_START = re.compile(r"^[ \t]*(?:theorem|lemma)\s+(?P<name>[^\s({\[⦃:]+)", re.M)
_END = re.compile(r"\s*:=\s*(?P<by>by)?\s*(?:sorry)?\s*\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_']*(?:\.[A-Za-z_][A-Za-z0-9_']*)*")
_PLAIN = re.compile(
    r"^[ \t]*(?:(?:open|set_option)[ \t][^\n]*(?:\n[ \t]+\S[^\n]*)*|noncomputable section[ \t]*$)", re.M
)
_SCOPED = re.compile(r"^([ \t]*(?:open|set_option)[ \t][^\n]*?)[ \t]+in[ \t]*$", re.M)


@dataclass(frozen=True)
class Statement:
    """A theorem without its proof.

    `header` is what stands before it (imports, `open`, `set_option`, definitions), `name` the theorem's name and
    `signature` its binders, colon and type, all as the problem has them, but without comments. `tactics` says that
    the problem ends in ``by``, so that a completion goes on with tactics.
    """

    header: str
    name: str
    signature: str
    tactics: bool = False

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules that the header imports."""
        return tuple(re.findall(r"^[ \t]*import[ \t]+(\S+)[ \t]*$", self.header, re.M))

    @property
    def context(self) -> str:
        """The header without its imports."""
        return re.sub(r"^[ \t]*import[ \t]+\S+[ \t]*$", "", self.header, flags=re.M)

    @property
    def opens(self) -> str:
        """The lines of the header that only set the scene: `open`, `set_option`, `noncomputable section`."""
        return "\n".join(found.group() for found in _PLAIN.finditer(self.context))

    @property
    def defines(self) -> bool:
        """Whether the header has commands besides those of `opens`, such as definitions."""
        return bool(_PLAIN.sub("", self.context).strip())

    def after_signature(self, text: str, start: int) -> int | None:
        """Return where the signature ends when `text` repeats it from `start`, white space aside; else None.

        What the candidate wrote there is then replaced by the signature itself, so nothing hangs on how white
        space separates words.
        """
        position = start
        for character in self.signature:
            if character.isspace():
                continue
            while position < len(text) and text[position].isspace():
                position += 1
            if position >= len(text) or text[position] != character:
                return None
            position += 1
        return position


@lru_cache(maxsize=4096)
def parse_statement(text: str) -> Statement | None:
    """Read a problem's Lean text: a header and, last, ``theorem NAME SIGNATURE``, perhaps with ``:= by sorry``.

    Returns None when there is no theorem, or one without a type.
    """
    code = without_comments(text)
    starts = list(_START.finditer(code))
    found = starts[-1] if starts else None
    if found is None or not _NAME.fullmatch(found["name"]):
        return None
    rest = code[found.end() :]
    end = _END.search(rest)
    signature = (rest[: end.start()] if end else rest).rstrip()
    if ":" not in signature or signature.endswith(":"):
        return None
    header = _SCOPED.sub(r"\1", code[: found.start()])  # `open X in` would hold for the checker's own next line only
    return Statement(
        header.strip("\n"), found["name"], signature.strip("\n"), end is not None and end["by"] is not None
    )
