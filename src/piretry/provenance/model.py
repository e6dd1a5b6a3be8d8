"""The provenance record: what it holds, how it is written, and how a file is read back and found out.

A record lies beside its artifact as ``<name of the artifact>.prov.json``. It ends with a checksum of its own
content, which finds an edit. It is no signature: someone who recomputes the checksum of every record down the
chain is not found.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.provenance.hashing import FileEntry, canonical_json, plain, unchanged

SCHEMA = 1
RECORD_SUFFIX = ".prov.json"


@dataclass(frozen=True)
class Artifact:
    """What was made: `path` relative to the results folder, `kind` "file" or "directory", `size` in bytes."""

    role: str
    path: str
    kind: str
    sha256: str
    size: int
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Input:
    """What it was made from.

    `path` is relative to the results folder when `inside`, otherwise as it was given. `record` is the
    checksum of the record that lay beside the input, so that a record that was replaced afterwards is
    noticed; None if there was none.
    """

    role: str
    path: str
    inside: bool
    sha256: str
    size: int
    record: str | None


@dataclass(frozen=True)
class Code:
    """The code that ran: `digest` covers `modules` and all they import, `parts` has each one's own."""

    digest: str
    modules: tuple[str, ...]
    parts: dict[str, str]


@dataclass(frozen=True)
class Checkout:
    """The git commit of the sources, whether files differed from it, and why that is not known."""

    commit: str | None
    dirty: bool | None
    reason: str | None


@dataclass(frozen=True)
class Image:
    """The container image that the job ran in, and the hash of its bytes; both None outside a container."""

    path: str | None
    sha256: str | None


@dataclass(frozen=True)
class ModelRef:
    """A model that came from outside: hub id or path, and revision."""

    role: str
    id: str
    revision: str | None = None


@dataclass(frozen=True)
class DatasetRef:
    """A dataset as used: hub id or file, revision, and the fingerprint of its rows."""

    role: str
    id: str
    revision: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Machine:
    """Where it ran. `gpus` names the GPUs that the job had, not those of the host."""

    host: str
    cpu: str
    gpus: tuple[str, ...]
    slurm_job: str | None


@dataclass(frozen=True)
class Cost:
    """When and how long: UTC times, wall and CPU seconds (with children), GPUs times wall, and counters."""

    started: str
    finished: str
    wall_seconds: float
    cpu_seconds: float
    gpu_seconds: float
    counters: dict[str, int | float]

    def __post_init__(self) -> None:
        for text in (self.started, self.finished):
            if datetime.fromisoformat(text).utcoffset() != timedelta(0):
                raise ValueError(f"{text!r} is not a time in UTC")

    @property
    def start(self) -> datetime:
        """`started` as a time."""
        return datetime.fromisoformat(self.started)

    @property
    def end(self) -> datetime:
        """`finished` as a time."""
        return datetime.fromisoformat(self.finished)


@dataclass(frozen=True)
class Record:
    """The provenance of one artifact.

    `run` names the results folder (see `root.run_id`), `job` the one execution of a stage that wrote this
    artifact and its `siblings`. `target` is what the job made; `state`, `claim` and `table` say which of
    these that is, where it is.
    """

    schema: int
    run: str
    job: str
    artifact: Artifact
    siblings: tuple[str, ...]
    stage: str
    target: str
    state: str | None
    claim: str | None
    table: str | None
    settings: dict[str, Any]
    inputs: tuple[Input, ...]
    command: str
    folder: str
    code: Code
    checkout: Checkout
    packages: dict[str, str | None]
    image: Image
    models: tuple[ModelRef, ...]
    datasets: tuple[DatasetRef, ...]
    seeds: dict[str, Any]
    facts: dict[str, Any]
    machine: Machine
    cost: Cost

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that the code digest starts from."""
        return self.code.modules

    @functools.cached_property
    def checksum(self) -> str:
        """SHA-256 over everything above."""
        return _checksum(plain(self, "the record"))

    def to_json(self) -> str:
        """The text of the record's file: one key a line, `checksum` last."""
        value = {**plain(self, "the record"), "checksum": self.checksum}
        return json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote; ValueError says what is wrong with it."""
        loaded = load(text)
        if loaded.edited:
            raise ValueError("its content does not fit its checksum: it was edited after it was written")
        return loaded.record


@dataclass(frozen=True)
class Loaded:
    """A record that could be read; `edited` when its checksum does not fit its content."""

    record: Record
    edited: bool


def load(text: str, build: Callable[[Any], Record] | None = None) -> Loaded:
    """Read a record whose checksum may be wrong; ValueError when it is no record of this schema at all.

    `build` makes a record of the plain values, strictly; pydantic does where it is left out.
    """
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    if value.get("schema") != SCHEMA:
        raise ValueError(f"it has schema {value.get('schema')!r}, and this piretry reads schema {SCHEMA}")
    checksum = value.pop("checksum", None)
    record = (build or _validated)(value)
    # The checksum is taken of the file's own values, so that no field that is read tolerantly escapes it.
    return Loaded(record, edited=checksum != _checksum(value))


def _validated(value: Any) -> Record:
    import pydantic

    try:
        record: Record = _adapter().validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    return record


def read_record(path: Path) -> Record:
    """The record in the file `path`; PiretryError when it is absent, unreadable or edited."""
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PiretryError(f"{path} does not exist: {artifact_path(path)} has no provenance record.") from None
    except (ValueError, OSError) as error:
        raise PiretryError(
            f"{path} is no valid provenance record: {error}. Delete it together with {artifact_path(path)} "
            "and run snakemake again to rebuild both."
        ) from error


def record_path(artifact: Path) -> Path:
    """The file that holds the record of `artifact`."""
    return artifact.with_name(artifact.name + RECORD_SUFFIX)


def artifact_path(record: Path) -> Path:
    """The artifact that the record file `record` lies beside."""
    return record.with_name(record.name.removesuffix(RECORD_SUFFIX))


def trusted_record(artifact: Path) -> Record | None:
    """The record beside `artifact` if it is unedited and sizes and times of all files are as it saw them.

    Then its hash holds without reading a byte: what keeps a stage that reads a large model cheap. The audit
    never relies on this.
    """
    try:
        record = Record.from_json(record_path(artifact).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if unchanged(artifact, record.artifact.files) else None


def _checksum(value: Any) -> str:
    return hashlib.sha256(f"piretry record {canonical_json(value, 'the record')}".encode("ascii")).hexdigest()


@functools.cache
def _adapter() -> Any:
    import pydantic

    parts = (FileEntry, Artifact, Input, Code, Checkout, Image, ModelRef, DatasetRef, Machine, Cost, Record)
    for part in parts:
        setattr(part, "__pydantic_config__", {"extra": "forbid"})  # noqa: B010 - read by pydantic only
    return pydantic.TypeAdapter(Record)
