"""One visual language for all charts.

Colours are of the Okabe-Ito palette, which people with any colour vision can tell apart; shape says the same as colour
(a dot is measured, a diamond is published). The page's style sheet maps these exact values to lighter ones in the
dark: change them in both places.
"""

from __future__ import annotations

from typing import Any

INK = "#1f2328"
MUTED = "#5b6470"
GRID = "#dfe3e8"
ZERO = "#8a929c"
MEASURED = "#0a6ebd"
PUBLISHED = "#c2500a"
SEED = "#7fa8c9"
BAND = "#e9eef3"

FONT = "Arial, Helvetica, sans-serif"
WIDTH = 350  # pixels of the plot itself: with its labels it fits a phone at three quarters of its size or more
MEASURED_NAME = "measured"
PUBLISHED_NAME = "published"


def config() -> dict[str, Any]:
    """The Vega-Lite configuration of every chart."""
    axis = {
        "labelColor": INK,
        "labelFontSize": 12,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "domainColor": ZERO,
        "tickColor": ZERO,
        "gridColor": GRID,
        "labelLimit": 220,
    }
    return {
        "font": FONT,
        "background": "transparent",
        "view": {"stroke": None},
        "axis": axis,
        "axisBand": {"grid": False, "domain": False, "ticks": False},
        "legend": {
            "labelColor": INK,
            "labelFontSize": 12,
            "title": None,
            "orient": "top",
            "direction": "horizontal",
            "symbolSize": 90,
            "symbolStrokeWidth": 1,
            "offset": 8,
        },
    }
