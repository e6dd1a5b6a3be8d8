"""Formulas in texts of models and datasets as MathML: no script, no font and no network is needed to read them.

Text is untrusted, and the library that reads TeX passes markup through (``\\text{<b>}``, ``\\href{javascript:…}``). Its
output is therefore read as XML and written anew from a list of harmless elements; whatever is not on the list, is not
well-formed or is unknown TeX is shown as the text that it was.
"""

from __future__ import annotations

import functools
import re
from xml.etree import ElementTree

from markupsafe import Markup, escape

from piretry.report.numbers import untrusted

LONGEST = 400  # characters of one formula; longer ones stay text
_DELIMITED = re.compile(
    r"\$\$(?P<display>.+?)\$\$|\\\[(?P<bracket>.+?)\\\]|\\\((?P<inline>.+?)\\\)"
    r"|(?<![\\$\w])\$(?P<dollar>[^$\n]+?)(?<![\\\s])\$(?![\d$])|(?P<boxed>\\boxed\s*\{)",
    re.DOTALL,
)
_ELEMENTS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup"),
    *("munder", "mover", "munderover", "mtable", "mtr", "mtd", "menclose", "mstyle", "mpadded", "mphantom"),
}
_ATTRIBUTES = {
    *("stretchy", "mathvariant", "displaystyle", "linethickness", "fence", "separator", "accent", "columnalign"),
}
_OPERATORS = dict.fromkeys(range(0x2061, 0x2065))  # invisible operators, which MathML itself uses
_SPACE = "{http://www.w3.org/1998/Math/MathML}"


def typeset(text: object, limit: int = 4000) -> Markup:
    """`text` (untrusted) as escaped markup in which the formulas are MathML; longer than `limit` it is cut and says so.

    Formulas are ``$…$``, ``$$…$$``, ``\\(…\\)``, ``\\[…\\]`` and a bare ``\\boxed{…}``.
    """
    raw = str(text)
    shown, done, parts = raw[:limit], 0, []
    for match in _DELIMITED.finditer(shown):
        if match.start() < done:
            continue
        start, end = match.span()
        if match["boxed"]:
            end = _closing(shown, end)
            source = shown[start:end]
        else:
            source = next(part for part in match.groups() if part is not None)
        math = formula(source, display=bool(match["display"] or match["bracket"]))
        if math is not None:
            parts += [escape(untrusted(shown[done:start], limit)), math]
            done = end
    parts.append(escape(untrusted(shown[done:], limit)))
    if len(raw) > limit:
        parts.append(Markup(' <span class="cut">… ({:,} more characters)</span>').format(len(raw) - limit))
    return Markup("").join(parts)


@functools.lru_cache(maxsize=4096)
def formula(source: str, display: bool = False) -> Markup | None:
    """TeX as a <math> element, with the source as its text alternative; None when it cannot be shown as one."""
    source = source.strip()
    if not source or len(source) > LONGEST or untrusted(source) != source:
        return None
    try:
        import latex2mathml.converter

        root = ElementTree.fromstring(latex2mathml.converter.convert(source))
        body = "".join(_written(child) for child in root)
    except Exception:  # it has no common error, and deep nesting ends in RecursionError: the text is shown
        return None
    block = ' display="block"' if display else ""
    return Markup(f'<math{block} alttext="{escape(source)}">{body}</math>')


class _NotMath(ValueError):
    pass


def _written(element: ElementTree.Element) -> str:
    """`element` as markup, of listed elements and attributes alone."""
    name = element.tag.removeprefix(_SPACE)
    if name not in _ELEMENTS:
        raise _NotMath(name)
    text = element.text or ""
    # Unknown commands stay as they are; character references may have become characters that hide or reorder.
    if text.startswith("\\") or untrusted(text.translate(_OPERATORS)) != text.translate(_OPERATORS):
        raise _NotMath(text)
    attributes = "".join(
        f' {key}="{escape(value)}"' for key, value in sorted(element.attrib.items()) if key in _ATTRIBUTES
    )
    inner = escape(text) + Markup("").join(Markup(_written(child)) + escape(child.tail or "") for child in element)
    return f"<{name}{attributes}>{inner}</{name}>"


def _closing(text: str, start: int) -> int:
    """The end of the group whose brace was opened before `start`; the start itself when it is never closed."""
    depth = 1
    for place in range(start, min(len(text), start + LONGEST)):
        if text[place] == "\\":
            continue
        if text[place] == "{" and text[place - 1] != "\\":
            depth += 1
        elif text[place] == "}" and text[place - 1] != "\\":
            depth -= 1
            if depth == 0:
                return place + 1
    return start
