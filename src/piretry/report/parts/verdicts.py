"""Verdicts as the page shows them: always a word with a sign, never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Badge:
    """A verdict: its words, a sign, and the class that colours it (agree, disagree, open or none)."""

    text: str
    sign: str
    tone: str


_KNOWN = {
    "reproduced": ("✓", "agree"),
    "same direction": ("✓", "agree"),
    "not reproduced": ("✗", "disagree"),
    "opposite direction": ("✗", "disagree"),
    "inconclusive": ("?", "open"),
    "not run": ("–", "none"),
    # negative controls
    "same": ("✓", "agree"),
    "different": ("✗", "disagree"),
    # single tests
    "passed": ("✓", "agree"),
    "failed": ("✗", "disagree"),
    "undecided": ("?", "open"),
}
# The order in which verdicts are counted, by reading.
ORDER = {
    "paper": ("reproduced", "not reproduced", "inconclusive", "not run"),
    "direction": ("same direction", "opposite direction", "inconclusive", "not run"),
}
MEANING = {
    "reproduced": "the measured value meets the published one by the rule declared before the run",
    "not reproduced": "the measured value misses the published one by that rule",
    "same direction": "the effect points the way that the FAQ says",
    "opposite direction": "the effect points the other way, or the claimed effect is absent",
    "inconclusive": "this run cannot tell; the smallest effect that it could have seen is given",
    "not run": "no cell of this claim was run; the reason is given",
}


def badge(verdict: str) -> Badge:
    """The badge of a verdict; an unknown one is shown as it is, without a judgement."""
    sign, tone = _KNOWN.get(verdict, ("?", "open"))
    return Badge(verdict, sign, tone)


def counted(verdicts: list[str], reading: str) -> list[tuple[Badge, int, str]]:
    """(badge, how many, meaning) for every verdict of this reading, and for any other that occurs."""
    names = list(dict.fromkeys((*ORDER[reading], *verdicts)))
    return [(badge(name), verdicts.count(name), MEANING.get(name, "")) for name in names]
