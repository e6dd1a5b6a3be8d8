"""Lean source as text: comments, tokens, characters that have no business in it, and the proof inside a completion.

Candidates are scanned without their comments, and what Lean is given is the text that was scanned: a comment that this
module and Lean would see differently can change a proof, but cannot hide a word.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_FENCE = re.compile(r"^[ \t]*```[ \t]*([A-Za-z0-9]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.S | re.M)
_LEAN_FENCES = ("lean", "lean4", "tactics")
_THINK_END = "</think>"
_CODE = re.compile(r"""--|/-|r?"|'(?:\\.|[^'\\\n])'""")
_COMMENT = re.compile(r"/-|-/")

#: Greek letters but λ, Π and Σ, which are Lean's own; letters with subscripts; what Lean takes for a name
_LETTER = r"A-Za-z_\u03b1-\u03ba\u03bc-\u03c9\u0391-\u039f\u03a1\u03a4-\u03a9\u2100-\u214f\U0001d49c-\U0001d59f"
_REST = _LETTER + r"0-9'\u2080-\u2089\u2090-\u209c\u1d62-\u1d6a"
IDENTIFIER = rf"[{_LETTER}][{_REST}]*(?:\.(?:[{_LETTER}][{_REST}]*|[0-9]+))*"
_TOKEN = re.compile(rf"{IDENTIFIER}|[0-9]+|:=|=>|->|<-|<\||\|>\.?|\S")


def answer_text(completion: str, finish_reason: str) -> str | None:
    """Return the Lean text of a completion, or None when it has none.

    That is the last block fenced as Lean, or else the last fenced block, or else, without any fence, all of it; what
    comes before ``</think>`` does not count. A completion that was cut off has no answer.
    """
    if finish_reason != "stop":
        return None
    text = completion.rpartition(_THINK_END)[2]
    if "```" in text:
        blocks = _FENCE.findall(text + "\n")
        lean = [body for language, body in blocks if language.lower() in _LEAN_FENCES]
        bodies = lean or [body for _, body in blocks]
        if not bodies:
            return None
        text = bodies[-1]
    return text.strip("\n") if text.strip() else None


@lru_cache(maxsize=4096)
def without_comments(text: str) -> str:
    """Return `text` with comments replaced by blanks, so that lines and columns stay; nested ones included."""
    out, position = [], 0
    while found := _CODE.search(text, position):
        start, mark = found.start(), found.group()
        out.append(text[position:start])
        if mark == "--":
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            out.append(" " * (end - start))
        elif mark == "/-":
            end = _comment_end(text, start)
            out.append(re.sub(r"[^\n]", " ", text[start:end]))
        elif mark.endswith('"'):
            end = _string_end(text, found.end(), raw=mark.startswith("r"))
            out.append(text[start:end])
        else:  # a character literal, which may hold a quotation mark
            end = found.end()
            out.append(mark)
        position = end
    out.append(text[position:])
    return "".join(out)


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for found in _COMMENT.finditer(text, start):
        depth += 1 if found.group() == "/-" else -1
        if depth == 0:
            return found.end()
    return len(text)


def _string_end(text: str, position: int, *, raw: bool) -> int:
    while position < len(text):
        if text[position] == '"':
            return position + 1
        position += 2 if text[position] == "\\" and not raw else 1
    return len(text)


def odd_character(text: str) -> str | None:
    """Return the name of the first control, invisible or direction-changing character of `text`, or None."""
    for character in text:
        if character in "\n ":
            continue
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs") and character != "\t":
            return unicodedata.name(character, f"U+{ord(character):04X}")
    return None


def tokens(text: str) -> list[str]:
    """Return the tokens of `text`: identifiers with their dots, numbers, and symbols of one to three characters."""
    return _TOKEN.findall(text)


def is_identifier(token: str) -> bool:
    """Whether a token of `tokens` is an identifier (or a word that Lean reserves)."""
    return re.match(f"[{_LETTER}]", token) is not None


def depth(text: str) -> int:
    """Return how deep brackets are nested in `text`."""
    deepest = level = 0
    for character in text:
        if character in "([{⟨":
            level += 1
            deepest = max(deepest, level)
        elif character in ")]}⟩":
            level = max(0, level - 1)
    return deepest


def indented(text: str, by: str = "  ") -> str:
    """Return `text` with `by` before each line that is not blank."""
    return "\n".join(by + line if line.strip() else "" for line in text.split("\n"))
