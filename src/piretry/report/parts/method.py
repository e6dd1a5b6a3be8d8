"""How the page is to be read, and every setting that the results depend on."""

from __future__ import annotations

from typing import Any

import yaml

from piretry.report.results import Results


def view(results: Results) -> dict[str, Any]:
    """The statistics settings, the primary decoding, and the scale file."""
    scale = results.scale
    statistics = results.settings["statistics"]
    return {
        "level": f"{100 * statistics['level']:.0f}%",
        "bootstrap": statistics["bootstrap"],
        "seed": statistics["seed"],
        "primary": scale["evaluation"]["primary"],
        "samples": scale["evaluation"]["samples"],
        "reading": scale["reading"],
        "settings": yaml.safe_dump(scale, sort_keys=False, allow_unicode=True, width=100),
    }
