"""Formulas of untrusted texts: what is typeset, what stays text, and that nothing becomes markup."""

from __future__ import annotations

import pytest
from html_document import parse

from piretry.report.typeset import LONGEST, formula, typeset

pytest.importorskip("latex2mathml", reason="latex2mathml is not installed: formulas stay text")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"so $\frac{1}{2}$ it is", "<mfrac>"),
        (r"\[ \begin{pmatrix}1&2\\3&4\end{pmatrix} \]", "<mtable>"),
        (r"\(x^{2}\)", "<msup>"),
        (r"$$\sqrt[3]{x}$$", "<mroot>"),
        (r"3-8=5. \boxed{5}", "<menclose>"),
        (r"\boxed{\frac{a}{b}} at last", "<mfrac>"),
    ],
)
def test_formulas_are_typeset_with_their_source_as_text(text: str, inside: str) -> None:
    shown = typeset(text)
    assert inside in shown
    (math,) = parse(shown).all("math")
    assert math.attributes["alttext"] in text


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{1}{",  # no delimiters
        r"$\frac{1}{$",  # broken
        r"$x^2_$",
        r"$\left( x$",
        r"$\notacommand{x}$",
        r"\boxed{5",
        "it costs $5 and $6",
        "$" + "{" * 300 + "$",  # too deep for the library
        "$" + "x+" * LONGEST + "$",  # too long
        r"$\text{<b>x</b>}$",  # the library would pass the element through
        r"$\verb|<img src=x onerror=alert(1)>|$",
        r"$\text{&#x202e;}$",  # a reordering character, written as a reference
        r"$\text{<!DOCTYPE x [<!ENTITY a 'b'>]>&a;}$",
        "$a\u202eb$",
        "$a\x00b$",
    ],
)
def test_what_cannot_be_read_as_a_formula_stays_escaped_text(text: str) -> None:
    document = parse(typeset(text))
    assert not document.all()  # no element at all
    assert not any(sign in document.raw for sign in "\x00\u202e")


def test_links_styles_and_classes_are_left_out() -> None:
    for source in (r"\href{javascript:alert(1)}{x}", r"\style{position:fixed}{y}", r"\class{claim}{z}"):
        shown = formula(source)
        assert shown is not None
        for element in parse(shown).all():
            assert not {"href", "style", "class", "id"} & element.attributes.keys()


def test_long_text_is_cut_and_says_so() -> None:
    shown = typeset("a" * 5000 + r" $\frac12$", limit=1000)
    assert "<mfrac>" not in shown
    assert "… (4,010 more characters)" in shown


def test_the_same_text_is_there_around_the_formulas() -> None:
    shown = typeset("<i>one</i> $x$ two & \u200bthree")
    assert str(shown).startswith("&lt;i&gt;one&lt;/i&gt; <math")
    assert str(shown).endswith("</math> two &amp; ⟨U+200B⟩three")
