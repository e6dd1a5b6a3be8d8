"""Charts: the picture shows the numbers that the CSV holds, and nothing of it clashes or loads."""

from __future__ import annotations

import csv
import io
import re

import altair
import pytest
from html_document import Element, parse

from piretry.report.charts import intervals, svg, theme
from piretry.report.charts.figure import Band, Figure, Point
from piretry.report.figures import series_label

POINTS = [
    Point("K=1", "small/k1", 8.25, 5.0, 11.5, 8.8, (7.0, 9.5)),
    Point("K=3 <&>", "small/k3", -1.75, -6.0, 2.5, 10.1, (-3.0, -0.5)),
    Point("K=5", "small/k5", 4.0, None, None, None, (4.0,)),
    Point("not run", "small/k9", None, None, None, 2.0),
]
BAND = Band(-3.0, 3.0, "the margin")


def draw(kind: str) -> Figure:
    make = getattr(intervals, f"{kind}_figure")
    return make(f"fig-{kind}", "A title", "A caption.", "gain, pp", "pp", POINTS, 0.95, BAND)


def places(figure: Element, colour: str, axis: int) -> list[float]:
    """Pixel positions along the value axis of the symbols of one colour, in document order, legend left out."""
    found = []
    for path in figure.all("path"):
        if path.attributes.get("fill") == colour and "transform" in path.attributes:
            # The legend's symbols stand in groups of their own that are moved as a whole.
            moved = sum("transform" in e.attributes for e in _around(path))
            found.append((moved, float(re.findall(r"-?[\d.]+", path.attributes["transform"])[axis])))
    least = min(moved for moved, _ in found)
    return [place for moved, place in found if moved == least]


def _around(element: Element) -> list[Element]:
    found = []
    while element.parent is not None:
        element = element.parent
        found.append(element)
    return found


@pytest.mark.parametrize(("kind", "axis"), [("columns", 1), ("rows", 0)])
def test_the_picture_shows_the_numbers_of_the_csv(kind: str, axis: int) -> None:
    figure = draw(kind)
    rows = list(csv.DictReader(io.StringIO(figure.csv)))
    picture = parse(figure.svg)
    measured = [float(row["value"]) for row in rows if row["value"]]
    published = [float(row["published"]) for row in rows if row["published"]]
    pixels = [*places(picture, theme.MEASURED, axis), *places(picture, theme.PUBLISHED, axis)]
    values = [*measured, *published]
    assert len(pixels) == len(values) == 6
    # One straight line takes values to pixels: two points fix it, and the others lie on it.
    slope = (pixels[1] - pixels[0]) / (values[1] - values[0])
    assert (slope < 0) == (kind == "columns")
    for value, pixel in zip(values, pixels, strict=True):
        assert pixel == pytest.approx(pixels[0] + slope * (value - values[0]), abs=0.05)
    spans = [line for line in picture.all("line") if line.attributes.get("stroke") == theme.MEASURED]
    lengths = [abs(float(line.attributes["y2" if kind == "columns" else "x2"])) for line in spans]
    assert lengths == pytest.approx([abs(slope) * 6.5, abs(slope) * 8.5], abs=0.05)


def test_the_csv_is_not_rounded_and_holds_everything() -> None:
    rows = list(csv.DictReader(io.StringIO(draw("columns").csv)))
    assert [row["label"] for row in rows] == [point.label for point in POINTS]
    assert [row["seed_2"] for row in rows] == ["9.5", "-0.5", "", ""]
    assert rows[0] | {"label": ""} == {
        "label": "", "series": "small/k1", "unit": "pp", "value": "8.25", "low": "5.0", "high": "11.5", "level": "0.95",
        "published": "8.8", "band_low": "-3.0", "band_high": "3.0", "seed_1": "7.0", "seed_2": "9.5",
    }  # fmt: skip


def test_the_text_alternative_says_all_of_it() -> None:
    figure = draw("rows")
    assert figure.text == (
        "K=1: measured +8.2 pp [+5.0, +11.5], published +8.8 pp; K=3 <&>: measured −1.8 pp [−6.0, +2.5], published "
        "+10.1 pp; K=5: measured +4.0 pp; not run: published +2.0 pp; shaded from −3.0 to +3.0: the margin."
    )
    picture = parse(figure.svg).one("svg")
    assert picture.one("desc").text == figure.text and picture.one("title").text == "A title"
    assert picture.attributes["aria-labelledby"] == "fig-rows-title fig-rows-text"


def test_ids_do_not_depend_on_what_was_drawn_before() -> None:
    first, second = draw("columns"), draw("columns")
    assert first.svg == second.svg
    assert all(name.startswith("fig-columns") for name in re.findall(r'\bid="([^"]+)"', first.svg))


def test_the_markup_holds_only_the_picture() -> None:
    picture = draw("columns").svg
    assert "http" not in picture and "xlink" not in picture and "<script" not in picture
    assert len(re.findall(r"aria-", picture)) == 1
    assert max(len(number.split(".")[1]) for number in re.findall(r"\d+\.\d+", picture)) <= 2


def test_without_published_figures_there_is_no_legend_for_them() -> None:
    points = [Point("a", "a", 1.0, 0.5, 1.5), Point("b", "b", 2.0, 1.0, 3.0)]
    picture = intervals.columns_figure("fig-x", "t", "c", "a", "%", points, 0.95, from_zero=True).svg
    assert theme.PUBLISHED_NAME not in picture and theme.PUBLISHED not in picture


def test_every_chart_is_valid_vega_lite(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []

    def render(chart: altair.LayerChart, *rest: str) -> str:
        checked.append(chart.to_dict(validate=True))
        return svg.render(chart, *rest)

    monkeypatch.setattr(intervals, "render", render)
    draw("columns"), draw("rows")
    assert len(checked) == 2


def test_the_style_sheet_maps_every_colour_of_the_charts() -> None:
    from importlib.resources import files

    style = files("piretry.report").joinpath("templates", "style.css").read_text(encoding="utf-8")
    used = {
        found
        for kind in ("columns", "rows")
        for found in re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', draw(kind).svg)
    }
    assert used == {
        theme.INK,
        theme.MUTED,
        theme.GRID,
        theme.ZERO,
        theme.MEASURED,
        theme.PUBLISHED,
        theme.SEED,
        theme.BAND,
    }
    for colour in used:
        assert f'="{colour}"]' in style


@pytest.mark.parametrize(
    ("series", "labels"),
    [
        (["small/retry-full/k1/bare/r1", "small/retry-full/k3/bare/r1"], ["K=1", "K=3"]),
        (["small/retry-full/k3/bare/r1", "small/rejection-full/k3/none/r1"], ["retry", "rejection"]),
        (
            ["small/retry-full/k3/bare/r1", "medium/retry-full/k3/bare/r1", "medium/retry-lora/k3/bare/r1"],
            ["small, full", "medium, full", "medium, lora"],
        ),
        (["small/base", "medium/base"], ["small", "medium"]),
        (["small/base", "small/retry-full/k3/bare/r1"], ["base", "round 1"]),
        (["small/retry-full/k1/bare/r1", "small/retry-full/k1/gold/r1"], ["bare", "gold"]),
    ],
)
def test_labels_say_what_differs(series: list[str], labels: list[str]) -> None:
    assert [series_label(name, series) for name in series] == labels
