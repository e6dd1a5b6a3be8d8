r"""Give two answers the same shape before math-verify compares them, where they say the same in other ways.

* ``x \in S`` is S, ``\{x \mid x > 3\}`` is its condition, and a closing ``k \in \mathbb{Z}`` is a remark;
* ``a \pm b`` is two values: latex2sympy reads it only outside fractions and equations;
* a solved inequality (``x \ge 2``) where the other side is an interval becomes that interval. Unsolved ones do not:
  the problem's own inequality would then be an answer;
* a column vector where the other side is a tuple in parentheses is that tuple;
* letter case: letters are lowered by latex2sympy, so that ``\pi R^2 - \pi r^2`` is 0. Where both cases of a letter
  occur in formulas, the capital becomes a Greek letter on both sides.
"""

from __future__ import annotations

import re

from piretry.verifiers.rewrite import brackets, inner, is_numeric, letters, top_level


def same_shape(gold: str, answer: str) -> tuple[str, str]:
    """Return both with intervals for solved inequalities, tuples for columns, and capitals kept apart."""
    if _is_interval(gold):
        answer = as_interval(answer) or answer
    elif _is_interval(answer):
        gold = as_interval(gold) or gold
    return _distinct_cases(*_vectors(gold, answer))


def bare(text: str) -> str:
    """Return `text` without membership, set-builder notation and remarks, and with both signs of each ``\\pm``."""
    return _both_signs(_condition(text))


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


_MEMBER = re.compile(r"^[A-Za-z] ?\\in(?![a-z]) ?")
_BUILDER = re.compile(r"\\\{ ?[A-Za-z] ?(?:\\in ?\\mathbb ?\{? ?R ?\}?)? ?(?:\\mid(?![a-z])|\||:) ?(.+?) ?\\\}")
_PARAMETER = re.compile(r",? ?(?:\\text\s*\{[^{}]*\})? ?\(?[a-z] ?\\in(?![a-z]) ?\\mathbb ?\{? ?[ZN] ?\}?(?:\^\+)?\)?$")


def _condition(text: str) -> str:
    r"""``x \in S`` is the set S, ``\{x \mid x > 3\}`` the condition, and a closing ``k \in \mathbb{Z}`` a
    remark.
    """
    text = _PARAMETER.sub("", _MEMBER.sub("", text)) or text
    built = _BUILDER.fullmatch(text)
    return built[1] if built and _RELATION.search(built[1]) else text


_RELATION = re.compile(r"(<|>|\\le(?![a-z])|\\ge(?![a-z]))")
_UNKNOWN = re.compile(r"[A-Za-z](?:_\{?\w\}?)?")


def _is_interval(text: str) -> bool:
    return "\\cup" in text or (brackets(text) in ("()", "[]", "(]", "[)") and len(top_level(inner(text))) == 2)


def as_interval(text: str) -> str | None:
    r"""Return the interval of a solved inequality (``x \ge 2``, ``1 < x \le 3``, several joined by "or"), or
    None.
    """
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
