"""Folding of a problem's text: what is forgotten before two problems are compared.

One tokenizer serves every kind of overlap but `exact`. It forgets case, white space, prose punctuation,
brackets and how TeX is laid out; it keeps words, numbers, letters and operators, because they are the
problem. Brackets go with the rest: `x^{2y}` and `x^2y` fold to one, which costs a training problem at worst.
"""

from __future__ import annotations

import re
import unicodedata

# TeX that changes only how a formula looks: `\left(` and `(` are one bracket, \text{...} is its words.
_LAYOUT = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|lbrace|rbrace|(?:display|text|script)style|(?:no)?limits"
    r"|text(?:rm|bf|it|sf|tt|normal)?|emph|[mh]box|math(?:rm|bf|it|sf|bb|cal)|bold(?:symbol)?"
    r"|operatorname|rm|bf|it|cal|q?quad|[hv]space|(?:no)?indent|(?:big|med|small)skip|hfill|hline"
    r"|newline|nonumber|allowbreak)(?![A-Za-z])\*?"
    r"|\\(?:begin|end)\s*\{[A-Za-z]+\*?\}(?:\{[lcr| ]*\})?"  # environments and the columns of an array
    r"|\\\\(?:\[[^\]]*\])?|\\[^A-Za-z%]|[~$]"  # line breaks, thin spaces, \( \[ \{ \$ and dollar signs
)
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_BARE_FRACTION = re.compile(r"\\frac\s*(\d)\s*(\d)")  # TeX takes one digit where it finds no brace
_BARE_NUMERATOR = re.compile(r"\\frac\s*(\d)(?=\s*[{\\A-Za-z])")
_THOUSANDS = re.compile(r"(?<=\d)(?:,(?:\\!)?|\{,\})(?=\d{3}(?!\d))")
_HYPHEN = re.compile(r"(?<=[A-Za-z]{2})-(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])-(?=[A-Za-z]{2})|-{2,}")
_DIAGRAM = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
# A command, a number, a run of letters, an operator, a factorial, any other symbol.
_TOKEN = re.compile(
    r"\\[a-z]+|\d+(?:\.\d+)?|\.\d+|[^\W\d_]+|[-+*/=<>^_|%]|(?<=[0-9)}])!|(?<=(?<![a-z])[a-z])!"
    r"|[^\x00-\x7f\w\s]"
)
_NUMBER = re.compile(r"\.?\d")

# One spelling for each symbol: TeX has several, and some sources write Unicode.
_UNICODE = str.maketrans(
    {
        "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-",
        "→": r"\to ", "°": r"^\circ ", "∘": r"\circ ", "√": r"\sqrt ", "∞": r"\infty ", "∠": r"\angle ",
        "π": r"\pi ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "θ": r"\theta ", "λ": r"\lambda ",
        "φ": r"\phi ", "ε": r"\epsilon ", "¹": "^1", "²": "^2", "³": "^3", "⁴": "^4", "…": r"\ldots ",
        "’": "'", "‘": "'", "“": '"', "”": '"', "–": "--", "—": "--",
    }
)  # fmt: skip
_SYNONYM = {
    r"\le": r"\leq", r"\leqslant": r"\leq", r"\ge": r"\geq", r"\geqslant": r"\geq", r"\ne": r"\neq",
    r"\times": "*", r"\cdot": "*", r"\ast": "*", r"\div": "/", r"\rightarrow": r"\to",
    r"\dots": r"\ldots", r"\cdots": r"\ldots", r"\dotsb": r"\ldots", r"\dotsc": r"\ldots",
    r"\dotsm": r"\ldots", r"\dbinom": r"\binom", r"\tbinom": r"\binom", r"\choose": r"\binom",
    r"\lvert": "|", r"\rvert": "|", r"\vert": "|", r"\mid": "|", r"\lt": "<", r"\gt": ">",
    r"\degree": r"\circ", r"\varphi": r"\phi", r"\varepsilon": r"\epsilon",
}  # fmt: skip


def without_diagrams(text: str) -> str:
    """`text` without the Asymptote source of its figures: code is alike in unrelated problems."""
    return _DIAGRAM.sub(" ", text) if "[asy]" in text else text


def tokens(text: str) -> list[str]:
    """The tokens of `text` in order: TeX commands, numbers, runs of letters, operators; all lower case."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_UNICODE))
    if "-" in text:
        text = _HYPHEN.sub(" ", text)
    if "," in text:
        text = _THOUSANDS.sub("", text)
    if "\\" in text or "$" in text or "~" in text:
        text = _FRACTION.sub(r"\\frac", text)
        text = _BARE_FRACTION.sub(r"\\frac{\1}{\2}", text)
        text = _BARE_NUMERATOR.sub(r"\\frac{\1}", text)
        text = _LAYOUT.sub(" ", text)
    return [_SYNONYM.get(token, token) if token[0] == "\\" else token for token in _TOKEN.findall(text.lower())]


def words(found: list[str]) -> list[str]:
    """The tokens with a letter or digit. N-grams are over these: one formula has signs enough for many."""
    return [token for token in found if token[-1].isalnum()]


def key(found: list[str], numbers: bool = True) -> str:
    """One string for all texts that differ in what is forgotten only; without `numbers`, in these too.

    Tokens are joined without space, so that white space cannot matter; two numbers in a row stay apart.
    """
    parts: list[str] = []
    after_number = False
    for token in found:
        number = _NUMBER.match(token) is not None
        if number and after_number:
            parts.append(" ")
        parts.append(token if numbers or not number else "#")
        after_number = number
    return "".join(parts)
