"""For projects that are about other things than the prover."""

from __future__ import annotations

from typing import Any


def drop_prover(scale: dict[str, Any]) -> None:
    """A scale without the prover: its claims are `not run`, whether Lean is installed or not."""
    del scale["roles"]["prover"]
    scale["prover"] = None
    for tuning in scale["training"]["tunings"].values():
        tuning["learning_rate_by_role"].pop("prover", None)
    for table in scale["throughput"].values():
        if isinstance(table, dict):
            for key in [key for key in table if key.partition(".")[0] == "prover"]:
                del table[key]
