"""Answers that are labelled by the way they are made: rewritings of a reference, and changes of it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

#: references of many kinds, for tests that need no data set
GOLDS = (
    *("42", "-7", r"\frac{3}{4}", r"-\frac{11}{6}", r"2\sqrt{13}", r"\frac{\pi}{6}", "0.35", "1200", "58500"),
    *(r"\left( 3, \frac{\pi}{2} \right)", r"(-\infty, 2) \cup (3, \infty)", "x^2 + 2x - 15", r"\frac{x+2}{7}"),
    *("p - q", "6 - 5i", "1, -2", r"\text{Evelyn}", r"\text{(C)}", r"\begin{pmatrix} 1 \\ -3 \end{pmatrix}"),
    *(r"90^\circ", r"15\%", "y = 2x + 3", "[-2, 7]", r"3\frac{1}{2}", "2516_8"),
)


def is_number(gold: str) -> bool:
    """Whether `gold` is a plain number or fraction, to which a unit may be added."""
    return bool(re.fullmatch(r"-?(?:\d+(?:\.\d+)?|\\d?frac\{\d+\}\{\d+\})", gold))


def is_scalar(gold: str) -> bool:
    """Whether `gold` is one expression: no list, relation, words, matrix, percentage, numeral or angle."""
    return not re.search(r"[,=<>_:]|\\text|\\mbox|begin|\\in(?![a-z])|\\cup|\\%|circ|\\pm|\\le|\\ge|\$", gold)


def _integer(gold: str) -> int | None:
    return int(gold) if re.fullmatch(r"-?\d+", gold) else None


def _always(change: Callable[[str], str]) -> Callable[[str], str | None]:
    return change


def _if_scalar(change: Callable[[str], str]) -> Callable[[str], str | None]:
    return lambda gold: change(gold) if is_scalar(gold) else None


def _if_number(change: Callable[[str], str]) -> Callable[[str], str | None]:
    return lambda gold: change(gold) if is_number(gold) else None


def _if_integer(change: Callable[[int], str]) -> Callable[[str], str | None]:
    def apply(gold: str) -> str | None:
        value = _integer(gold)
        return None if value is None else change(value)

    return apply


def _scaled_fraction(gold: str) -> str | None:
    found = re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", gold)
    return rf"{found[1]}\frac{{{3 * int(found[2])}}}{{{3 * int(found[3])}}}" if found else None


def _slash_fraction(gold: str) -> str | None:
    found = re.fullmatch(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}", gold)
    return f"{found[1]}{found[2]}/{found[3]}" if found else None


#: name -> a way of writing the same answer, or None where it does not apply
REWRITINGS: dict[str, Callable[[str], str | None]] = {
    "outer spaces": _always(lambda gold: f"  {gold} "),
    "full stop": _always(lambda gold: f"{gold}."),
    "dollars": _always(lambda gold: f"${gold}$"),
    "parenthesis delimiters": _always(lambda gold: rf"\( {gold} \)"),
    "display style": _always(lambda gold: rf"\displaystyle {gold}"),
    "braces": _always(lambda gold: f"{{{gold}}}"),
    "line breaks": _always(lambda gold: f"\n{gold}\n"),
    "equals sign": _always(lambda gold: f"= {gold}" if "=" not in gold else gold),
    "colour": _always(lambda gold: rf"\textcolor{{blue}}{{{gold}}}"),
    "final spaces": _always(lambda gold: rf"{gold}\,\;"),
    "dfrac": _always(lambda gold: re.sub(r"\\frac(?![a-z])", r"\\dfrac", gold)),
    "tfrac": _always(lambda gold: re.sub(r"\\d?frac(?![a-z])", r"\\tfrac", gold)),
    "left right": _always(
        lambda gold: gold if "left" in gold else re.sub(r"\((.*)\)", r"\\left(\1\\right)", gold, flags=re.S)
    ),
    "no left right": _always(lambda gold: re.sub(r"\\(?:left|right)(?![a-z])", "", gold)),
    "big": _always(lambda gold: re.sub(r"\\left(?![a-z])", r"\\bigl", re.sub(r"\\right(?![a-z])", r"\\bigr", gold))),
    "thin spaces at signs": _always(
        lambda gold: re.sub(r" ?([+,]) ?", r"\\,\1\\, ", gold) if not re.search(r"\d,\d{3}|\\!", gold) else gold
    ),
    "wide spaces at signs": _always(lambda gold: re.sub(r"(?<=[\w}]) ?\+ ?", r"  +  ", gold)),
    "braced exponents": _always(lambda gold: re.sub(r"\^(\w)", r"^{\1}", gold)),
    "bare exponents": _always(lambda gold: re.sub(r"\^\{(\w)\}", r"^\1", gold)),
    "bare root": _always(lambda gold: re.sub(r"\\sqrt\{(\d)\}", r"\\sqrt \1", gold)),
    "unicode": _always(lambda gold: re.sub(r"\\pi(?![a-z])", "π", gold).replace("-", "−")),
    "parentheses": _if_scalar(lambda gold: f"({gold})"),
    "assignment": _if_scalar(lambda gold: f"z = {gold}"),
    "plus zero": _if_scalar(lambda gold: f"0 + {gold}" if not gold.startswith("-") else f"0 {gold}"),
    "times one": _if_scalar(lambda gold: rf"1 \cdot ({gold})"),
    "doubled and halved": _if_scalar(lambda gold: rf"\frac{{2({gold})}}{{2}}"),
    "unit in text": _if_number(lambda gold: rf"{gold} \text{{ units}}"),
    "length": _if_number(lambda gold: rf"{gold}\text{{ cm}}"),
    "upright unit": _if_number(lambda gold: rf"{gold}\,\mathrm{{kg}}"),
    "count of things": _if_number(lambda gold: rf"{gold} \mbox{{ ways}}"),
    "decimal point": _if_integer(lambda value: f"{value}.0"),
    "plus sign": _if_integer(lambda value: f"+{value}" if value >= 0 else str(value)),
    "thousands": _if_integer(lambda value: f"{value:,}"),
    "spaced thousands": _if_integer(lambda value: f"{value:,}".replace(",", r",\!")),
    "over one": _if_integer(lambda value: rf"\frac{{{value}}}{{1}}"),
    "sum": _if_integer(lambda value: f"{value - 1} + 1"),
    "text": _if_integer(lambda value: rf"\text{{{value}}}"),
    "unreduced": _scaled_fraction,
    "slash": _slash_fraction,
}


def rewritings(gold: str, number: int, seed: int) -> list[tuple[str, str]]:
    """Return `number` distinct writings of `gold` with their names: single rewritings first, then two in a
    row.
    """
    found: dict[str, str] = {}
    for name, change in REWRITINGS.items():
        text = change(gold)
        if text is not None and text != gold:
            found.setdefault(text, name)
    rng = random.Random(f"{seed} {gold}")
    singles = list(found.items())
    rng.shuffle(singles)
    found = dict(singles)
    decorations = ("outer spaces", "dollars", "display style", "line breaks", "final spaces", "full stop", "colour")
    for _ in range(50 * number):
        if len(found) >= number:
            break
        text, name = rng.choice(singles)
        outer = rng.choice(decorations)
        found.setdefault(str(REWRITINGS[outer](text)), f"{name}, {outer}")
    return [(name, text) for text, name in list(found.items())[:number]]


def changes(gold: str, seed: int) -> Iterator[tuple[str, str]]:
    """Yield answers that differ from `gold` in value: one digit changed, the sign turned, something added."""
    rng = random.Random(f"{seed} {gold}")
    digits = [match.start() for match in re.finditer(r"(?<![\\A-Za-z\d.])\d(?!\})", gold)]
    if digits:
        place = rng.choice(digits)
        other = str((int(gold[place]) + rng.randint(1, 8)) % 10)
        if gold[place] != "0" and other != "0":
            yield "digit", gold[:place] + other + gold[place + 1 :]
    if is_scalar(gold):
        yield "plus one", f"{gold} + 1"
        yield "minus a millionth", rf"{gold} - \frac{{1}}{{1000000}}"
        yield "another multiple", rf"3 \cdot ({gold}) + \frac{{1}}{{7}}"
        if gold != "0":
            yield "sign", f"-({gold})"
    yield "another answer too", f"{gold}, 987"
    yield "words", r"\text{none of these}"
