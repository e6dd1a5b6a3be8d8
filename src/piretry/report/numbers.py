"""How the report writes numbers, and how it tames text that a model or a dataset wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

MINUS = "−"
NOTHING = "–"
_COUNTED = ("", "problems", "pairs", "count")
_UNIT_SUFFIX = {"pp": " pp", "%": "%", "x": "×", "×": "×", "per 1,000": " per 1,000"}
# Characters that reorder or hide what stands around them: shown by their code point instead.
_INVISIBLE = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def number(value: float | None, unit: str = "", digits: int | None = None) -> str:
    """`value` in its unit, without the unit's name: pp signed with one decimal, counts without decimals.

    A missing value is an en dash; minus is the real minus sign; thousands are set apart by commas.
    """
    if value is None:
        return NOTHING
    if digits is None:
        digits = 0 if unit in _COUNTED and float(value).is_integer() else 1
    text = f"{value:+,.{digits}f}" if unit.startswith("pp") else f"{value:,.{digits}f}"
    if not text.strip("+-0.,"):  # a zero has no sign
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def with_unit(value: float | None, unit: str = "") -> str:
    """`value` followed by its unit: ``+8.1 pp``, ``68.0%``, ``7.0×``."""
    if value is None:
        return NOTHING
    return number(value, unit) + _UNIT_SUFFIX.get(unit, f" {unit}" if unit else "")


def interval(low: float | None, high: float | None, unit: str = "") -> str:
    """``[low, high]`` in the unit of the value before it; empty when there is no interval; an open end is infinite."""
    if low is None and high is None:
        return ""
    left = number(low, unit) if low is not None else f"{MINUS}∞"
    right = number(high, unit) if high is not None else "∞"
    return f"[{left}, {right}]"


def estimate(values: Mapping[str, Any] | None, unit: str = "") -> str:
    """A value with its unit and interval, from a mapping with value, low and high."""
    if not values or values.get("value") is None:
        return NOTHING
    return f"{with_unit(values['value'], unit)} {interval(values.get('low'), values.get('high'), unit)}".strip()


def p_value(value: float | None) -> str:
    """A p-value with its relation: ``0.012``, ``< 0.001``; an en dash when there is none."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_text(value: float | None) -> str:
    """``p = 0.012``, ``p < 0.001``; empty when there is none."""
    text = p_value(value)
    return "" if value is None else f"p {text}" if text.startswith("<") else f"p = {text}"


def count(value: float | None) -> str:
    """A whole number with thousands set apart."""
    return NOTHING if value is None else f"{round(value):,}".replace("-", MINUS)


def percent(part: float, whole: float, digits: int = 1) -> str:
    """`part` of `whole` in percent; an en dash when there is no whole."""
    return f"{100 * part / whole:.{digits}f}%" if whole else NOTHING


def size(octets: float) -> str:
    """A file size: ``812 B``, ``34.1 kB``, ``1.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000 or unit == "GB":
            return f"{octets:.0f} B" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """``4.2 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02d} min"


def moment(text: str) -> str:
    """An ISO time as ``2026-01-31 14:05:09 UTC``."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC")


def short(sha256: str) -> str:
    """The first 12 digits of a hash."""
    return sha256[:12]


def untrusted(text: object, limit: int = 4000) -> str:
    """Text of a model or a dataset, fit to be shown: every control, hidden or reordering character is made visible.

    The result still has to be escaped (the templates do it). Longer texts than `limit` characters are cut and say so.
    """
    raw = str(text)
    shown = raw[:limit]
    shown = _SURROGATE.sub("\ufffd", shown.replace("\r\n", "\n"))
    shown = _CONTROL.sub(lambda m: chr(0x2400 + ord(m[0])) if ord(m[0]) < 32 else f"⟨U+{ord(m[0]):04X}⟩", shown)
    shown = _INVISIBLE.sub(lambda m: f"⟨U+{ord(m[0]):04X}⟩", shown)
    return shown if len(raw) <= limit else f"{shown} … ({len(raw) - limit:,} more characters)"


def prose(text: str) -> str:
    """A sentence of the judge with the signs of print: a real minus before a number, ± for +-, × between counts."""
    text = re.sub(r"\+-(?=\s?[\d.])", "±", text)
    text = re.sub(
        r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]?)0*(\d+)\b",
        lambda m: f"{m[1]} × 10{(m[2].strip('+') + m[3]).translate(_RAISED)}",
        text,
    )
    text = re.sub(r"(?<![\w.])-(?=\.?\d)", MINUS, text)
    return re.sub(r"(?<=seed|eeds) x (?=\d)", " × ", text)


def sentence(text: str) -> str:
    """`text` with a capital at its beginning and a full stop at its end."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def plural(amount: int, one: str, many: str | None = None) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listed(items: Iterable[object]) -> str:
    """``a, b and c``."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
