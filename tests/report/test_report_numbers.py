"""How numbers and untrusted texts are written."""

from __future__ import annotations

import pytest

from piretry.report import numbers


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (8.06, "pp", "+8.1 pp"),
        (-1.2, "pp", "−1.2 pp"),
        (-0.04, "pp", "0.0 pp"),
        (0, "pp", "0.0 pp"),
        (68.25, "%", "68.2%"),
        (7, "x", "7.0×"),
        (12345.6, "per 1,000", "12,345.6 per 1,000"),
        (10000.0, "problems", "10,000 problems"),
        (-3.25, "pp per retry index", "−3.2 pp per retry index"),
        (None, "pp", "–"),
    ],
)
def test_values_with_units(value: float | None, unit: str, text: str) -> None:
    assert numbers.with_unit(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(-1.0, 2.55, "[−1.0, +2.5]"), (None, 3.0, "[−∞, +3.0]"), (3.0, None, "[+3.0, ∞]"), (None, None, "")],
)
def test_intervals(low: float | None, high: float | None, text: str) -> None:
    assert numbers.interval(low, high, "pp") == text


def test_small_forms() -> None:
    assert [numbers.p_value(p) for p in (None, 0.0002, 0.0127, 1.0)] == ["–", "< 0.001", "0.013", "1.000"]
    assert [numbers.p_text(p) for p in (None, 0.0002, 0.0127)] == ["", "p < 0.001", "p = 0.013"]
    assert [numbers.duration(s) for s in (4.25, 200, 7500)] == ["4.2 s", "3 min 20 s", "2 h 05 min"]
    assert [numbers.size(b) for b in (812, 34_100, 1_400_000)] == ["812 B", "34.1 kB", "1.4 MB"]
    assert numbers.percent(1, 8) == "12.5%" and numbers.percent(1, 0) == "–"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c" and numbers.listed([]) == ""
    assert numbers.moment("2026-01-31T14:05:09.123456+00:00") == "2026-01-31 14:05:09 UTC"


def test_sentences_of_the_judge_get_the_signs_of_print() -> None:
    text = "it is -1.2 pp [-3.4, +0.5] (3 seeds x 60 problems), +-3 pp; small/k3-x, k5 - k3, p = 8.9e-07, s1e5"
    shown = "it is −1.2 pp [−3.4, +0.5] (3 seeds × 60 problems), ±3 pp; small/k3-x, k5 - k3, p = 8.9 × 10⁻⁷, s1e5"
    assert numbers.prose(text) == shown


def test_untrusted_text_hides_nothing() -> None:
    shown = numbers.untrusted("a\x00b\x1b[31m\x7f\u202ec\u2066\u200b\ud800\r\nd\te")
    assert shown == "a\u2400b\u241b[31m⟨U+007F⟩⟨U+202E⟩c⟨U+2066⟩⟨U+200B⟩\ufffd\nd\te"
    shown.encode("utf-8")


def test_long_text_is_cut_and_says_so() -> None:
    assert numbers.untrusted("x" * 1_000_000, 10) == "x" * 10 + " … (999,990 more characters)"
