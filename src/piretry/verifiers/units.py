r"""Separate a quantity from its unit, and compare units.

math-verify drops any trailing word or letter that looks like a unit: ``5m`` becomes 5 although m may be a
variable, ``\sin^2 t`` loses its argument, and ``5\text{ m}`` equals ``5\text{ km}``. That rule is switched
off (compare.py) and replaced by these:

* a unit in ``\text{...}``, after a number, or as a known word of two or more letters, is taken off;
* units of one dimension are converted exactly (``5\text{ km}`` = ``5000\text{ m}``); known units of different
  dimensions make the answers different; unknown words ("apples") say nothing;
* an answer without a unit is compared by its number: the problem names the unit;
* "million" and its like are factors, not units.

Conversion factors are the exact definitions of the international yard and pound agreement and of the SI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from piretry.verifiers.rewrite import is_numeric

_KINDS: dict[str, dict[str, tuple[Fraction, str]]] = {
    "length": {
        "mm": (Fraction(1, 1000), "millimeter millimetre"),
        "cm": (Fraction(1, 100), "centimeter centimetre"),
        "m": (Fraction(1), "meter metre"),
        "km": (Fraction(1000), "kilometer kilometre"),
        "in": (Fraction(254, 10000), "inch inches"),
        "ft": (Fraction(3048, 10000), "foot feet"),
        "yd": (Fraction(9144, 10000), "yard"),
        "mi": (Fraction(1609344, 1000), "mile"),
    },
    "time": {
        "s": (Fraction(1), "sec second"),
        "min": (Fraction(60), "minute"),
        "h": (Fraction(3600), "hr hour"),
        "day": (Fraction(86400), ""),
        "week": (Fraction(604800), ""),
    },
    "year": {"month": (Fraction(1, 12), ""), "year": (Fraction(1), "yr")},
    "mass": {"mg": (Fraction(1, 1000), "milligram"), "g": (Fraction(1), "gram"), "kg": (Fraction(1000), "kilogram")},
    "weight": {"oz": (Fraction(1, 16), "ounce"), "lb": (Fraction(1), "pound")},
    "money": {"cent": (Fraction(1, 100), "penny pennies"), "dollar": (Fraction(1), "usd")},
    "volume": {"mL": (Fraction(1, 1000), "ml milliliter"), "L": (Fraction(1), "liter litre")},
    "gallon": {"gal": (Fraction(1), "gallon")},
    "angle": {"degree": (Fraction(1), "deg")},
    "radian": {"radian": (Fraction(1), "rad")},
    "celsius": {"celsius": (Fraction(1), "")},
    "fahrenheit": {"fahrenheit": (Fraction(1), "")},
    "morning": {"am": (Fraction(1), "a.m")},
    "afternoon": {"pm": (Fraction(1), "p.m")},
}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
#: words after which the rest is a statement and not a unit
_NOT_UNITS = re.compile(r"\b(?:or|and|more|less|not|if|mod|to|least|most|base|than|when|where|for|is|dots)\b", re.I)


@dataclass(frozen=True)
class Unit:
    """A known unit: `dimension` such as ``length^2``, and its size in that dimension's base unit."""

    dimension: str
    factor: Fraction


@dataclass(frozen=True)
class Quantity:
    """An answer without its unit; `unit` is None when there is none or it is an unknown word."""

    body: str
    unit: Unit | None


def _names() -> dict[str, Unit]:
    names = {}
    for dimension, units in _KINDS.items():
        for symbol, (factor, aliases) in units.items():
            for name in (symbol, *aliases.split()):
                names[name] = Unit(dimension, factor)
                if len(name) > 2:
                    names[name + "s"] = names[name + "es"] = names[name]
    return names


_UNITS = _names()


def parse_unit(text: str, exponent: int = 1) -> Unit | None:
    """Return the unit that `text` names ("cm", "square feet", "miles per hour", "mph"), or None."""
    words = text.strip().rstrip(".")
    lowered = words.lower()
    for prefix, power in (("square ", 2), ("sq. ", 2), ("sq ", 2), ("cubic ", 3), ("cu. ", 3), ("cu ", 3)):
        if lowered.startswith(prefix):
            return parse_unit(words[len(prefix) :], power)
    if lowered in ("mph", "kmh", "kph"):
        words = "mi/h" if lowered == "mph" else "km/h"
    for separator in (" per ", "/"):
        above, found, below = words.partition(separator)
        if found:
            top, bottom = parse_unit(above), parse_unit(below)
            if top is None or bottom is None or exponent != 1:
                return None
            return Unit(f"{top.dimension}/{bottom.dimension}", top.factor / bottom.factor)
    unit = _UNITS.get(words) or _UNITS.get(lowered)
    if unit is None or exponent == 1:
        return unit
    return Unit(f"{unit.dimension}^{exponent}", unit.factor**exponent)


