r"""Decisions on a pair (reference, answer) that need no computer algebra, because it would get them wrong.

`prepare` returns either a verdict or two strings for math-verify. The rules, each with the false verdict of plain
math-verify 0.9 that it removes (traps.jsonl has the cases):

* same typeset form: correct. (``\text{June 5}`` and ``\text{June }5`` differ for math-verify.)
* number bases: ``204_5`` = ``204_6`` there, since the subscript is dropped. The digits must agree, and the bases where
  both are written; a base on one side only is taken from the problem.
* ratios: ``1:2:3`` is read as (1/2)/3, so equals ``1:6``; ``3:4`` equals ``6:8``. Terms are compared one by one, and a
  ratio must be given in the reference's terms, since "in lowest terms" is what a problem with a ratio asks for.
* labelled values ``x=1, y=2``: an answer without labels must keep the order (``2, 1`` passes there).
* brackets: ``\{1,2\}`` equals ``(2,1)`` there. A set in braces is not a pair in parentheses.
* percentages: 10% equals 10 and 0.1 there, but not 10.0. The sign may be missing on either side.
* repeated values: ``75, 75`` equals ``75`` there, as a set. A reference's repetitions must be in the answer.
* primes: they are dropped there, so that ``f'`` equals ``f``. (Dots are dropped too, so that ``1, 2, \ldots, 10`` equals
  ``1, 2, 10``: rewrite.py makes them a word.)
* letter case: letters are lowered there, so that ``\pi R^2 - \pi r^2`` is 0. Where both cases of a letter occur in
  formulas, the capital becomes a Greek letter on both sides.
* a solved inequality (``x \ge 2``) where the reference is an interval becomes that interval. Unsolved ones do not:
  the problem's own inequality would then be an answer.
* a choice with its text, ``(B) 12``, answers the choice ``B``.
* units and "million": see units.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from piretry.verifiers import units
from piretry.verifiers.base import Verdict
from piretry.verifiers.rewrite import Unreadable, brackets, inner, is_numeric, letters, rewrite, top_level, typeset

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
    gold, answer = _both_signs(_condition(gold)), _both_signs(_condition(answer))
    for rule in (_bases, _ratios, _percentages, _labels, _brackets):
        verdict = rule(gold, answer, compare)
        if verdict is not None:
            return verdict
    if _is_interval(gold):
        answer = as_interval(answer) or answer
    elif _is_interval(answer):
        gold = as_interval(gold) or gold
    gold, answer = _vectors(gold, answer)
    return Pair(*_distinct_cases(gold, answer))


def _quantities(gold: str, answer: str) -> tuple[units.Quantity, units.Quantity]:
    """Take the units off both; a bare ``m`` is a unit only where the other side is a plain number."""
    first, second = units.split_unit(gold), units.split_unit(answer)
    if is_numeric(first.body) and (number := units.bare_letter(second.body)):
        second = units.Quantity(number, None)
    elif is_numeric(second.body) and (number := units.bare_letter(first.body)):
        first = units.Quantity(number, None)
    return first, second


_BASE = re.compile(
    r"(?P<minus>-?)\(?(?P<digits>[0-9A-Z.]+)\)?\s*"
    r"(?:_\s*\{?\s*\(?(?:\\text\{)?\s*(?:base )?(?P<base>\d+|[a-z]+)\s*\}?\)?\s*\}?|\\text\{\s*(?:in )?base (?P<words>\w+)\s*\})"
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
    if len(set(parts)) < len(parts) and len(_parts(inner(answer))) != len(parts):
        return Verdict.wrong
    return None


_CHOICE = re.compile(r"(?:\\text\s*\{\s*)?\(?([A-J])\)?\s*\}?")
_CHOSEN = re.compile(r"(?:\\text\s*\{\s*)?(?:\(([A-J])\)|([A-J])[).:])[\s}:.]*(?=\S)(?![=+\-*/^_<>]).+")


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


def plain(gold: str) -> str:
    """Return the part of a rewritten reference that math-verify has to read when there is no answer yet."""
    return _both_signs(_condition(units.split_unit(gold).body))


def _both_signs(text: str) -> str:
    r"""Write each part with one ``\pm`` as two: latex2sympy reads it only outside fractions and equations."""
    if "\\pm" not in text:
        return text
    parts = []
    for part in top_level(text):
        if len(re.findall(r"\\(?:pm|mp)(?![A-Za-z])", part)) == 1:
            parts += [re.sub(r"\\(?:pm|mp)(?![A-Za-z])\s*", sign, part).removeprefix("+") for sign in "+-"]
        else:
            parts.append(part)
    return ", ".join(parts)


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


_MEMBER = re.compile(r"^[A-Za-z] ?\\in(?![a-z]) ?")
_BUILDER = re.compile(r"\\\{ ?[A-Za-z] ?(?:\\in ?\\mathbb ?\{? ?R ?\}?)? ?(?:\\mid(?![a-z])|\||:) ?(.+?) ?\\\}")
_PARAMETER = re.compile(
    r",? ?(?:\\text\s*\{\s*(?:where|for|with|and)?[^{}]*\})? ?\(?[a-z] ?\\in(?![a-z]) ?\\mathbb ?\{? ?[ZN] ?\}?(?:\^\+)?\)?$"
)


def _condition(text: str) -> str:
    r"""``x \in S`` is the set S, ``\{x \mid x > 3\}`` the condition, and a closing ``k \in \mathbb{Z}`` a remark."""
    text = _PARAMETER.sub("", _MEMBER.sub("", text)) or text
    built = _BUILDER.fullmatch(text)
    return built[1] if built and _RELATION.search(built[1]) else text


_RELATION = re.compile(r"(<|>|\\le(?![a-z])|\\ge(?![a-z]))")
_UNKNOWN = re.compile(r"[A-Za-z](?:_\{?\w\}?)?")


def _is_interval(text: str) -> bool:
    return "\\cup" in text or (brackets(text) in ("()", "[]", "(]", "[)") and len(top_level(inner(text))) == 2)


def as_interval(text: str) -> str | None:
    r"""Return the interval of a solved inequality (``x \ge 2``, ``1 < x \le 3``, several joined by "or"), or None."""
    pieces = re.split(r"\s*(?:\\text\s*\{\s*or\s*\}|\bor\b)\s*", text)
    intervals = [_one_interval(piece.strip()) for piece in pieces]
    return None if None in intervals else r" \cup ".join(str(interval) for interval in intervals)


def _one_interval(text: str) -> str | None:
    parts = [part.strip() for part in _RELATION.split(text)]
    if len(parts) == 3:
        left, relation, right = parts
        if _UNKNOWN.fullmatch(right) and not _UNKNOWN.fullmatch(left):
            left, relation, right = right, _mirrored(relation), left
        if not _UNKNOWN.fullmatch(left) or not is_numeric(right):
            return None
        strict = relation in "<>"
        if relation in ("<", r"\le"):
            return rf"(-\infty,{right}{')' if strict else ']'}"
        return rf"{'(' if strict else '['}{right},\infty)"
    if len(parts) == 5 and _UNKNOWN.fullmatch(parts[2]) and is_numeric(parts[0]) and is_numeric(parts[4]):
        low, first, _, second, high = parts
        if first in (">", r"\ge") and second in (">", r"\ge"):
            low, first, second, high = high, _mirrored(second), _mirrored(first), low
        if first in ("<", r"\le") and second in ("<", r"\le"):
            return f"{'(' if first == '<' else '['}{low},{high}{')' if second == '<' else ']'}"
    return None


def _mirrored(relation: str) -> str:
    return {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}[relation]


_COLUMN = re.compile(r"\\begin\{[pb]matrix\}([^&]*)\\end\{[pb]matrix\}")


def _vectors(gold: str, answer: str) -> tuple[str, str]:
    """A column vector where the other side is a tuple in parentheses is that tuple."""

    def tuple_of(text: str, other: str) -> str:
        column = _COLUMN.fullmatch(text)
        if not column or brackets(other) != "()" or "matrix" in other:
            return text
        return "(" + ",".join(entry.strip() for entry in re.split(r"\\\\(?:\[[^\]]*\])?", column[1])) + ")"

    return tuple_of(gold, answer), tuple_of(answer, gold)


#: Greek letters that stand in for capitals; one that either answer uses is passed over
_STAND_INS = ("xi", "zeta", "eta", "kappa", "iota", "chi", "psi", "tau", "upsilon", "rho", "nu", "mu", "omega", "phi")


def _distinct_cases(gold: str, answer: str) -> tuple[str, str]:
    used = letters(gold) | letters(answer)
    clashes = sorted(letter for letter in used if letter.isupper() and letter.lower() in used)
    if not clashes or re.fullmatch(r"[A-Za-z ]+", gold) or re.fullmatch(r"[A-Za-z ]+", answer):
        return gold, answer  # bare words and choices: "A" and "a" are the same choice
    free = [name for name in _STAND_INS if f"\\{name}" not in gold + answer]
    names = dict(zip(clashes, free, strict=False))

    def rename(text: str) -> str:
        pattern = re.compile(r"(\\(?:text|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+|\\.)|([A-Z])", re.S)
        return pattern.sub(
            lambda found: found[1] or (rf"{{\{names[found[2]]}}}" if found[2] in names else found[2]), text
        )

    return rename(gold), rename(answer)


def _verdict(equal: bool) -> Verdict:
    return Verdict.correct if equal else Verdict.wrong


def readable_numeral(gold: str) -> bool:
    """Whether `gold`, rewritten, is a numeral in a base or a plain ratio: read here, not by math-verify."""
    terms = ratio_terms(gold)
    plain = terms is not None and all(_fraction(term) is not None for term in terms)
    return based_digits(gold) is not None or plain


def _fraction(text: str) -> Fraction | None:
    return Fraction(text) if re.fullmatch(r"\d+(?:\.\d+)?", text) else None
