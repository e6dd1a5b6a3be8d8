"""The rules around math-verify: rewriting, units, decisions on pairs, second looks, and the second opinion."""

from __future__ import annotations

from fractions import Fraction

import pytest
from grading_inputs import GOLDS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from piretry.verifiers import units
from piretry.verifiers.base import Verdict
from piretry.verifiers.pairs import Pair, based_digits, prepare, ratio_terms
from piretry.verifiers.rewrite import Unreadable, brackets, inner, letters, rewrite, top_level, typeset
from piretry.verifiers.second import normalise, number, second_opinion
from piretry.verifiers.shapes import as_interval

_ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="0123456789{}()[]\\^_,.;:=<>+-*/! %$abex\n", max_size=60),
    st.lists(
        st.sampled_from(
            [
                r"\frac",
                r"\sqrt",
                r"\text{",
                "{",
                "}",
                "1",
                "x",
                " ",
                r"\pm",
                r"\left(",
                r"\right)",
                ",",
                "^",
                "_",
                r"\%",
                ":",
            ]
        ),
        max_size=30,
    ).map("".join),
)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("5.", "5"),
        ("$5$", "5"),
        (r"\( 5 \)", "5"),
        (r"\displaystyle {5}", "5"),
        (r"= 5", "5"),
        (r"\left( 1 , 2 \right)", "( 1 , 2 )"),
        (r"\dfrac12", r"\frac{1}{2}"),
        (r"\frac\pi 2", r"\frac{\pi}{2}"),
        (r"\sqrt2x", r"\sqrt{2}x"),
        (r"\sqrt[3]8", r"\sqrt[3]{8}"),
        (r"\sqrt(2)", r"\sqrt{2}"),
        (r"10,\!080", "10080"),
        (r"10\,080", "10080"),
        ("10{,}080", "10080"),
        ("1{,}5", "1.5"),
        ("58,500", "58500"),
        ("(1,234)", "(1,234)"),
        ("1, 234", "1, 234"),
        (r"0.1\overline{6}", r"\frac{1}{6}"),
        (r"0.333\ldots", r"\frac{1}{3}"),
        ("1.2e3", r"1.2 \times 10^{3}"),
        ("2 1/2", r"(2+\frac{1}{2})"),
        ("3(4)", r"3 \cdot (4)"),
        (r"\log_2(8)", r"\log_2(8)"),
        (r"\sin^2(y)", r"\sin^2(y)"),
        (r"\sin 30^\circ", r"\sin (\frac{30\pi}{180})"),
        (r"12^{\text{th}}", "12"),
        (r"\text{seven}", "7"),
        ("5 = x", "x=5"),
        (r"-2 \\le x", r"-2 \le x"),
        (r"\mathrm{e}", "e"),
        (r"{\rm cm}", r"\text{cm}"),
        ("x²", "x^2"),
        ("\x005\ud800", "5\ufffd"),
    ],
)
def test_an_answer_in_plain_latex(text: str, plain: str) -> None:
    assert rewrite(text).replace("  ", " ") == plain


@pytest.mark.parametrize("text", [r"3 \quad 4", "3 4", r"5\ 6", "1 .5", "x = 3 4"])
def test_neighbouring_numbers_are_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        rewrite(text)


@given(_ANY_TEXT)
@example("\\")
@example("\\\\")
@example("{" * 50)
@settings(max_examples=400, deadline=None)
def test_every_text_can_be_prepared(text: str) -> None:
    """Neither rewriting nor the rules fail on any text, and an answer that is its reference is never called
    wrong.
    """
    try:
        plain = rewrite(text)
    except Unreadable:
        return
    assert isinstance(typeset(plain), str) and isinstance(letters(plain), set)
    assert sum(map(len, top_level(plain))) <= len(plain)
    assert inner(plain) in plain and brackets(plain) in ("", "()", "[]", "{}", "(]", "[)")
    assert prepare(text, text, lambda gold, answer: Verdict.wrong) is Verdict.correct
    for gold in GOLDS:
        assert isinstance(prepare(gold, text, lambda one, other: Verdict.wrong), Verdict | Pair)


