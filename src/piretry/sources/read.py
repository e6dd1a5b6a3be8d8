"""Reads report/published.yaml, and checks it against the claims that it names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError, nearest
from piretry.settings.load import load, validate
from piretry.sources.model import Published

FILE = "published.yaml"  # beside the file of claims


def read_published(path: Path) -> Published:
    """The published figures in the file `path`; PiretryError names every mistake in it."""
    return load(Published, path)


def to_settings(published: Published) -> dict[str, Any]:
    """The published figures as a task's settings carry them: keys that have their default are left out."""
    return published.model_dump(mode="json", exclude_defaults=True)


def from_settings(value: Mapping[str, Any]) -> Published:
    """The published figures that `to_settings` made settings of; PiretryError where they are none."""
    return _validated(json.dumps(value, sort_keys=True))


@lru_cache(maxsize=2)
def _validated(text: str) -> Published:
    # A page asks for the same figures once for each of its cells.
    return validate(Published, json.loads(text), f"the {FILE} of the report's settings")


def check_claims(published: Published, claims: Iterable[str], source: str = FILE) -> None:
    """Raise PiretryError when an entry names a claim that there is not."""
    known = list(claims)
    wrong = [
        f"{entry.id}: there is no claim {name!r}.{nearest(name, known)}"
        for entry in published.entries
        for name in entry.claims
        if name not in known
    ]
    if wrong:
        head = f"{source} has {len(wrong)} mistake{'s' if len(wrong) > 1 else ''}:"
        raise PiretryError("\n  ".join([head, *wrong]))
