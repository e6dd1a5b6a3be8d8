"""One test of a claim, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from piretry.report.numbers import estimate, number, p_value, with_unit
from piretry.report.parts.verdicts import Badge, badge


@dataclass(frozen=True)
class TestView:
    """One test of a claim, as text."""

    kind: str
    label: str
    rule: str
    estimate: str
    pairs: list[tuple[str, str]]
    p_value: str
    p_fail: str
    p_holm: str
    badge: Badge
    reason: str


def _rule(test: Mapping[str, Any], reading: str) -> str:
    """When a test passes, in a few words; docs/statistics.md has the whole rule."""
    unit = test["unit"]

    def said(key: str) -> str:
        return with_unit(test.get(key), unit).lstrip("+")

    if reading == "direction" and test["test"] == "value":
        return f"it has the sign of the published {with_unit(test['published'], unit)}"
    if reading == "direction" and test["test"] == "ratio":
        return "the first gain is the greater"
    return {
        "value": f"it is within {said('tolerance')} of {with_unit(test.get('published'), unit)}",
        "sign": "the first is the greater",
        "ratio": f"it is within a factor of {number(test.get('factor'))} of {said('published')}",
        "equivalence": f"every difference is within ± {said('margin')}",
        "above": f"it is above {said('threshold')}",
        "trend": "the share rises with the index",
        "count": "the counts agree",
    }.get(test["test"], "")


def test_view(test: Mapping[str, Any], reading: str) -> TestView:
    """The view of a result of a test."""
    unit = test["unit"]
    return TestView(
        kind=test["test"],
        label=test["label"],
        rule=_rule(test, reading),
        estimate=estimate(test.get("estimate"), unit),
        pairs=[(pair["label"], estimate(pair, unit)) for pair in test.get("pairs") or ()],
        p_value=p_value(test.get("p_value")),
        p_fail=p_value(test.get("p_fail")),
        p_holm=p_value(test.get("p_holm")),
        badge=badge(test["verdict"]),
        reason=test.get("reason") or "",
    )
