r"""Compare one answer with one reference, by math-verify and the rules around it. Runs only inside a worker.

math-verify is called so that it reads the whole answer or nothing: wrapped in ``$...$``, with its LaTeX
reader alone (its second reader picks a number out of text that the first one could not parse:
``1-1/\mathrm{e}`` gave 1), without its removal of units (units.py), and with the reference first, since
`verify` is not symmetric. Its own timeouts are off: they are signals, and the worker has better ones. No
SymPy object is ever printed: that can hang.
"""

from __future__ import annotations

import logging
import random
import re
from functools import lru_cache
from typing import Any

import sympy.core.random
from math_verify import LatexExtractionConfig, parse, verify
from math_verify.parser import NormalizationConfig

from piretry.verifiers import doubts
from piretry.verifiers.base import Verdict
from piretry.verifiers.pairs import plain, prepare, readable_numeral
from piretry.verifiers.rewrite import Unreadable, rewrite

logging.disable(logging.CRITICAL)  # math-verify reports that its timeouts are off, once for each process

_READER = LatexExtractionConfig(
    boxed_match_priority=-1,
    normalization_config=NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
    ),
)
#: math-verify searches the text for this word and reads what follows it; a changed word keeps equal texts
#: equal
_ANCHOR = re.compile("answer", re.I)


@lru_cache(maxsize=1024)
def _read(body: str) -> Any:
    """Return the SymPy object of `body`, or None when math-verify cannot read all of it."""
    body = _ANCHOR.sub("answor", body)
    found = parse(f"${body}$", [_READER], fallback_mode="no_fallback", parsing_timeout=None)
    return found[0] if found else None


@lru_cache(maxsize=4096)
def gold_parses(gold: str) -> bool:
    """Whether the reference `gold` has a meaning to compare with."""
    try:
        body = rewrite(gold)
    except Unreadable:
        return False
    return bool(body) and (readable_numeral(body) or _read(plain(body)) is not None)


def compare(gold: str, answer: str | None) -> Verdict:
    """Return the verdict on `answer`; for None only whether the reference parses (`correct` when it does)."""
    random.seed(0)
    sympy.core.random.seed(0)  # SymPy draws random points: a verdict must not depend on what was graded before
    if not gold_parses(gold):
        return Verdict.gold_unparseable
    return Verdict.correct if answer is None else _compare(gold, answer)


def _compare(gold: str, answer: str) -> Verdict:
    try:
        pair = prepare(gold, answer, _compare)
    except Unreadable:
        return Verdict.wrong
    if isinstance(pair, Verdict):
        return pair
    reference, given = _read(pair.gold), _read(pair.answer)
    if reference is None or given is None:
        return Verdict.wrong
    if doubts.beyond_computing(reference) or doubts.beyond_computing(given):
        return Verdict.timeout
    if not doubts.plainly_different(reference, given) and verify(reference, given, timeout_seconds=None):
        return Verdict.wrong if doubts.surely_different(reference, given) else Verdict.correct
    granted = doubts.equal_with_imaginary_unit(reference, given) or doubts.same_equation(reference, given)
    return Verdict.correct if granted else Verdict.wrong
