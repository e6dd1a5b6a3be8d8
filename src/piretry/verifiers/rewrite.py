r"""Rewrite an answer into the plain LaTeX that math-verify reads without guessing.

Every rule here is applied to the reference and to the answer alike and keeps the meaning of what it rewrites.
The rules exist because latex2sympy would otherwise fail (``0.\overline{3}``, ``5.``, ``\varnothing``) or,
worse, read something else: it takes ``2 1/2`` for 3/2, ``10\,080`` for 90 and ``3 \quad 4`` for 7.

All patterns are linear, and the text is short (the caller refuses long answers).
"""

from __future__ import annotations

import re
from fractions import Fraction

_CHARACTERS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "‐": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ",
        "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "∞": r"\infty ", "π": r"\pi ",
        "√": r"\sqrt ", "°": r"^\circ ", "²": "^2", "³": "^3", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "∪": r"\cup ", "∩": r"\cap ",
        "∅": r"\emptyset ", "∈": r"\in ", "θ": r"\theta ", "（": "(", "）": ")", "，": ",", "％": "%", "：": ":",
        "…": r"\ldots ", "’": "'", "′": "'",
    }
)  # fmt: skip
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\xa0\u2000-\u200f\u2028-\u202f\ufeff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")

_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.S)
#: commands with another spelling, or that only change the looks of what follows
_COMMANDS = {
    "dfrac": r"\frac", "tfrac": r"\frac", "cfrac": r"\frac", "dbinom": r"\binom", "tbinom": r"\binom",
    "varnothing": r"\emptyset ", "leqslant": r"\le ", "geqslant": r"\ge ", "lt": "<", "gt": ">", "leq": r"\le ",
    "geq": r"\ge ", "neq": r"\ne ", "lbrace": r"\{", "rbrace": r"\}", "lbrack": "[", "rbrack": "]", "lparen": "(",
    "rparen": ")", "langle": "(", "rangle": ")", "degree": r"^\circ ", "textdegree": r"^\circ ", "dots": r"\ldots ",
    "cdots": r"\ldots ", "dotsc": r"\ldots ", "mbox": r"\text", "textrm": r"\text", "textnormal": r"\text",
    "textup": r"\text", "textbf": r"\text", "textit": r"\text", "textsf": r"\text", "hbox": r"\text",
    "mathrm": r"\text", "mathsf": r"\text", "boldsymbol": "", "bm": "", "pmb": "", "left": "", "right": "",
    "middle": "", "big": "", "Big": "", "bigg": "", "Bigg": "", "bigl": "", "bigr": "", "Bigl": "", "Bigr": "",
    "displaystyle": "", "textstyle": "", "scriptstyle": "", "limits": "", "nolimits": "", "large": "", "Large": "",
    "LARGE": "", "huge": "", "Huge": "", "normalsize": "", "small": "", "bf": "", "it": "", "mathstrut": "",
    "quad": " ", "qquad": " ", "enspace": " ", "thinspace": " ", "nobreakspace": " ", "space": " ", "$": r"\$",
    ",": " ", ";": " ", ":": " ", ">": " ", "!": "", " ": " ", "/": "", "(": "", ")": "", "[": "", "]": "",
    "textdollar": r"\$", "percent": r"\%",
}  # fmt: skip
_INVISIBLE = re.compile(r"\\(?:[hv]?phantom|hspace|vspace|tag|label|color)\*?\s*(?:\{[^{}]*\}|(?=[-+\d]))")
_TEXTCOLOR = re.compile(r"\\textcolor\s*\{[^{}]*\}")
_ROMAN = re.compile(r"\{\s*\\rm(?![A-Za-z])\s*([^{}]*)\}")
_LEFT_DOT = re.compile(r"\\(?:left|right)\s*\.")
_DOLLAR = re.compile(r"(?<!\\)\$")  # a delimiter; ``\$`` is money
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z])")  # a command escaped twice; in a matrix it is a new row
_MARKED_GROUP = re.compile(r"(?<=\d)(?:,\\!\s*|\{,\}\s*|\\,)(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<=\d)\{,\}(?=\d)")
_ONE_LETTER = re.compile(r"\\text\s*\{\s*([eid])\s*\}")
_TEXT_NUMBER = re.compile(r"\\(?:text|mathbf)\s*\{\s*(-?\d[\d.,/]*)\s*\}")
_TEXT_QUANTITY = re.compile(r"\\text\s*\{\s*((?:-|\\\$)?\d[\d.,/:]*)\s*([A-Za-z./ ]*)\}")
_ORDINAL = re.compile(r"(?<=\d) ?\^? ?\{? ?(?:\\text\s*\{\s*)?(?:st|nd|rd|th)(?![A-Za-z])\s*\}?\s*\}?$")
_ANSWER_WORD = re.compile(r"\\text\s*\{\s*(?:(?:the|final|approximately|approx|about|answer|is)\b[\s.:]*)+\}\s*", re.I)
_CHOOSE = re.compile(r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}|^ ?(\w+) ?\\choose (\w+) ?$")
_GROUPED = re.compile(r"(?<![\d.,\\])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_IN_BRACES = re.compile(r"(?<!\\)\{-?[1-9]\d{0,2}(?:,\d{3})+\}")
_SPACED = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?: \d{3})+(?!\d)")
_REPEATING = re.compile(r"(?<![\d.])(\d*)\.(\d*)(?:\\overline|\\bar|\\dot)\s*(?:\{(\d+)\}|(\d))(?![\d.])")
_RUN = re.compile(r"(?<![\d.])(\d*)\.(\d*?)(\d)\3{2,}\s*(?:\\ldots|\.\.\.)")
_SCIENTIFIC = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([+-]?\d{1,4})(?![\w.])")
_MIXED = re.compile(r"(?<![\d./^_{,])(\d+) (\d+) ?/ ?(\d+)(?![\d/.])")
_NEIGHBOURS = re.compile(r"(?<![_^\d])\d+ \.?\d")
#: latex2sympy takes any whole number before a fraction or another number for a mixed number: ``2(42)`` is 44
#: there
_PRODUCTS = (
    re.compile(r"((?<![\w\\^])\d+(?:\.\d+)?|\)) ?(?=\()"),
    re.compile(r"(\)) ?(?=\d|\\(?:frac|binom))"),
    re.compile(r"([\d}]) ?(?=\\binom)"),
    re.compile(r"(\\binom\{[^{}]*\}\{[^{}]*\}) ?(?=[\d(]|\\frac)"),
)
_DOTS = re.compile(r"\\ldots(?![A-Za-z]) ?")
_TRIG = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?) ?\^ ?(?:\{ ?\\circ ?\}|\\circ(?![A-Za-z]))")
_BARE_PERCENT = re.compile(r"(?<!\\)%")
_PERCENT_WORD = re.compile(r"(?<=[\d}]) ?(?:\\text\s*\{\s*(?:percent|pct)\.?\s*\}|percent|pct)\s*$", re.I)
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
)
_NUMBER_WORD = re.compile(r"(?:\\text\s*\{\s*)?([A-Za-z]+)\s*\}?")
_REVERSED = re.compile(r"(-?[\d.]+) ?= ?([A-Za-z])")


