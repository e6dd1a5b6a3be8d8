"""fetch: what a run needs from outside, at its pinned revision: the base model of a role, or the files of a dataset.

From the hub, a mirror of it, its cache, or a local folder. It is the one stage that uses a network, so it runs on the
submit host; everything after it reads what it has put into the results folder. Safetensors only; pickled weights are
refused. Run alone: ``piretry fetch small --scale paper``, ``piretry fetch train --scale paper``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piretry.errors import PiretryError
from piretry.hub import Wanted, download, link_files

if TYPE_CHECKING:
    from piretry.runner import Job

# What a model folder needs and nothing else: no pickled weights, no code.
KEPT = ("*.safetensors", "*.json", "*.txt", "*.jinja", "tokenizer.model")
# Keys of a role's shape in the scale file, and where config.json says the same.
SHAPE = {
    "layers": "num_hidden_layers",
    "hidden_size": "hidden_size",
    "intermediate_size": "intermediate_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "vocabulary": "vocab_size",
}

# Where a scale file describes a dataset, other than under data.
PLACES = {"theorems": "prover.train", "theorems-eval": "prover.eval"}


def run(job: Job) -> None:
    """Make the model folder of a role, or the folder with a dataset's files."""
    scale = f"scales/{job.root.name}.yaml"
    if "model" in job.task.outputs:
        _model(job, f"{scale}: roles.{job.task.target.partition('/')[0]}")
    else:
        _dataset(job, f"{scale}: {PLACES.get(job.task.target, f'data.{job.task.target}')}")


def _model(job: Job, where: str) -> None:
    name, revision = job.settings["model"], job.settings["revision"]
    target, local = job.output("model"), Path(name)
    if local.is_dir():
        files = sorted({path for pattern in KEPT for path in local.glob(pattern) if path.is_file()})
        link_files([(path, target / path.name) for path in files])
    elif revision is None:
        raise PiretryError(
            f"{where}.model: {name!r} is no local folder, and its revision is null. Pin the commit (40 hex digits) "
            "under 'revision' in the scale file, or give the path of a folder."
        )
    else:
        instead = "set 'model' to a local folder that holds that revision."
        fetched = download(
            Wanted("model", name, revision, KEPT, where, "model", instead), job.partial(), job.output("model")
        )
        job.note(hub={"source": fetched.source, "agrees_with": fetched.checksums})
    _complete(target, name, where)
    _as_stated(target / "config.json", job.settings.get("shape"), where)
    job.note(models={job.task.target: {"id": name, "revision": revision}})


def _dataset(job: Job, where: str) -> None:
    repo, revision = job.settings["repo"], job.settings["revision"]
    instead = "name a local file there: kind: file, with path and sha256, in place of kind: hub."
    wanted = Wanted("dataset", repo, revision, tuple(job.settings["files"]), where, "repo", instead)
    fetched = download(wanted, job.partial(), job.output("source"))
    job.note(
        hub={"source": fetched.source, "agrees_with": fetched.checksums},
        datasets={job.task.target: {"id": repo, "revision": revision}},
    )


def _complete(folder: Path, name: str, where: str) -> None:
    """Refuse a model folder that lacks a part: a missing shard would show up in a job on a GPU only."""
    for needed in ("config.json", "*.safetensors", "tokenizer_config.json"):
        if not any(folder.glob(needed)):
            raise PiretryError(
                f"{where}.model: the model {name} has no {needed}: expected a folder or repository with config.json, a "
                "tokenizer and safetensors weights. Convert pickled weights first; they are not loaded here."
            )
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(_json(index, where).get("weight_map", {}).values())
        if lacking := sorted(shard for shard in shards if not (folder / str(shard)).is_file()):
            raise PiretryError(
                f"{where}.model: the model {name} lacks {', '.join(lacking)}, which its {index.name} names. Complete "
                "the folder or repository."
            )


def _as_stated(path: Path, shape: Mapping[str, int] | None, where: str) -> None:
    """Refuse a model of another shape than the scale file states: memory is planned from that."""
    config = _json(path, where)
    found = {key: config.get(name) for key, name in SHAPE.items()}
    if found["head_dim"] is None and found["hidden_size"] and found["heads"]:
        found["head_dim"] = found["hidden_size"] // found["heads"]
    for key, stated in (shape or {}).items():
        if found.get(key) not in (None, stated):
            raise PiretryError(
                f"{where}.shape.{key}: {stated} is stated, but the model's config.json says {found[key]}. Correct the "
                "scale file, or check that 'model' names the model that is meant."
            )


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PiretryError(f"{where}.model: its {path.name} is no JSON ({error}). Fetch the model again.") from error
    if not isinstance(value, dict):
        raise PiretryError(f"{where}.model: its {path.name} is no JSON object. Fetch the model again.")
    return value
