"""Negative controls: comparisons that must show no effect."""

from __future__ import annotations

from typing import Any

from piretry.report.parts.claims import claim_view
from piretry.report.results import Results


def view(results: Results) -> dict[str, Any]:
    """`controls`: the views of the controls, in the order of claims.yaml."""
    paths = {name: results.inputs[f"claim:{name}"] for name in results.controls}
    return {"controls": [claim_view(results, control, paths[name]) for name, control in results.controls.items()]}