class Unreadable(ValueError):
    """The text has no single meaning as mathematics, and math-verify would guess one."""


def rewrite(text: str) -> str:
    r"""Return `text` in plain LaTeX; raise Unreadable for neighbouring numbers such as ``3 \quad 4``."""
    text = _SURROGATE.sub("\ufffd", text).translate(_CHARACTERS)
    text = _UNPRINTABLE.sub(" ", text).replace("~", " ").replace("...", r"\ldots ")
    text = _DOLLAR.sub("", text)
    if "\\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    text = _MARKED_GROUP.sub("", text)
    text = _DECIMAL_COMMA.sub(".", text)
    text = _LEFT_DOT.sub("", _ROMAN.sub(r"\\text{\1}", _TEXTCOLOR.sub("", _INVISIBLE.sub("", text))))
    text = _COMMAND.sub(_respell, text)
    text = _strip_ends(" ".join(text.split()))
    text = _ONE_LETTER.sub(r"\1", _TEXT_NUMBER.sub(r"\1", text))
    if quantity := _TEXT_QUANTITY.fullmatch(text):
        text = f"{quantity[1]} \\text{{{quantity[2]}}}" if quantity[2].strip() else quantity[1]
    if (word := _NUMBER_WORD.fullmatch(text)) and word[1].lower() in _WORDS:
        text = str(_WORDS.index(word[1].lower()))
    text = _CHOOSE.sub(
        lambda found: rf"\binom{{{found[1] or found[3]}}}{{{found[2] or found[4]}}}", _brace_arguments(text)
    )
    text = _PERCENT_WORD.sub(r"\\%", _BARE_PERCENT.sub(r"\\%", text))
    text = _numbers(_ORDINAL.sub("", text))
    if swapped := _REVERSED.fullmatch(text):
        text = f"{swapped[2]}={swapped[1]}"
    return text


