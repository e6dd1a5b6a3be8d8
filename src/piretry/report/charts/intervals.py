"""The one kind of chart that the page has: values with intervals, along an axis or in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from piretry.report.charts import theme
from piretry.report.charts.figure import Band, Figure, Point
from piretry.report.charts.svg import render


def columns_figure(
    name: str,
    title: str,
    caption: str,
    axis: str,
    unit: str,
    points: Sequence[Point],
    level: float,
    band: Band | None = None,
    from_zero: bool = False,
) -> Figure:
    """Points side by side: category on x, value on y. With `from_zero` the axis holds no negative values."""
    draft = Figure(name, title, caption, axis, unit, tuple(points), band, level, "")
    slot = max(70, min(120, theme.WIDTH // max(1, len(points))))
    chart = _layers(points, band, axis, "x", "y", _domain(points, band, from_zero))
    chart = chart.properties(width=slot * len(points), height=230)
    return _finished(draft, chart)


def rows_figure(
    name: str,
    title: str,
    caption: str,
    axis: str,
    unit: str,
    points: Sequence[Point],
    level: float,
    band: Band | None = None,
) -> Figure:
    """Points in rows, for many or long labels: value on x, category on y."""
    draft = Figure(name, title, caption, axis, unit, tuple(points), band, level, "")
    chart = _layers(points, band, axis, "y", "x", _domain(points, band, False))
    chart = chart.properties(width=theme.WIDTH - 80, height=26 * len(points) + 12)
    return _finished(draft, chart)


def _finished(draft: Figure, chart: Any) -> Figure:
    svg = render(chart.configure(**theme.config()), draft.id, draft.title, draft.text)
    return Figure(**{**vars(draft), "svg": svg})


def _layers(
    points: Sequence[Point],
    band: Band | None,
    axis: str,
    category: str,
    value: str,
    domain: tuple[float, float],
) -> Any:
    """Band, zero line, seeds, intervals, measured and published values, all on one pair of scales."""
    import altair as alt

    labels = [point.label for point in points]
    place = {"x": alt.X, "y": alt.Y}
    ends = {"x": alt.X2, "y": alt.Y2}
    offset = {"x": alt.XOffset, "y": alt.YOffset}[category]
    bands = place[category](
        "label:N", sort=labels, title=None, axis=alt.Axis(labelAngle=0, labelPadding=8, grid=False, domain=False)
    )
    scale = alt.Scale(domain=list(domain), nice=True, zero=False)
    format_ = "~s" if max(abs(end) for end in domain) >= 10_000 else "~f"

    def along(field: str) -> Any:
        return place[value](f"{field}:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=6, format=format_))

    def layer(rows: list[dict[str, Any]]) -> Any:
        return alt.Chart(alt.Data(values=rows))

    names = [theme.MEASURED_NAME, theme.PUBLISHED_NAME]
    shown = names if any(point.published is not None for point in points) else names[:1]
    legend = alt.Legend() if len(shown) > 1 else None
    beside = offset("kind:N", scale=alt.Scale(domain=shown, paddingInner=0.15, paddingOuter=0.6))
    colours, shapes = [theme.MEASURED, theme.PUBLISHED][: len(shown)], ["circle", "diamond"][: len(shown)]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=shown, range=colours), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=shown, range=shapes), legend=legend)
    measured = [
        {"label": p.label, "kind": names[0], "value": p.value, "low": p.low, "high": p.high}
        for p in points
        if p.value is not None
    ]
    said = [{"label": p.label, "kind": names[1], "value": p.published} for p in points if p.published is not None]
    spans = [row for row in measured if row["low"] is not None and row["high"] is not None]
    seeds = [
        {"label": p.label, "kind": names[0], "value": seed} for p in points if len(p.seeds) > 1 for seed in p.seeds
    ]
    layers = []
    if band is not None:
        edges = layer([{"low": band.low, "high": band.high}])
        layers.append(edges.mark_rect(color=theme.BAND).encode(along("low"), ends[value]("high:Q")))
    if domain[0] <= 0 <= domain[1]:
        layers.append(layer([{"zero": 0}]).mark_rule(color=theme.ZERO).encode(along("zero")))
    layers.append(
        layer(spans)
        .mark_rule(strokeWidth=2.5, color=theme.MEASURED)
        .encode(bands, along("low"), ends[value]("high:Q"), beside)
    )
    thickness = {"width": 12, "height": 1.2} if category == "x" else {"width": 1.2, "height": 12}
    layers.append(layer(seeds).mark_rect(color=theme.SEED, **thickness).encode(bands, along("value"), beside))
    dots = layer([*measured, *said]).mark_point(filled=True, size=95, opacity=1)
    layers.append(dots.encode(bands, along("value"), colour, shape, beside))
    return alt.layer(*layers)


def _domain(points: Sequence[Point], band: Band | None, from_zero: bool) -> tuple[float, float]:
    """From the smallest to the largest thing drawn, zero included, with a little room at the ends."""
    drawn = [0.0]
    for point in points:
        drawn += [x for x in (point.value, point.low, point.high, point.published, *point.seeds) if x is not None]
    if band is not None:
        drawn += [band.low, band.high]
    low, high = min(drawn), max(drawn)
    room = (high - low or 1.0) * 0.06
    return (0.0 if from_zero else low - room if low < 0 else low), high + room
