"""The Debian mirror that this machine's own apt uses: what debootstrap takes where the builder names none."""

from __future__ import annotations

import re
from pathlib import Path

from piretry.errors import PiretryError

RELEASE = "bookworm"


def apt_mirror(folder: Path = Path("/etc/apt")) -> str:
    """The first mirror of the images' Debian release in the apt sources under `folder`; PiretryError without one."""
    for path in sorted([*folder.glob("sources.list"), *folder.glob("sources.list.d/*.list")]):
        for line in path.read_text(errors="replace").splitlines():
            match = re.match(rf"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{RELEASE}\s", line.strip() + " ")
            if match and _is_mirror(match[1]):
                return match[1]
    for path in sorted(folder.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(errors="replace")):
            fields = dict(re.findall(r"^(URIs|Suites|Types):\s*(.+)$", stanza, re.MULTILINE))
            uris = fields.get("URIs", "").split()
            if "deb" in fields.get("Types", "").split() and RELEASE in fields.get("Suites", "").split():
                for uri in uris:
                    if _is_mirror(uri):
                        return uri
    raise PiretryError(
        f"This machine's apt names no mirror of Debian {RELEASE}: give debootstrap one with --mirror URL."
    )


def _is_mirror(uri: str) -> bool:
    return uri.startswith(("http://", "https://", "file:/"))