def _respell(command: re.Match[str]) -> str:
    """Replace one command by its plain spelling; a spelling that was swallowed must not glue two words."""
    name = command[1]
    return _COMMANDS.get(name, command[0])


def _strip_ends(text: str) -> str:
    """Drop what frames an answer without being part of it: full stops, commas, ``=``, words such as "about"."""
    previous = None
    while text != previous:
        previous = text
        text = text.strip().strip("*").strip()
        text = _ANSWER_WORD.sub("", text, count=1) if text.startswith("\\text") else text
        text = text.removeprefix("=").removeprefix(r"\approx").removeprefix(r"\therefore").lstrip()
        while text.endswith((".", ",", ";", ":", "\\\\", " ")) or (text.endswith("\\") and not text.endswith("\\\\")):
            text = text[:-1] if not text.endswith("\\\\") else text[:-2]
        if text.startswith("{") and _closing(text, 0) == len(text) - 1:
            text = text[1:-1]
    return text


def _closing(text: str, start: int) -> int:
    """Return the index of the brace that closes the one at `start`, or -1."""
    depth, position = 0, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1


def _brace_arguments(text: str) -> str:
    r"""Put braces around the arguments of ``\frac``, ``\binom`` and ``\sqrt``: ``\frac\pi 2``, ``\sqrt2``."""
    for match in reversed(list(re.finditer(r"\\(frac|binom|sqrt)(?![A-Za-z])", text))):
        position, arguments = match.end(), ""
        if match[1] == "sqrt" and (option := re.compile(r"\s*\[[^\[\]]*\]").match(text, position)):
            arguments, position = option[0].strip(), option.end()
        for _ in range(1 if match[1] == "sqrt" else 2):
            taken = _argument(text, position)
            if taken is None:
                break
            arguments, position = f"{arguments}{{{taken[0]}}}", taken[1]
        else:
            tail = text[position:]
            text = f"{text[: match.end()]}{arguments}{tail}"
    return text


def _argument(text: str, position: int) -> tuple[str, int] | None:
    """Return the argument that starts at `position` without its braces, and where it ends."""
    while position < len(text) and text[position] == " ":
        position += 1
    if position >= len(text) or text[position] in "}^_&":
        return None
    if text[position] == "{":
        end = _closing(text, position)
        return (text[position + 1 : end], end + 1) if end > 0 else None
    if text[position] == "\\":
        command = _COMMAND.match(text, position)
        return (command[0], command.end()) if command else None
    if text[position] == "(" and ")" in text[position:]:
        end = text.index(")", position)
        inner = text[position + 1 : end]
        if "(" not in inner and "," not in inner:
            return inner, end + 1
    return text[position], position + 1


def _numbers(text: str) -> str:
    """Rewrite the notations of numbers that latex2sympy misreads."""
    text = _IN_BRACES.sub(lambda found: found[0].replace(",", ""), text)
    if "," in text and not re.search(r"[()\[\]]|\\\{", text) and "," not in _GROUPED.sub("", text):
        text = text.replace(",", "")
    text = _SPACED.sub(lambda found: found[0].replace(" ", ""), text)
    text = _RUN.sub(lambda found: _periodic(found[1], found[2], found[3]), text)
    text = _REPEATING.sub(lambda found: _periodic(found[1], found[2], found[3] or found[4]), text)
    text = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", text)
    text = _MIXED.sub(r"(\1+\\frac{\2}{\3})", text)
    if _TRIG.search(text):
        text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    for product in _PRODUCTS:
        text = product.sub(r"\1 \\cdot ", text)
    text = _DOTS.sub(r"\\text{dots}", text)
    if _NEIGHBOURS.search(_TEXT_GROUP.sub("", text)):
        raise Unreadable("two numbers stand side by side without an operator")
    return text


