"""fetch: the base model of a role at its pinned revision, from the hub or from a local folder.

Runs on the submit host: compute nodes need no network. Safetensors only; pickled weights are refused.
Run alone: ``piretry fetch small --scale paper``.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from piretry.errors import PiretryError

if TYPE_CHECKING:
    from piretry.runner import Job

# What a model folder needs and nothing else: no pickled weights, no code.
KEPT = ("*.safetensors", "*.json", "*.txt", "*.jinja", "tokenizer.model")


def run(job: Job) -> None:
    """Put config, tokenizer and safetensors into the model folder."""
    name, revision = job.settings["model"], job.settings["revision"]
    local = Path(name)
    source = local if local.is_dir() else _download(name, revision)
    target = job.output("model")
    target.mkdir(parents=True)
    for pattern in KEPT:
        for path in sorted(source.glob(pattern)):
            shutil.copyfile(path, target / path.name)
    for needed in ("config.json", "*.safetensors", "tokenizer_config.json"):
        if not any(target.glob(needed)):
            raise PiretryError(
                f"The model {name} has no {needed}: expected a folder or repository with config.json, a tokenizer and "
                "safetensors weights. Convert pickled weights first; they are not loaded here."
            )
    job.note(models={job.task.target: {"id": name, "revision": revision}})


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if revision is None:
        raise PiretryError(
            f"roles.*.model: {name!r} is no local folder, and its revision is null. Pin the commit (40 hex digits) "
            "under 'revision' in the scale file, or give the path of a folder."
        )
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(KEPT)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise PiretryError(
            f"{name} at revision {revision} could not be fetched ({type(error).__name__}). Check the id and the "
            "commit, run this stage on a host with network, or set 'model' to a local folder that holds that revision."
        ) from error
