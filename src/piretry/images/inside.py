"""What code that runs inside one of our images can know about it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError

# Written by %post of the definitions into the environment's folder (sys.prefix).
FACTS_FILE = "piretry-image.json"
# A JSON object in the environment: absolute path of an image -> [its path as configured, its sha256].
IMAGES_VARIABLE = "PIRETRY_IMAGES"


def image_facts(prefix: Path | None = None) -> dict[str, Any] | None:
    """What the image says of itself (kind, commit, dirty, definition digest), or None outside an image of ours.

    Raises PiretryError when the file is there and not readable as JSON: the image is damaged.
    """
    path = (prefix or Path(sys.prefix)) / FACTS_FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PiretryError(f"{path} of the image cannot be read ({error}): build the image again.") from error
    if not isinstance(value, dict):
        raise PiretryError(f"{path} of the image holds no JSON object: build the image again.")
    return value


def running_image(environ: Mapping[str, str] = os.environ) -> tuple[str | None, str | None]:
    """Path and sha256 of the image that this process runs in: (None, None) outside, (path, None) when not announced.

    Apptainer says which image it is, the workflow announced the checksums of all it uses (`job.container_environment`).
    """
    path = environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER")
    if not path:
        return None, None
    try:
        announced = json.loads(environ.get(IMAGES_VARIABLE) or "{}")
        shown, sha256 = announced.get(path, (path, None))
        return str(shown), None if sha256 is None else str(sha256)
    except (ValueError, TypeError, AttributeError):
        return path, None
