"""The Apptainer of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from piretry.errors import PiretryError


def find_apptainer() -> str:
    """The path of `apptainer`, or of `singularity`, in the order in which Snakemake looks for them."""
    found = shutil.which("apptainer") or shutil.which("singularity")
    if found is None:
        raise PiretryError(
            "Neither apptainer nor singularity is on PATH. The submit host and every node need one of them: install "
            "it, or load the cluster's module for it."
        )
    return found


def variable_prefix() -> str:
    """How this machine's runtime names its variables: ``APPTAINER`` or ``SINGULARITY``."""
    return Path(find_apptainer()).name.upper()


def image_labels(image: Path) -> dict[str, str]:
    """The labels of an image; empty when it is no image that Apptainer can read."""
    command = [find_apptainer(), "inspect", "--labels", "--json", str(image)]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        labels = json.loads(done.stdout)["data"]["attributes"]["labels"]
        return {str(key): str(value) for key, value in labels.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