def _periodic(whole: str, start: str, period: str) -> str:
    r"""Return the repeating decimal ``whole.start period period ...`` as ``\frac{p}{q}``."""
    value = Fraction(int(whole + start or "0")) + Fraction(int(period), 10 ** len(period) - 1)
    value /= 10 ** len(start)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


_RATIONAL = re.compile(
    r"(?P<sign>[-+]?) ?(?:(?P<decimal>\d{1,400}(?:\.\d{1,400})?)"
    r"|\(?(?P<whole>\d{1,400}) ?\+? ?\\frac\{ ?(?P<part>\d{1,400}) ?\}\{ ?(?P<of>\d{1,400}) ?\}\)?"
    r"|\\frac\{ ?(?P<above>-?\d{1,400}) ?\}\{ ?(?P<below>-?\d{1,400}) ?\}"
    r"|(?P<over>\d{1,400}) ?/ ?(?P<under>\d{1,400}))",
    re.ASCII,
)


def rational(text: str) -> Fraction | None:
    r"""Return the number that `text`, in plain LaTeX, writes (``-3``, ``0.5``, ``1/2``, ``2\frac{1}{2}``), or None."""
    found = _RATIONAL.fullmatch(text)
    if not found or text.count("(") != text.count(")"):
        return None
    below = int(found["of"] or found["below"] or found["under"] or 1)
    if below == 0:
        return None
    if found["decimal"]:
        value = Fraction(found["decimal"])
    elif found["whole"]:
        value = int(found["whole"]) + Fraction(int(found["part"]), below)
    else:
        value = Fraction(int(found["above"] or found["over"]), below)
    return -value if found["sign"] == "-" else value


_TEXT_GROUP = re.compile(r"\\(?:text|operatorname|mathbf|mathit)\s*\{([^{}]*)\}")
_LOOSE_SPACE = re.compile(r"(?<!\d) | (?!\d)")
_SINGLE = re.compile(r"(?<=[\^_])\{([A-Za-z0-9])\}")


def typeset(text: str) -> str:
    """Return what is seen of `text`: without text groups and without spaces that separate nothing.

    Two answers with the same typeset form are the same answer. A space between two digits is kept.
    """
    return _SINGLE.sub(r"\1", _LOOSE_SPACE.sub("", _TEXT_GROUP.sub(r"\1", text)))


_OUTSIDE = re.compile(r"\\(?:text|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+|\\.")


def letters(text: str) -> set[str]:
    """Return the single letters of `text` that stand outside commands and text: its variables."""
    return set(re.findall(r"[A-Za-z]", _OUTSIDE.sub(" ", text)))


_VARIABLE = re.compile(
    r"\\(?:text|math|operatorname|alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|"
    r"sigma|tau|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega)"
)


def is_numeric(text: str) -> bool:
    """Whether `text` has a digit and no variable (the constants e and pi are no variables)."""
    return bool(re.search(r"\d|\\pi|\\infty", text)) and not letters(text) - {"e"} and not _VARIABLE.search(text)


def top_level(text: str, separators: str = ",;") -> list[str]:
    """Split `text` at each of `separators` that stands outside all brackets; the parts are stripped."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        if character == "\\" and text[position + 1 : position + 2] not in "{}":
            position += 2
            continue
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in separators and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    parts.append(text[start:].strip())
    return parts


def brackets(text: str) -> str:
    r"""Return the kind of brackets around the whole of `text`, one of ``()``, ``[]``, ``{}``, ``(]``, ``[)``,
    or "".
    """
    opening, body, closing = text[:1], text[1:-1], text[-1:]
    if text.startswith(r"\{") and text.endswith(r"\}"):
        opening, body, closing = "{", text[2:-2], "}"
    elif opening not in "([" or closing not in ")]" or not opening:
        return ""
    depth = 0
    for character in body:
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return ""
    return opening + closing


def inner(text: str) -> str:
    """Return `text` without the brackets around the whole of it, if there are any."""
    kind = brackets(text)
    return text[2:-2] if kind == "{}" else text[1:-1] if kind else text
