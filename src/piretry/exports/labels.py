"""What Snakemake's own report says beside each result: read from the result when `snakemake --report` is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from piretry.exports.describing import measured_text


def claim_section(output: Sequence[str]) -> str:
    """The section of the document that a claim is from. `output`: of its job, the result file first."""
    return str(_claim(output).get("section", "Other"))


def claim_labels(output: Sequence[str]) -> dict[str, str]:
    """The row of a claim in the table of its section."""
    claim = _claim(output)
    return {
        "claim": _plain(claim.get("id")),
        "published": _plain(claim.get("published")),
        "measured": _plain(measured_text(claim)),
        "verdict": _plain(claim.get("verdict")),
    }


def _claim(output: Sequence[str]) -> dict[str, Any]:
    value = json.loads(Path(output[0]).read_text(encoding="utf-8"))
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> str:
    """Text in which Snakemake finds no wildcard."""
    return str(value or "–").translate({ord("{"): "(", ord("}"): ")"})
