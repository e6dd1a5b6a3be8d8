r"""Find the answer in a completion. The rules, in order:

1. A completion that did not end normally (`finish_reason` other than ``"stop"``) has no answer.
2. Everything up to the last ``</think>`` is dropped; a ``<think>`` that remains is unclosed: no answer.
3. The answer is the content of the last brace-balanced ``\boxed{...}``: of all boxes that are closed, the one
   that opens last, so that in ``\boxed{x = \boxed{5}}`` the answer is ``5``. ``\fbox`` counts as ``\boxed``:
   some reference solutions of MATH use it. Braces after a backslash (``\{``) are text. ``\boxed 5`` is no
   box.
4. No box, or an empty one: no answer. "The last number in the text" is never taken.

The scan is one pass over the text, so that a megabyte of opening braces costs milliseconds.
"""

from __future__ import annotations

import re

_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_TOKEN = re.compile(r"(?P<box>\\(?:boxed|fbox)(?![A-Za-z])\s*\{)|\\(?:[A-Za-z]+|.)|(?P<open>\{)|(?P<close>\})", re.S)


def extract_answer(completion: str, finish_reason: str = "stop") -> str | None:
    """Return the boxed answer of `completion`, stripped of outer white space, or None."""
    if finish_reason != "stop":
        return None
    text = completion.rpartition(_THINK_CLOSE)[2]
    if _THINK_OPEN in text:
        return None
    box = last_box(text)
    return box.strip() or None if box is not None else None


def last_box(text: str) -> str | None:
    r"""Return the content of the closed ``\boxed{...}`` that opens last, or None when no box is closed."""
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    opened: list[int] = []  # for each open brace: where its box's content starts, or -1 for a plain brace
    start, end = -1, -1
    for token in _TOKEN.finditer(text):
        if token["box"]:
            opened.append(token.end())
        elif token["open"]:
            opened.append(-1)
        elif token["close"] and opened:
            content = opened.pop()
            if content > start:
                start, end = content, token.start()
    return text[start:end] if start >= 0 else None
