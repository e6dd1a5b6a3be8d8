"""A strip of a few pixels beside a number: its interval, the published figure, and zero, on one scale for a claim."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from piretry.report.charts.figure import Point

_WIDTH, _HEIGHT, _EDGE = 190, 18, 8


def scale_of(points: Sequence[Point]) -> tuple[float, float] | None:
    """The range that all `points` and zero fit in; None where there is nothing to draw."""
    drawn = [x for p in points for x in (p.value, p.low, p.high, p.published, *p.seeds) if x is not None]
    if not any(point.value is not None for point in points):
        return None
    low, high = min(0.0, *drawn), max(0.0, *drawn)
    return (low, high) if high > low else None


def strip(point: Point, scale: tuple[float, float], unit: str) -> Markup:
    """`point` as an <svg> of fixed size; its text alternative is the point in words."""
    low, high = scale

    def at(value: float) -> str:
        return f"{_EDGE + (value - low) / (high - low) * (_WIDTH - 2 * _EDGE):.1f}"

    middle = _HEIGHT / 2
    parts = [Markup('<line class="s-zero" x1="{0}" x2="{0}" y1="2" y2="{1}"/>').format(at(0), _HEIGHT - 2)]
    if point.low is not None and point.high is not None:
        span = Markup('<line class="s-span" x1="{}" x2="{}" y1="{y}" y2="{y}"/>')
        parts.append(span.format(at(point.low), at(point.high), y=middle))
    if point.published is not None:
        x = float(at(point.published))
        corners = f"{x},{middle - 6} {x + 6},{middle} {x},{middle + 6} {x - 6},{middle}"
        parts.append(Markup('<polygon class="s-published" points="{}"/>').format(corners))
    if point.value is not None:
        parts.append(Markup('<circle class="s-measured" cx="{}" cy="{}" r="4.5"/>').format(at(point.value), middle))
    return Markup(
        '<svg class="strip" role="img" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-label="{text}">{body}</svg>'
    ).format(w=_WIDTH, h=_HEIGHT, text=point.sentence(unit), body=Markup("").join(parts))
