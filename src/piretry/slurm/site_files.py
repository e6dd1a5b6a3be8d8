"""The two files of the folder slurm/: Snakemake's profile and the site's settings, both made to be read and edited."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from piretry.errors import PiretryError
from piretry.settings.model import Settings
from piretry.settings.site import SiteSettings

FOLDER = "slurm"
SITE_FILE = "site.yaml"
PROFILE_FILE = "config.yaml"
TEMPLATE = Path("profiles/slurm/config.yaml")


def site_text(site: SiteSettings) -> str:
    """slurm/site.yaml: every key with its description above it."""
    head = [
        "# The cluster, as `piretry init slurm` wrote it. Edit it by hand, or run that again. It changes no result.",
        "",
    ]
    return "\n".join(head + _lines(type(site), site.plain(), 0)) + "\n"


def _lines(model: type[Settings], values: Mapping[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    indent = "  " * depth
    for name, field in model.model_fields.items():
        value, inner = values[name], field.annotation
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, Settings):
            lines += [f"{indent}{name}:", *_lines(inner, value, depth + 1)]
        else:
            shown = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
            lines += [f"{indent}# {field.description}", f"{indent}{name}: {shown}"]
    return lines


def profile_text(home: Path, scale: str, status_seconds: int) -> str:
    """slurm/config.yaml: the template of the checkout, for this site.

    Args:
        home: the checkout, which holds the template.
        scale: what `all` makes when the command line names no scale.
        status_seconds: seconds before the first look at a job; three times this must fit into Slurm's MinJobAge.
    """
    template = home / TEMPLATE
    if not template.is_file():
        raise PiretryError(f"{template} is not there: run `piretry init slurm` in a checkout of the package.")
    text = template.read_text(encoding="utf-8")
    changed = {"config": f"[scale={scale}]", "slurm-init-seconds-before-status-checks": str(status_seconds)}
    lines = []
    for line in text.splitlines():
        key, colon, rest = line.partition(":")
        if colon and key in changed:
            _, hash_, comment = rest.partition(" #")
            line = f"{key}: {changed[key]}{hash_}{comment}"
        lines.append(line)
    result = "\n".join(lines) + "\n"
    if not isinstance(yaml.safe_load(result), dict):
        raise PiretryError(f"{template} holds no mapping of Snakemake's options: restore it from the repository.")
    return result


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
