"""People and licences: CITATION.cff of the checkout, and names with an ORCID as one types them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.settings.load import read_yaml

CITATION_FILE = "CITATION.cff"
_ORCID = re.compile(r"(?:https?://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")
_TYPED = re.compile(r"(?P<name>[^<>]+?)\s*(?:<(?P<orcid>[^<>]*)>)?")


@dataclass(frozen=True)
class Party:
    """A person or an organisation. `orcid` is the plain identifier, only of a person; `affiliation` is a name."""

    name: str
    orcid: str | None = None
    organisation: bool = False
    affiliation: str | None = None


@dataclass(frozen=True)
class Citation:
    """What CITATION.cff says of the software. `license` is an SPDX identifier, `url` its home or its repository."""

    title: str
    version: str
    license: str
    authors: tuple[Party, ...]
    keywords: tuple[str, ...]
    url: str | None


def read_citation(home: Path) -> Citation:
    """CITATION.cff of the checkout `home`; PiretryError when it lacks what an export has to say."""
    path = home / CITATION_FILE
    value = read_yaml(path)
    for key in ("title", "license", "authors"):
        if not value.get(key):
            raise PiretryError(
                f"{path} has no {key!r}, and an export has to say it. Add it (see citation-file-format)."
            )
    licence = value["license"]
    return Citation(
        title=str(value["title"]),
        version=str(value.get("version") or ""),
        license=str(licence[0] if isinstance(licence, list) else licence),
        authors=tuple(_author(entry, path) for entry in value["authors"]),
        keywords=tuple(str(word) for word in value.get("keywords") or ()),
        url=value.get("url") or value.get("repository-code"),
    )


def party(text: str, option: str) -> Party:
    """A person typed as ``Name`` or ``Name <ORCID>`` after `option`; PiretryError for an ORCID that is none."""
    match = _TYPED.fullmatch(text.strip())
    if match is None:
        raise PiretryError(f"{option} {text!r} is no name. Expected 'Name' or 'Name <0000-0000-0000-0000>' (ORCID).")
    orcid = match["orcid"]
    return Party(match["name"], plain_orcid(orcid, f"{option} {text!r}") if orcid is not None else None)


def plain_orcid(text: str, where: str) -> str:
    """The plain form of an ORCID whose check digit fits (ISO 7064, MOD 11-2); else PiretryError."""
    match = _ORCID.fullmatch(text.strip())
    if match is None:
        raise PiretryError(f"{where}: {text!r} is no ORCID. Expected the form 0000-0002-1825-0097.")
    digits = match[1].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        raise PiretryError(f"{where}: the ORCID {match[1]} has a wrong check digit. Look for a typing mistake.")
    return match[1]


def _author(entry: Any, path: Path) -> Party:
    if not isinstance(entry, dict):
        raise PiretryError(f"{path}: authors must be a list of mappings with 'name', or 'given-names', 'family-names'.")
    if entry.get("name"):
        return Party(str(entry["name"]), organisation=True)
    name = " ".join(str(entry[key]) for key in ("given-names", "name-particle", "family-names") if entry.get(key))
    if not name:
        raise PiretryError(f"{path}: an author has neither 'name' nor 'family-names'.")
    orcid = entry.get("orcid")
    affiliation = str(entry["affiliation"]) if entry.get("affiliation") else None
    return Party(name, plain_orcid(str(orcid), str(path)) if orcid else None, affiliation=affiliation)
