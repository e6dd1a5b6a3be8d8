"""Skeletons: the `have` statements of a Lean proof without their proofs, from term or tactic proofs alike.

A text-level reading, since a proof of a data set is often of another Lean or Mathlib version than the one at hand. What
it takes for a sub-goal is a `have` with a stated type; one whose type is left to the elaborator states nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from piretry.verifiers.lean.text import without_comments

_HAVE = re.compile(r"(?<![\w.'!?])have(?![\w.'!?])")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_OPEN, _CLOSE = "([{⟨⦃", ")]}⟩⦄"
# Where a stated type ends, beside `:=`: Lean 3 wrote `from`, and patterns may follow on lines that begin with a bar.
_END_WORD = re.compile(r"from\b|\|(?=[^|])")


@dataclass(frozen=True, slots=True)
class SubGoal:
    """A `have` without its proof. `name` may be empty, or a pattern, and holds binders: ``h (x : ℕ)``."""

    name: str
    type: str

    @property
    def text(self) -> str:
        """``have h : T``, on one line."""
        return f"have {self.name} : {self.type}" if self.name else f"have : {self.type}"


def skeleton(proof: str) -> tuple[SubGoal, ...]:
    """The sub-goals of a proof in the order in which they are stated, those inside others' proofs included.

    Comments and strings are not read. A `have` whose statement does not end (a proof that was cut off) is left out.
    """
    code = without_comments(proof)
    scanned = _STRING.sub(lambda string: " " * len(string.group()), code)
    found = []
    for match in _HAVE.finditer(scanned):
        places = _parts(scanned, match.end())
        if places is not None:
            colon, end = places
            name, type_ = (" ".join(part.split()) for part in (code[match.end() : colon], code[colon + 1 : end]))
            if type_:
                found.append(SubGoal(name, type_))
    return tuple(found)


def _parts(code: str, start: int) -> tuple[int, int] | None:
    """Where the colon and the end of the type are of the `have` whose name begins at `start`.

    None when it states no type or does not end.
    """
    depth, colon, place = 0, None, start
    while place < len(code):
        character = code[place]
        if character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
            if depth < 0:
                return None
        elif depth == 0:
            if code.startswith(":=", place):
                return (colon, place) if colon is not None else None
            if character == ":" and colon is None:
                colon = place
            elif colon is not None and _ends(code, place):
                return colon, place
            elif colon is None and character == ";":
                return None
            elif colon is not None and _HAVE.match(code, place):
                return None  # the next step begins: this one was never finished
        place += 1
    return None


def _ends(code: str, place: int) -> bool:
    """Whether `from`, or a line that begins with a bar, stands at `place`."""
    if not _END_WORD.match(code, place):
        return False
    if code[place] == "|":
        return not code[code.rfind("\n", 0, place) + 1 : place].strip()
    return not code[place - 1].isalnum()
