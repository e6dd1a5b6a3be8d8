"""JSON schemas and docs/configuration.md, generated from the settings classes. A test fails when they drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from piretry.claims.model import ClaimsFile
from piretry.settings.config import Config
from piretry.settings.model import Settings
from piretry.settings.scale import Scale
from piretry.settings.site import SiteSettings

FILES: dict[str, type[Settings]] = {
    "docs/schema/config.schema.json": Config,
    "docs/schema/scale.schema.json": Scale,
    "docs/schema/claims.schema.json": ClaimsFile,
    "docs/schema/site.schema.json": SiteSettings,
}
GUIDE = "docs/configuration.md"
_TITLES = {"config": "config.yaml", "scale": "scales/*.yaml", "claims": "report/claims.yaml", "site": "slurm/site.yaml"}


def generated() -> dict[str, str]:
    """Every generated file: path in the checkout -> text."""
    files = {
        path: json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"
        for path, model in FILES.items()
    }
    return {**files, GUIDE: _guide()}


def stale_files(home: Path) -> list[str]:
    """Generated files of the checkout `home` that differ from what the settings classes say now."""
    return [
        path
        for path, text in generated().items()
        if not (home / path).is_file() or (home / path).read_text(encoding="utf-8") != text
    ]


def write_files(home: Path) -> list[str]:
    """Write the generated files that are out of date; returns their paths."""
    stale = stale_files(home)
    for path in stale:
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(generated()[path], encoding="utf-8")
    return stale


def _guide() -> str:
    parts = [
        "# Configuration",
        "",
        "Generated from the settings classes by `piretry schema`; a test fails when it drifts. Read are:",
        "`config.yaml` (grid, seeds, scale, statistics), one file of `scales/` (what the roles are bound to),",
        "`report/claims.yaml` (what was claimed) and, on a cluster, `slurm/site.yaml` (where jobs go). All are",
        "validated when the workflow is parsed; unknown keys are refused.",
        "",
    ]
    for path, model in FILES.items():
        name = Path(path).name.partition(".")[0]
        schema = model.model_json_schema()
        parts += [f"## `{_TITLES[name]}`", "", str(schema.get("description", "")), ""]
        parts += _rows(schema)
        for title, part in sorted(schema.get("$defs", {}).items()):
            if "properties" in part:
                parts += [f"### {title}", "", str(part.get("description", "")), ""]
                parts += _rows(part)
    return "\n".join(parts).rstrip() + "\n"


def _rows(schema: dict[str, Any]) -> list[str]:
    required = set(schema.get("required", []))
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in schema.get("properties", {}).items():
        default = "**required**" if key in required else f"`{json.dumps(value.get('default'))}`"
        meaning = " ".join(str(value.get("description", "")).split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(value)} | {default} | {meaning} |")
    return [*lines, ""]


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{choice}`" for choice in value["enum"])
    for combined in ("anyOf", "oneOf"):
        if combined in value:
            return " or ".join(dict.fromkeys(_type(member) for member in value[combined]))
    kind = str(value.get("type", "any"))
    if kind == "array":
        return f"list of {_type(value.get('items', {}))}"
    if kind == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"mapping to {_type(value['additionalProperties'])}"
    return kind
