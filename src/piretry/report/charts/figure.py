"""A figure: its picture, its words and its data. The picture and the CSV are made from the same points."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from piretry.report.numbers import interval, number, with_unit


@dataclass(frozen=True)
class Point:
    """One place on the axis: a measured value with its interval, the values of single seeds, the published figure."""

    label: str
    series: str
    value: float | None
    low: float | None
    high: float | None
    published: float | None = None
    seeds: tuple[float, ...] = ()

    def sentence(self, unit: str) -> str:
        """The point in words."""
        said = f"published {with_unit(self.published, unit)}" if self.published is not None else ""
        if self.value is None:
            return f"{self.label}: {said or 'nothing measured'}"
        found = f"{self.label}: measured {with_unit(self.value, unit)} {interval(self.low, self.high, unit)}".strip()
        return f"{found}, {said}" if said else found


@dataclass(frozen=True)
class Band:
    """A range that means something, e.g. the margin within which two gains count as the same."""

    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class Figure:
    """A chart ready for the page. `svg` is markup that `svg.render` made; everything else is plain text."""

    id: str
    title: str
    caption: str
    axis: str
    unit: str
    points: tuple[Point, ...]
    band: Band | None
    level: float
    svg: str

    @property
    def text(self) -> str:
        """The text alternative: everything that the picture shows."""
        parts = [point.sentence(self.unit) for point in self.points]
        if self.band is not None:
            low, high = number(self.band.low, self.unit), number(self.band.high, self.unit)
            parts.append(f"shaded from {low} to {high}: {self.band.meaning}")
        return "; ".join(parts) + "."

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `rows`."""
        seeds = max((len(point.seeds) for point in self.points), default=0)
        band = ("band_low", "band_high") if self.band else ()
        names = ("label", "series", "unit", "value", "low", "high", "level", "published")
        return (*names, *band, *(f"seed_{index}" for index in range(1, seeds + 1)))

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The plotted numbers, unrounded; None where there is none."""
        extra = len([name for name in self.columns if name.startswith("seed_")])
        band = (self.band.low, self.band.high) if self.band else ()
        return [
            (
                *(point.label, point.series, self.unit, point.value, point.low, point.high, self.level),
                point.published,
                *band,
                *point.seeds,
                *(None,) * (extra - len(point.seeds)),
            )
            for point in self.points
        ]

    @property
    def csv(self) -> str:
        """`columns` and `rows` as CSV."""
        return as_csv(self.columns, self.rows)

    @property
    def csv_uri(self) -> str:
        """The CSV as a data: address, for a download link that needs no network."""
        return data_uri(self.csv, "text/csv")

    @property
    def svg_uri(self) -> str:
        """The picture as a data: address, as a file of its own: in the light colours, on white."""
        head, body = self.svg.split(">", 1)
        white = '<rect width="100%" height="100%" fill="#ffffff"/>'
        return data_uri(f'{head} xmlns="http://www.w3.org/2000/svg">{white}{body}', "image/svg+xml")


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as CSV text; None is an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()


def data_uri(text: str, kind: str) -> str:
    """`text` as a data: address of media type `kind`."""
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode('ascii')}"