_TEXT_END = re.compile(r"(?P<body>.*?)(?P<unit>(?:\\text\s*\{[^{}]*\}\s*)+)(?:\^\s*\{?\s*(?P<power>[1-3])\s*\}?)?\s*")
_WORD_END = re.compile(
    r"(?P<body>.*[\d})])\s*(?P<unit>[A-Za-z]{2,}(?:[ /][A-Za-z]+){0,3})\.?(?:\^\{?(?P<power>[23])\}?)?"
)
_LETTER_END = re.compile(r"(?P<body>.*\d) (?P<unit>[msghL])(?:\^\{?(?P<power>[23])\}?)?")
_DEGREES_END = re.compile(
    r"(?P<body>.*[\d})])\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*(?:\\text\s*\{\s*)?(?P<scale>[CF]?)\s*\}?"
)
_MONEY = re.compile(r"(?P<sign>-?)\s*(?:\\\$|£|€|\\pounds?(?![A-Za-z])|\\text\s*\{\s*\\?\$\s*\})\s*(?P<body>.+)")


def split_unit(text: str) -> Quantity:
    """Take the unit off `text`, which is in the plain LaTeX of rewrite.py."""
    unit: Unit | None = None
    if money := _MONEY.fullmatch(text):
        text, unit = money["sign"] + money["body"], _UNITS["dollar"]
    if degrees := _DEGREES_END.fullmatch(text):
        scale = {"C": "celsius", "F": "fahrenheit", "": "degree"}[degrees["scale"]]
        return Quantity(degrees["body"].strip(), _UNITS[scale])
    for pattern in (_TEXT_END, _WORD_END):
        found = pattern.fullmatch(text)
        if found and found["body"].strip():
            words = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1 ", found["unit"]).strip()
            quantity = _quantity(found["body"].strip(), words, int(found["power"] or 1), in_text=pattern is _TEXT_END)
            if quantity is not None:
                return Quantity(quantity.body, quantity.unit or unit)
    return Quantity(text, unit)


def _quantity(body: str, words: str, power: int, *, in_text: bool) -> Quantity | None:
    """Return the quantity `body` `words`, or None when the words are no unit of it."""
    first, _, rest = words.partition(" ")
    if first.lower().rstrip("s") in _SCALES and is_numeric(body):
        scaled = scale(body, Fraction(_SCALES[first.lower().rstrip("s")]))
        return (_quantity(scaled, rest, power, in_text=in_text) if rest else None) or Quantity(scaled, None)
    unit = parse_unit(words, power)
    if not re.search(r"[\w})!%]$", body):
        return None  # an operator stands before the words
    if unit is not None and (in_text or is_numeric(body)):
        return Quantity(body, unit)
    if (
        is_numeric(body)
        and not _NOT_UNITS.search(words)
        and (in_text or words.lower() in ("units", "square units", "cubic units", "unit"))
    ):
        return Quantity(body, None)
    return None


def bare_letter(text: str) -> str | None:
    """Return the number of ``5 m`` when a one-letter unit stands bare after it, else None.

    Such a letter is a unit only where the other side is a plain number; the caller knows.
    """
    found = _LETTER_END.fullmatch(text)
    return found["body"].strip() if found and is_numeric(found["body"]) else None


def scale(body: str, factor: Fraction) -> str:
    """Return `body` times `factor`: exactly when it is a plain decimal, else as a product in LaTeX."""
    if factor == 1:
        return body
    if re.fullmatch(r"-?\d+(?:\.\d+)?", body):
        value = Fraction(body) * factor
        if value.denominator == 1:
            return str(value.numerator)
        sign = "-" if value < 0 else ""
        return f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    return f"({body}) \\cdot \\frac{{{factor.numerator}}}{{{factor.denominator}}}"


def to_common_unit(gold: Quantity, answer: Quantity) -> tuple[str, str] | None:
    """Return the two bodies in one unit, or None when the units are of different dimensions."""
    if gold.unit is None or answer.unit is None or gold.unit == answer.unit:
        return gold.body, answer.body
    if gold.unit.dimension != answer.unit.dimension:
        return None
    return gold.body, scale(answer.body, answer.unit.factor / gold.unit.factor)
