"""Ids inside the page. A link and its target ask the same function."""

from __future__ import annotations

import hashlib
import re


def record(path: str) -> str:
    """The id of the provenance record of the artifact at `path`."""
    return f"rec-{hashlib.sha256(path.encode()).hexdigest()[:10]}"


def claim(name: str) -> str:
    """The id of a claim or a control."""
    return f"claim-{name}"


def drawer(name: str) -> str:
    """The id of the provenance of a claim or a control; its numbers are `drawer` with ``-0``, ``-1`` and so on."""
    return f"prov-{name}"


def protocol(series: str) -> str:
    """The id of the comparison of a cell's settings with the published protocol."""
    return f"protocol-{slug(series)}"


def table(name: str) -> str:
    """The id of a table."""
    return f"table-{slug(name)}"


def block(digest: str) -> str:
    """The id of a piece that many records share."""
    return f"block-{digest[:10]}"


def slug(text: str) -> str:
    """`text` as a part of an id: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
