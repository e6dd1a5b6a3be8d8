"""Read and validate configuration files; every mistake becomes a sentence with file, key, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from piretry.errors import PiretryError, nearest
from piretry.settings.model import Settings

T = TypeVar("T", bound=Settings)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in the YAML file `path`; PiretryError when there is none."""
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise PiretryError(f"{path} does not exist.{nearest(path.name, beside)}")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PiretryError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise PiretryError(f"{path} must hold keys and values, but holds {type(value).__name__}.")
    return value


def validate(model: type[T], value: dict[str, Any], source: str) -> T:
    """`value` as an instance of `model`; PiretryError listing every mistake, each with its key in `source`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = [_sentence(model, value, details) for details in error.errors()]
        head = f"{source} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:"
        raise PiretryError("\n  ".join([head, *lines])) from None


def load(model: type[T], path: Path) -> T:
    """Read and validate one file."""
    return validate(model, read_yaml(path), str(path))


def _sentence(model: type[Settings], value: object, details: ErrorDetails) -> str:
    location = _keys(value, details["loc"])
    key = ".".join(str(part) for part in location) or "(the whole file)"
    kind, given = details["type"], details.get("input")
    if kind == "extra_forbidden":
        siblings = _fields_at(model, details["loc"][:-1])
        return f"{key}: unknown key.{nearest(str(location[-1]), siblings)}"
    if kind == "missing":
        return f"{key}: this key is missing. Add it; docs/configuration.md says what it means."
    if kind in ("literal_error", "enum"):
        expected = str((details.get("ctx") or {}).get("expected", ""))
        choices = [choice.strip().strip("'") for choice in expected.replace(" or ", ", ").split(",")]
        return f"{key}: {given!r} is not possible.{nearest(str(given), choices)}"
    message = details["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(given, dict | list) else f" (given: {given!r})"
    return f"{key}: {message}{shown}"


def _keys(value: object, location: tuple[int | str, ...]) -> list[int | str]:
    """The keys of an error's location as the file has them: pydantic's tags of union members are left out."""
    keys: list[int | str] = []
    node: Any = value
    for part in location:
        if isinstance(node, dict) and part not in node and part in node.values() and part != location[-1]:
            continue
        keys.append(part)
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            node = None
    return keys


def _fields_at(model: type[Settings], location: tuple[int | str, ...]) -> list[str]:
    """Names of the keys that are valid at `location` in `model`, as far as the types tell."""
    current: list[type[Settings]] = [model]
    for part in location:
        following: list[type[Settings]] = []
        for candidate in current:
            field = candidate.model_fields.get(str(part))
            following.extend(_models_in(field.annotation) if field else [candidate])
        current = following
    return sorted({name for candidate in current for name in candidate.model_fields})


def _models_in(annotation: object) -> list[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