@pytest.mark.parametrize(
    ("text", "body", "unit"),
    [
        (r"5\text{ cm}", "5", units.Unit("length", Fraction(1, 100))),
        (r"5\text{ cm}^2", "5", units.Unit("length^2", Fraction(1, 10000))),
        (r"5 \text{ square feet}", "5", units.Unit("length^2", Fraction(3048, 10000) ** 2)),
        ("5 miles per hour", "5", units.Unit("length/time", Fraction(1609344, 3600000))),
        (r"\$5", "5", units.Unit("money", Fraction(1))),
        (r"5^\circ", "5", units.Unit("angle", Fraction(1))),
        (r"5 \text{ apples}", "5", None),
        (r"5 \text{ million}", "5000000", None),
        (r"2.5 \text{ million dollars}", "2500000", units.Unit("money", Fraction(1))),
        (r"5 \text{ or more}", r"5 \text{ or more}", None),
        (r"n \text{ even}", r"n \text{ even}", None),
        (r"\text{Evelyn}", r"\text{Evelyn}", None),
        ("5m", "5m", None),
        (r"\sin^2 t", r"\sin^2 t", None),
    ],
)
def test_a_quantity_and_its_unit(text: str, body: str, unit: units.Unit | None) -> None:
    assert units.split_unit(rewrite(text)) == units.Quantity(body, unit)


def test_numerals_ratios_and_intervals() -> None:
    assert based_digits("204_5") == ("204", 5) and based_digits("204_{10}") == ("204", 10)
    assert based_digits("x_5") is None and based_digits("204_1") is None and based_digits("204") is None
    assert ratio_terms("S_1:S = 7:32") == ["7", "32"] and ratio_terms(r"\{x : x > 0\}") is None
    assert as_interval(r"x \ge 2") == r"[2,\infty)" and as_interval("1 < x \\le 3") == "(1,3]"
    assert as_interval("3 > x > 1") == "(1,3)" and as_interval("2 < x") == r"(2,\infty)"
    assert as_interval(r"x < 1 \text{ or } x > 3") == r"(-\infty,1) \cup (3,\infty)"
    assert as_interval("x^2 < 4") is None and as_interval("x < y") is None and as_interval("5") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", Fraction(1234)),
        ("-.5", Fraction(-1, 2)),
        (r"-\frac{3}{4}", Fraction(-3, 4)),
        (r"2\frac{1}{2}", Fraction(5, 2)),
        ("3/4", Fraction(3, 4)),
        ("2^{10}", Fraction(1024)),
        (r"10\%", Fraction(10)),
        (r"\frac{1}{0}", None),
        ("9" * 5000, None),
        ("2^{999}", None),
        ("x", None),
        ("", None),
        (".", None),
        ("-", None),
    ],
)
def test_the_second_opinion_reads_rational_numbers(text: str, value: Fraction | None) -> None:
    assert number(normalise(text)) == value


@pytest.mark.parametrize(
    ("gold", "answer", "verdict"),
    [
        (r"\frac{1}{2}", "0.5", Verdict.correct),
        ("1, 2", "2, 1", Verdict.correct),
        ("(1, 2)", "(2, 1)", Verdict.wrong),
        ("1, 1, 2", "1, 2, 2", Verdict.wrong),
        (r"\text{Evelyn}", "evelyn", Verdict.correct),
        ("p", "P", Verdict.wrong),
        (r"\text{(B)}", "B", Verdict.correct),
        ("5", None, Verdict.no_answer),
        ("", "5", Verdict.gold_unparseable),
        ("5", "5" * 10**6, Verdict.wrong),
    ],
)
def test_the_second_opinion(gold: str, answer: str | None, verdict: Verdict) -> None:
    assert second_opinion(gold, answer) is verdict


@given(_ANY_TEXT, _ANY_TEXT)
@settings(max_examples=400, deadline=None)
def test_the_second_opinion_is_symmetric_and_never_fails(one: str, other: str) -> None:
    if normalise(one) and normalise(other):
        assert second_opinion(one, other) is second_opinion(other, one)
        assert second_opinion(one, one) is Verdict.correct
