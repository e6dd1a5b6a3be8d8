"""The chain of a number as a picture: one row for each place, a dot in the column of its level, lines to what it was
made from. It grows downwards, so that it can be read in a drawer and on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from piretry.report.parts.chain import Spot

_ROW, _COLUMN, _EDGE = 20, 15, 9
_LETTER = 6.6  # pixels of a letter of the monospaced face at 11 px, with a little room
MOST = 12  # places of one level that are drawn; the list beside the picture has them all


def chain_graph(spots: Sequence[Spot]) -> Markup:
    """`spots` as an <svg>, or nothing where there is no chain. The list beside it holds the same as text."""
    levels: dict[str, list[Spot]] = {}
    for spot in spots:
        levels.setdefault(spot.level, []).append(spot)
    if len(levels) < 2:
        return Markup("")
    places: dict[str, tuple[float, float]] = {}
    texts: list[Markup] = []
    width, row = 0.0, 0
    for column, (level, found) in enumerate(levels.items()):
        # Lines come from above and from the left: to the right of its dot a row is free.
        left = _EDGE + column * _COLUMN + 12
        more = [f"and {len(found) - MOST:,} more"] if len(found) > MOST else []
        places |= {spot.id: (left - 12, _at(row + 1 + place)) for place, spot in enumerate(found[:MOST])}
        for place, text in enumerate([level, *(spot.text for spot in found[:MOST]), *more]):
            kind = Markup("") if place else Markup(' class="g-level"')
            texts.append(Markup('<text{} x="{}" y="{:g}">{}</text>').format(kind, left, _at(row) + 4, text))
            width = max(width, left + len(text) * _LETTER)
            row += 1
    lines = [_line(places[s.id], places[to]) for s in spots for to in s.made_from if s.id in places and to in places]
    dots = [Markup('<circle cx="{:g}" cy="{:g}" r="4"/>').format(*place) for place in places.values()]
    height = row * _ROW
    said = f"Graph of the chain, {len(spots)} places in {len(levels)} levels; the list below names the same artifacts"
    return Markup(
        '<svg class="chain-graph" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-label="{said}">'
        "{lines}{dots}{texts}</svg>"
    ).format(
        w=round(width) + 4,
        h=height,
        said=said,
        lines=Markup("").join(lines),
        dots=Markup("").join(dots),
        texts=Markup("").join(texts),
    )


def _at(row: int) -> float:
    return row * _ROW + _ROW / 2


def _line(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    """A curve that leaves downwards and arrives from above."""
    (x1, y1), (x2, y2) = start, end
    if x1 == x2:  # within a level, e.g. a shard and its whole: bow out to the left
        return Markup('<path d="M{:g} {:g}q-7 {:g} 0 {:g}"/>').format(x1, y1, (y2 - y1) / 2, y2 - y1)
    return Markup('<path d="M{x1:g} {y1:g}C{x1:g} {y2:g} {x1:g} {y2:g} {x2:g} {y2:g}"/>').format(
        x1=x1, y1=y1, x2=x2, y2=y2
    )
