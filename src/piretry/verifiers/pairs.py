r"""Decisions on a pair (reference, answer) that need no computer algebra, because it would get them wrong.

`prepare` returns either a verdict or two strings for math-verify. The rules, each with the false verdict of
plain math-verify 0.9 that it removes (traps.jsonl has the cases):

* same typeset form: correct. (``\text{June 5}`` and ``\text{June }5`` differ for math-verify.)
* number bases: ``204_5`` = ``204_6`` there, since the subscript is dropped. The digits must agree, and the
  bases where both are written; a base on one side only is taken from the problem.
* ratios: ``1:2:3`` is read as (1/2)/3, so equals ``1:6``; ``3:4`` equals ``6:8``. Terms are compared one by
  one, and a ratio must be given in the reference's terms, since "in lowest terms" is what a problem with a
  ratio asks for.
* labelled values ``x=1, y=2``: an answer without labels must keep the order (``2, 1`` passes there).
* brackets: ``\{1,2\}`` equals ``(2,1)`` there. A set in braces is not a pair in parentheses.
* percentages: 10% equals 10 and 0.1 there, but not 10.0. The sign may be missing on either side.
* repeated values: ``75, 75`` equals ``75`` there, as a set. A reference's repetitions must be in the answer.
* primes: they are dropped there, so that ``f'`` equals ``f``. (Dots are dropped too, so that ``1, 2, \ldots,
  10`` equals ``1, 2, 10``: rewrite.py makes them a word.)
* a choice with its text, ``(B) 12``, answers the choice ``B``.
* units and "million": units.py; intervals, vectors, capital letters: shapes.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from piretry.verifiers import units
from piretry.verifiers.base import Verdict
from piretry.verifiers.rewrite import Unreadable, brackets, inner, is_numeric, rational, rewrite, top_level, typeset
from piretry.verifiers.shapes import bare, same_shape

#: compares two answers again, for rules that compare part by part
Compare = Callable[[str, str], Verdict]


@dataclass(frozen=True)
class Pair:
    """Two bodies for math-verify, in plain LaTeX."""

    gold: str
    answer: str


def prepare(gold: str, answer: str, compare: Compare) -> Verdict | Pair:
    """Return the verdict on `answer` where a rule decides it, else the pair for math-verify.

    A verdict of `correct` here presupposes that `gold` can be parsed: the caller checks that.
    """
    gold = rewrite(gold)
    try:
        answer = rewrite(answer)
    except Unreadable:
        return Verdict.wrong
    if typeset(gold) == typeset(answer):
        return Verdict.correct
    for rule in (_bases, _ratios, _choices, _primes, _repetitions):
        verdict = rule(gold, answer, compare)
        if verdict is not None:
            return verdict
    bodies = units.to_common_unit(*_quantities(gold, answer))
    if bodies is None:
        return Verdict.wrong
    gold, answer = bodies
    if typeset(gold) == typeset(answer):
        return Verdict.correct
    gold, answer = bare(gold), bare(answer)
    for rule in (_numbers, _bases, _ratios, _percentages, _labels, _brackets):
        verdict = rule(gold, answer, compare)
        if verdict is not None:
            return verdict
    return Pair(*same_shape(gold, answer))


def plain(gold: str) -> str:
    """Return the part of a rewritten reference that math-verify has to read when there is no answer yet."""
    return bare(units.split_unit(gold).body)


def _quantities(gold: str, answer: str) -> tuple[units.Quantity, units.Quantity]:
    """Take the units off both; a bare ``m`` is a unit only where the other side is a plain number."""
    first, second = units.split_unit(gold), units.split_unit(answer)
    if is_numeric(first.body) and (number := units.bare_letter(second.body)):
        second = units.Quantity(number, None)
    elif is_numeric(second.body) and (number := units.bare_letter(first.body)):
        first = units.Quantity(number, None)
    return first, second


def _numbers(gold: str, answer: str, compare: Compare) -> Verdict | None:
    """Rational numbers, which math-verify would decide alike, but a hundred times slower.

    It calls two numbers equal that are equal to six decimals, if one of them is written as a decimal: what may be such
    a case is left to it and to doubts.py.
    """
    first, second = rational(gold), rational(answer)
    if first is None or second is None:
        return None
    if first == second:
        return Verdict.correct
    close = abs(first - second) < _CLOSE and "." in gold + answer
    return None if close else Verdict.wrong


_CLOSE = Fraction(1, 10**5)
_BASE = re.compile(
    r"(?P<minus>-?)\(?(?P<digits>[0-9A-Z.]+)\)?\s*"
    r"(?:_\s*\{?\s*\(?(?:\\text\{)?\s*(?:base )?(?P<base>\d+|[a-z]+)\s*\}?\)?\s*\}?"
    r"|\\text\{\s*(?:in )?base (?P<words>\w+)\s*\})"
)
_BASE_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_DIGITS = re.compile(r"(?P<minus>-?)(?P<digits>[0-9A-Z.]+)")


def based_digits(text: str) -> tuple[str, int] | None:
    """Return the digits and the base of ``204_5``, or None when `text` is no such numeral."""
    found = _BASE.fullmatch(re.sub(r"\\text\{([0-9A-Z]+)\}", r"\1", text))
    if not found or not found["digits"][0].isalnum() or not re.search(r"\d", found["digits"]):
        return None
    name = found["base"] or found["words"]
    base = int(name) if name.isdigit() else _BASE_WORDS.get(name, 0)
    if not 2 <= base <= 36:
        return None
    return found["minus"] + found["digits"].lstrip("0"), base


def _bases(gold: str, answer: str, compare: Compare) -> Verdict | None:
    first, second = based_digits(gold), based_digits(answer)
    if first is None and second is None:
        return None
    if first is not None and second is not None:
        return _verdict(first == second)
    written, plain = (first, answer) if first is not None else (second, gold)
    digits = _DIGITS.fullmatch(plain)
    assert written is not None
    return _verdict(digits is not None and digits["minus"] + digits["digits"].lstrip("0") == written[0])


def ratio_terms(text: str) -> list[str] | None:
    r"""Return the terms of ``3:4``, ``S_1:S_2 = 3:4`` or ``3 \text{ to } 4``, or None."""
    text = re.sub(r"\\text\s*\{\s*to\s*\}", ":", text)
    text = text.rpartition("=")[2] if text.count(":") > 1 or "=" in text else text
    if ":" not in text or re.search(r"[\[\],]|\\\{|\\text|\\to(?![a-z])", text):
        return None
    terms = [term.strip() for term in text.split(":")]
    return terms if all(terms) else None


def _ratios(gold: str, answer: str, compare: Compare) -> Verdict | None:
    first, second = ratio_terms(gold), ratio_terms(answer)
    if first is None or (second is None and len(first) == 2):
        return None
    if second is None or len(first) != len(second):
        return Verdict.wrong
    return _all(first, second, compare)


def _all(first: list[str], second: list[str], compare: Compare) -> Verdict:
    """The first verdict of the parts that is not `correct`, or `correct`."""
    for one, other in zip(first, second, strict=True):
        verdict = compare(one, other)
        if verdict is not Verdict.correct:
            return verdict
    return Verdict.correct


def _percentages(gold: str, answer: str, compare: Compare) -> Verdict | None:
    first, second = gold.removesuffix(r"\%").rstrip(), answer.removesuffix(r"\%").rstrip()
    if (first == gold) != (second == answer) and is_numeric(first) and is_numeric(second):
        return Verdict.correct if compare(first, second) is Verdict.correct else None
    return None


def _repetitions(gold: str, answer: str, compare: Compare) -> Verdict | None:
    parts = [typeset(part) for part in _parts(gold)]
    if "=" not in gold and len(set(parts)) < len(parts) and len(_parts(inner(answer))) != len(parts):
        return Verdict.wrong
    return None


_CHOICE = re.compile(r"(?:\\text\s*\{\s*)?\(?([A-J])\)?\s*\}?")
_CHOSEN = re.compile(r"(?:\\text\s*\{\s*)?(?:\(([A-J])\)|([A-J])[).:])[\s}:.]*+(?=\S)(?![=+\-*/^_<>,;]).+")


def _choices(gold: str, answer: str, compare: Compare) -> Verdict | None:
    letter, chosen = _CHOICE.fullmatch(gold), _CHOSEN.fullmatch(answer)
    if letter and chosen and not _CHOICE.fullmatch(answer):
        return _verdict(letter[1] == (chosen[1] or chosen[2]))
    return None


_PRIME = re.compile(r"(?<=[A-Za-z)}])(?:'|\^\s*\{?\s*\\prime)")


def _primes(gold: str, answer: str, compare: Compare) -> Verdict | None:
    """Primes, which math-verify drops: there must be as many on both sides."""
    first, second = (re.sub(r"\\text\s*\{[^{}]*\}", " ", text) for text in (gold, answer))
    return None if len(_PRIME.findall(first)) == len(_PRIME.findall(second)) else Verdict.wrong


_LABELLED = re.compile(r"([A-Za-z](?:_\{?\w+\}?)?|[A-Z]{2})\s*=\s*([^=]+)")


def _parts(text: str) -> list[str]:
    return top_level(re.sub(r"\s*(?:\\text\s*\{\s*)?\b(?:and|or)\b\s*\}?\s*", ",", text).replace(",,", ","))


def _labels(gold: str, answer: str, compare: Compare) -> Verdict | None:
    labelled = [_LABELLED.fullmatch(part) for part in _parts(gold)]
    names = [found[1] for found in labelled if found]
    if len(labelled) < 2 or len(names) != len(labelled) or len(set(names)) != len(names) or "=" in answer:
        return None
    values = [found[2].strip() for found in labelled if found]
    given = top_level(inner(answer))
    return _all(values, given, compare) if len(given) == len(values) else Verdict.wrong


def _brackets(gold: str, answer: str, compare: Compare) -> Verdict | None:
    kinds = {brackets(gold), brackets(answer)}
    if "{}" in kinds and len(kinds) == 2 and "" not in kinds and len(top_level(inner(gold))) > 1:
        return Verdict.wrong
    return None


def _verdict(equal: bool) -> Verdict:
    return Verdict.correct if equal else Verdict.wrong


def readable_numeral(gold: str) -> bool:
    """Whether `gold`, rewritten, is a number, a numeral in a base or a ratio of numbers: read without math-verify."""
    terms = ratio_terms(gold) or [gold]
    return based_digits(gold) is not None or all(rational(term) is not None for term in terms)
