"""Printed numbers as figures: value, page and place, and what rounding leaves open about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from piretry.sources.model import Entry, Key, Page, Published, Row, decimals, exact

MINUS = "−"
PARTS = {"base": "before training", "after": "after training", "gain": "gain", "plus_minus": "±"}


@dataclass(frozen=True)
class Figure:
    """One printed number, or a statement without one: what it is, as printed, and where it stands."""

    id: str
    what: str
    text: str
    page: str
    at: str


@dataclass(frozen=True)
class Rounded:
    """A printed number: its exact decimal value and half a unit of its last decimal."""

    value: Fraction
    half: Fraction

    @classmethod
    def of(cls, text: str) -> Rounded:
        """The number that `text` prints."""
        return cls(Fraction(exact(text)), Fraction(1, 2 * 10 ** decimals(text)))

    @property
    def low(self) -> Fraction:
        """The smallest value that rounds to it (or the next below, where halves are rounded to even)."""
        return self.value - self.half

    @property
    def high(self) -> Fraction:
        """The largest value that rounds to it."""
        return self.value + self.half


def figure(published: Published, row: Row, part: str) -> Figure:
    """One number of a row."""
    page = published.page(row.page)
    text = str(getattr(row, part))
    unit = "%" if part in ("base", "after") else " pp"
    sign = "±" if part == "plus_minus" else ""
    return Figure(f"{row.id}.{part}", PARTS[part], f"{sign}{typeset(text)}{unit}", page.name, row.at)


def figures(published: Published, row: Row, parts: Iterable[str] = ("base", "after", "gain")) -> tuple[Figure, ...]:
    """The numbers of a row among `parts` that are printed."""
    return tuple(figure(published, row, part) for part in parts if getattr(row, part) is not None)


def entry_figure(published: Published, entry: Entry, what: str, text: str) -> Figure:
    """A statement, a multiple or a count as a figure."""
    page: Page = published.page(entry.page)
    return Figure(entry.id, what, text, page.name, entry.at)


def typeset(text: str) -> str:
    """A printed number with a real minus sign."""
    return text.replace("-", MINUS)


def number(value: float | Fraction | Decimal, digits: int) -> str:
    """`value` rounded to `digits` decimals, with a real minus sign; a zero has no sign."""
    text = f"{float(value):.{digits}f}"
    return (text.lstrip("-") if not text.strip("-0.") else text).replace("-", MINUS)


def interval(low: float, high: float, digits: int = 1) -> str:
    """``[low, high]``."""
    return f"[{number(low, digits)}, {number(high, digits)}]"


def row_name(published: Published, row: Row) -> str:
    """A row in a sentence: its condition, its seed and its page."""
    seed = f", seed {row.seed}" if row.seed is not None else ", mean of seeds" if row.mean_of else ""
    return f"{key_name(published, row.of)}{seed} ({published.page(row.page).name})"


def key_name(published: Published, key: Key) -> str:
    """A condition in words, as far as it is stated."""
    model = next((model.name for model in published.models if model.role == key.role), key.role or "a model")
    parts = [model]
    if key.method and key.method != "none":
        parts.append({"retry": "retry", "resample": "double-sample", "cross": "retries by a larger model"}.get(
            key.method, key.method
        ))  # fmt: skip
    if key.prompt:
        parts.append(f"{key.prompt} prompt")
    if key.tuning:
        parts.append({"full": "full fine-tuning", "lora": "LoRA"}[key.tuning])
    if key.k is not None:
        parts.append(f"K={key.k}")
    if key.samples is not None:
        parts.append(f"{key.samples} samples")
    if key.round is not None:
        parts.append(f"round {key.round}")
    if key.learning_rate is not None:
        parts.append(f"learning rate {rate(key.learning_rate)}")
    if key.verifier:
        parts.append(f"by {key.verifier}")
    if key.filter and key.filter != "binary":
        parts.append(key.filter)
    if key.iterations is not None:
        parts.append(f"{key.iterations} iterations")
    return " ".join(parts[:2]) + "".join(f", {part}" for part in parts[2:])


def rate(value: float) -> str:
    """A learning rate: ``2e-5``."""
    return f"{value:.0e}".replace("e-0", "e-")


def merged_claims(rows: Iterable[Entry]) -> tuple[str, ...]:
    """The claims of several entries, each once, in order."""
    return tuple(dict.fromkeys(claim for row in rows for claim in row.claims))
