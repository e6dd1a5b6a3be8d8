"""From a chart to SVG that can stand in a page: small, without clashing ids, with a title and a text alternative."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import escape

_HEAD = re.compile(r"<svg\b[^>]*?width=\"([\d.]+)\" height=\"([\d.]+)\"[^>]*>")
_NOISE = re.compile(r' (?:aria-[a-z]+|role|pointer-events|class)="[^"]*"| opacity="1"')
_INVISIBLE = re.compile(r'<path d="[^"]*"(?: display="none")?/>|<g></g>')
_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")


def render(chart: Any, name: str, title: str, text: str) -> str:
    """`chart` (an Altair chart) as an <svg> element whose ids start with `name`.

    `title` and `text` are its accessible name and description. The roles and labels that Vega puts on single marks
    are taken out: inside an image they are never read, and they are half of the markup.
    """
    import vl_convert

    markup = str(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))  # the tests validate every chart
    head = _HEAD.match(markup)
    if head is None:
        raise ValueError(f"vl-convert drew {name} in an unknown form: {markup[:120]!r}")
    body = markup[head.end() : markup.rindex("</svg>")]
    body = _NOISE.sub("", body)
    body = _NUMBER.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), body)
    while (smaller := _INVISIBLE.sub("", body)) != body:
        body = smaller
    body = _own_ids(body, name)
    width, height = head[1], head[2]
    return (
        f'<svg class="chart" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(text)}</desc>{body}</svg>'
    )


def _own_ids(body: str, name: str) -> str:
    """Ids renamed to `name`-1, `name`-2 …: Vega counts through all charts of a process."""
    for index, old in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', body)), start=1):
        body = body.replace(f'id="{old}"', f'id="{name}-{index}"').replace(f"url(#{old})", f"url(#{name}-{index})")
    return body
