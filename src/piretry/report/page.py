"""Puts the page together: reads the results, asks each part for its view, fills the templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piretry.report import numbers
from piretry.report.parts import (
    anchors,
    cells,
    compute,
    controls,
    examples,
    faq,
    grader,
    method,
    overlap,
    protocol,
    provenance,
    sources,
    summary,
    tables,
)
from piretry.report.results import Results, read_results
from piretry.report.typeset import typeset


@dataclass(frozen=True)
class Part:
    """One part of the page: the name of its template, its heading, and what makes its view."""

    name: str
    title: str
    view: Callable[[Results], dict[str, Any] | None]


# In the order of the page. The FAQ's own sections stand where `faq` is. A part whose view is None is left out.
PARTS = (
    Part("summary", "At a glance", summary.view),
    Part("faq", "The claims", faq.view),
    Part("sources", "The published figures themselves", sources.view),
    Part("controls", "Negative controls", controls.view),
    Part("overlap", "Overlap of training and held-out problems", overlap.view),
    Part("grader", "The grader", grader.view),
    Part("cells", "Every cell", cells.view),
    Part("examples", "Dialogues", examples.view),
    Part("protocol", "Settings beside the published protocol", protocol.view),
    Part("compute", "What it cost", compute.view),
    Part("tables", "Tables", tables.view),
    Part("method", "How to read this page", method.view),
    Part("provenance", "Provenance records", provenance.view),
)
TITLE = "Retry distillation, run again"


def build_page(root: Path, inputs: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """The page as one HTML document that loads nothing from anywhere.

    Args:
        root: the results folder of the scale.
        inputs: name -> path below `root`, as in the report's task (see `piretry.grid.tasks.report`).
        settings: the report's settings, from the same place.

    Raises PiretryError for a file that is missing, damaged or of another version.
    """
    results = read_results(root, inputs, settings)
    return render(results)


def render(results: Results) -> str:
    """The page of results that are already read."""
    views = {part.name: part.view(results) for part in PARTS}
    parts = [part for part in PARTS if views[part.name] is not None]
    template = environment().get_template("page.html.j2")
    return template.render(title=TITLE, parts=parts, scale=results.scale, views=views)


def environment() -> Any:
    """The templates' environment: everything is escaped unless this package made the markup; a gap is an error."""
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.PackageLoader("piretry.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "count",
        "duration",
        "estimate",
        "interval",
        "moment",
        "number",
        "p_value",
        "prose",
        "sentence",
        "short",
        "size",
    ):
        env.filters[name] = getattr(numbers, name)
    env.filters |= {"untrusted": numbers.untrusted, "with_unit": numbers.with_unit, "percent": numbers.percent}
    env.filters |= {"plural": numbers.plural, "slug": anchors.slug, "typeset": typeset}
    return env
