r"""A second, independent opinion on every answer: normalised strings and exact numbers, without SymPy or
math-verify.

It shares no code with the first opinion, so a bug would have to be made twice to go unseen. It is the simpler
of the two: it knows rational numbers, lists and typography, and no algebra, no units beyond dropping them and
no percentages beyond dropping the sign. Where it disagrees with the first opinion, a person should look.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from piretry.verifiers.base import Verdict

_MAX_CHARS = 2000
_MAX_DIGITS = 400

_SPELLINGS = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:left|right|displaystyle|limits)(?![A-Za-z])\.?"), ""),
    (re.compile(r"\\!|\$|\\\$|\\%|%|\^\s*\{\s*\\circ\s*\}|\^\s*\\circ|°"), ""),
    (re.compile(r"\\[,;: >]|~|\\q?quad(?![A-Za-z])|\s+"), " "),
    (re.compile(r"(?<=\d)\s*\\(?:text|mbox|mathrm|textrm)\s*\{[^{}]*\}(?:\s*\^\s*\{?\s*[23]\s*\}?)?\s*$"), ""),
    (re.compile(r"\\(?:text|mbox|mathrm|textrm|textbf|mathbf)\s*\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?<=\d)(?:\{,\}|,)(?=\d{3}(?!\d))"), ","),
    (re.compile(r"\\frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))"), r"\\frac{\1\2}{\3\4}"),
    (re.compile(r"(\\sqrt|\^|_)\s*\{\s*([A-Za-z0-9])\s*\}"), r"\1\2"),
    (re.compile(r"\\(?:geqslant|geq)(?![A-Za-z])"), r"\\ge"),
    (re.compile(r"\\(?:leqslant|leq)(?![A-Za-z])"), r"\\le"),
)
_PREFIX = re.compile(r"^[A-Za-z](?:_\w)?\s*(?:=|\\in(?![a-z]))\s*")
_NUMBER = re.compile(r"(-?)\s*(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?")
_FRACTION = re.compile(r"(-?)\s*(\d+ )?\s*(?:\\frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(-?\d+)\s*\}|(\d+)\s*/\s*(\d+))")
_MIXED = re.compile(r"(-?)\s*(\d+)\s*\\frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_POWER = re.compile(r"(-?\d+)\s*\^\s*(?:\{\s*(-?\d{1,2})\s*\}|(\d)(?!\d))")


def second_opinion(gold: str, answer: str | None) -> Verdict:
    """Return `correct`, `wrong`, `no_answer` (for None) or `gold_unparseable` (for an empty reference)."""
    gold = gold[: 4 * _MAX_CHARS]
    if not normalise(gold):
        return Verdict.gold_unparseable
    if answer is None:
        return Verdict.no_answer
    return _compared(gold, answer) if len(answer) <= _MAX_CHARS else Verdict.wrong


@lru_cache(maxsize=16384)
def _compared(gold: str, answer: str) -> Verdict:
    return Verdict.correct if _equal(normalise(gold), normalise(answer)) else Verdict.wrong


@lru_cache(maxsize=16384)
def normalise(text: str) -> str:
    """Return `text` without decoration: sizes, spaces, text groups, units after numbers, a leading ``x =``."""
    text = text.translate({0x2212: "-", 0x00A0: " "})
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    text = text.strip().rstrip(".,;:").strip()
    text = _PREFIX.sub("", text)
    return re.sub(r"(?<!\d) | (?!\d)", "", text)


def _equal(gold: str, answer: str) -> bool:
    if gold == answer or (len(gold) > 1 and gold.isalpha() and gold.lower() == answer.lower()):
        return True
    if gold.strip("()") == answer.strip("()") and len(gold.strip("()")) == 1:
        return True  # a choice: (B) and B
    one, other = number(gold), number(answer)
    if one is not None or other is not None:
        return one == other
    return _equal_lists(gold, answer)


def number(text: str) -> Fraction | None:
    """Return the rational number that `text` writes (integer, decimal, fraction, mixed, power), or None."""
    if sum(character.isdigit() for character in text) > _MAX_DIGITS:
        return None
    if (found := _NUMBER.fullmatch(text)) and (found[2] or found[3]):
        value = Fraction((found[2] or "0").replace(",", "") + (found[3] or ""))
        return -value if found[1] else value
    if found := _MIXED.fullmatch(text):
        return _signed(found[1], int(found[2]) + _ratio(found[3], found[4]))
    if found := _FRACTION.fullmatch(text):
        above, below = found[3] or found[5], found[4] or found[6]
        return _signed(found[1], int(found[2] or 0) + _ratio(above, below)) if int(below) else None
    if found := _POWER.fullmatch(text):
        base, exponent = int(found[1]), int(found[2] or found[3])
        return Fraction(base) ** exponent if base else None
    return None


def _ratio(above: str, below: str) -> Fraction:
    return Fraction(int(above), int(below)) if int(below) else Fraction(0)


def _signed(sign: str, value: Fraction) -> Fraction:
    return -value if sign else value


def _equal_lists(gold: str, answer: str) -> bool:
    """Compare lists by parts: in order inside ``(...)`` and ``[...]``, in any order in braces or without
    brackets.
    """
    first, second = _elements(gold), _elements(answer)
    if first is None or second is None or len(first[1]) != len(second[1]) or first[0] != second[0]:
        return False
    if first[0] != "":
        return all(_equal(one, other) for one, other in zip(first[1], second[1], strict=True))
    left = list(second[1])
    for one in first[1]:
        match = next((index for index, other in enumerate(left) if _equal(one, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def _elements(text: str) -> tuple[str, list[str]] | None:
    """Return the brackets around `text` ("" for none and for braces) and its parts, or None for a single
    part.
    """
    kind, body = "", text
    if text.startswith("\\{") and text.endswith("\\}"):
        body = text[2:-2]
    elif text[:1] in ("(", "[") and text[-1:] in (")", "]") and _one_group(text):
        kind, body = text[0] + text[-1], text[1:-1]
    parts, depth, start = [], 0, 0
    for position, character in enumerate(body):
        depth += (character in "([{") - (character in ")]}")
        if character in ",;" and depth == 0:
            parts.append(body[start:position].strip())
            start = position + 1
    parts.append(body[start:].strip())
    return (kind, parts) if len(parts) > 1 else None


def _one_group(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and position < len(text) - 1:
            return False
    return True
