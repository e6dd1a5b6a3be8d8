"""Publication: how a stage's outputs and their records come into the results folder, whole or not at all.

    with Publication(root=root, stage="select", target=state, inputs={...}, outputs={"sft": path}, ...) as
    job:
        write(job.temporary("sft"))

Outputs are written under temporary names in the folder where they will lie, hashed, recorded, and renamed
into place: the record first, then the artifact, so that an artifact that is there always has its record.
"""

from __future__ import annotations

import os
import resource
import shlex
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from piretry.errors import PiretryError, nearest
from piretry.provenance import environment, layout
from piretry.provenance.code import code_digest, code_parts
from piretry.provenance.hashing import Content, hash_content, plain, unchanged
from piretry.provenance.model import (
    SCHEMA,
    Artifact,
    Code,
    Cost,
    DatasetRef,
    Input,
    ModelRef,
    Record,
    artifact_path,
    read_record,
    record_path,
    trusted_record,
)
from piretry.provenance.root import OutputLock, run_id
from piretry.provenance.sentences import disk_error, missing_input, relative_to
from piretry.provenance.swap import remove, swap_in, sync, sync_tree

__all__ = ["Publication", "Record", "artifact_path", "read_record", "record_path"]


class Publication:
    """Publishes the outputs of one job.

    Args:
        root: the results folder of the scale; outputs must lie inside it.
        stage: the stage's name.
        target: what the job makes: a state's name, a claim, a table or the scale.
        outputs: role -> final path, a file or a folder.
        modules: the modules whose code ran, as for `code_digest`.
        inputs: role -> path. Each must exist.
        settings: everything else that decides the bytes of the outputs.
        seeds: name -> seed; when left out, every key of `settings` called seed, seeds or *_seed.
        facts: whatever else should be known; more can be added with `note`. The keys `models` and `datasets`
        are
            mappings of a role to ``{"id": ..., "revision": ...}`` (for a dataset also "fingerprint") and are
            kept in the fields of these names.
        command: what was typed; when left out, the command line of this process.

    Raises PiretryError on entry for a missing input (naming the stage that makes it), an output outside
    `root` or in a folder that cannot be written, or another job that is writing the same output; on exit for
    an output that was not written, an input that changed meanwhile, or a full disk. After any exception
    nothing of the job is left.
    """

    def __init__(
        self,
        *,
        root: Path,
        stage: str,
        target: str,
        outputs: Mapping[str, Path],
        modules: Sequence[str],
        inputs: Mapping[str, Path] | None = None,
        settings: Mapping[str, Any] | None = None,
        seeds: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
        command: str | Sequence[str] | None = None,
    ) -> None:
        self.root = Path(root)
        self.stage = stage
        self.target = target
        self.outputs = {role: Path(path) for role, path in outputs.items()}
        self.modules = tuple(modules)
        self.inputs = {role: Path(path) for role, path in (inputs or {}).items()}
        self.settings: dict[str, Any] = plain(dict(settings or {}), "settings")
        self.seeds = plain(dict(seeds if seeds is not None else _seeds_in(self.settings)), "seeds")
        self.records: dict[str, Record] = {}
        self._facts: dict[str, Any] = plain(dict(facts or {}), "facts")
        self._counters: dict[str, int | float] = {}
        command = environment.command_line() if command is None else command
        self._command = command if isinstance(command, str) else shlex.join(command)
        self._job = uuid.uuid4().hex
        self._locks = ExitStack()
        self._paths = {role: self._inside(path, f"output {role!r}") for role, path in self.outputs.items()}
        if len(set(self._paths.values())) < len(self._paths) or not self._paths:
            raise PiretryError(f"Stage {stage!r} must have at least one output, each with a path of its own.")

    # -- while the stage runs

    def temporary(self, role: str) -> Path:
        """The path to write output `role` to, file or folder. The same path every time it is asked for."""
        if role not in self.outputs:
            raise PiretryError(f"Stage {self.stage!r} has no output {role!r}.{nearest(role, self.outputs)}")
        return layout.temporary(self.outputs[role], self._token)

    def count(self, **counters: float) -> None:
        """Add to the counters of the record: ``count(prompt_tokens=..., completion_tokens=...)``."""
        for name, amount in plain(counters, "counters").items():
            self._counters[name] = self._counters.get(name, 0) + amount

    def note(self, **facts: Any) -> None:
        """Put facts into the record. A later one replaces one of its name; models and datasets add up."""
        for name, value in plain(facts, "facts").items():
            known = self._facts.get(name)
            if name in ("models", "datasets") and isinstance(known, dict) and isinstance(value, dict):
                known.update(value)
            else:
                self._facts[name] = value

    @property
    def input_hashes(self) -> dict[str, str]:
        """Role -> SHA-256 of each input, once the publication has been entered."""
        return {entry.role: entry.sha256 for entry in self._input_entries}

    # -- the context manager

    def __enter__(self) -> Publication:
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._cpu = _cpu_seconds()
        for role, path in self.inputs.items():
            if not path.exists():
                raise missing_input(role, path, self.root, f"{self.stage} {self.target}")
        try:
            self._run = run_id(self.root)
            for path in self.outputs.values():
                path.parent.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.outputs.values()):
                if self._locks.enter_context(OutputLock(path)).held:
                    for leftover in layout.temporaries_of(path):
                        remove(leftover)
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                hashed = {role: _hash_input(path, pool) for role, path in self.inputs.items()}
            self._contents = {role: content for role, (content, _) in hashed.items()}
            self._input_entries = [
                self._input_entry(role, content, record) for role, (content, record) in hashed.items()
            ]
            self._code = Code(code_digest(self.modules), self.modules, code_parts(self.modules))
        except BaseException as error:
            self._locks.close()
            self._raise_sentence(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if value is None:
                self._publish()
        except BaseException as error:
            self._raise_sentence(error)
            raise
        else:
            if value is not None:
                self._raise_sentence(value)
        finally:
            for role in self.outputs:
                for path in (self.temporary(role), self._temporary_record(role)):
                    remove(path)
            self._locks.close()

    # -- publishing

    def _publish(self) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            contents = {role: self._hash_output(role, pool) for role in self.outputs}
            for role, path in self.inputs.items():
                if not unchanged(path, self._contents[role].files):
                    now = hash_content(path, pool)
                    if now.sha256 != self._contents[role].sha256:
                        raise PiretryError(
                            f"The input {path} changed while {self.stage} was reading it, so the result "
                            "would have no provenance. Nothing was published: run it again, and only one "
                            "run at a time."
                        )
        records = self._make_records(contents)
        for role, record in records.items():
            sync_tree(self.temporary(role))
            draft = self._temporary_record(role)
            draft.write_text(record.to_json(), encoding="utf-8")
            sync(draft)
        swap_in([(self.temporary(role), self._temporary_record(role), final) for role, final in self.outputs.items()])
        self.records = records

    def _make_records(self, contents: Mapping[str, Content]) -> dict[str, Record]:
        models, datasets = self._references()
        machine = environment.machine()
        checkout = environment.checkout()
        wall = time.monotonic() - self._clock
        cost = Cost(
            started=self._started.isoformat(timespec="microseconds"),
            finished=datetime.now(UTC).isoformat(timespec="microseconds"),
            wall_seconds=round(wall, 3),
            cpu_seconds=round(_cpu_seconds() - self._cpu, 3),
            gpu_seconds=round(wall * len(machine.gpus), 3),
            counters=dict(sorted(self._counters.items())),
        )
        return {
            role: Record(
                schema=SCHEMA,
                run=self._run,
                job=self._job,
                artifact=_artifact(role, path, contents[role]),
                siblings=tuple(sorted(other for other in self._paths.values() if other != path)),
                stage=self.stage,
                target=self.target,
                state=layout.state_of(path, self.target),
                claim=layout.claim_of(path),
                table=layout.table_of(path),
                settings=self.settings,
                inputs=tuple(self._input_entries),
                command=self._command,
                folder=Path.cwd().as_posix(),
                code=self._code,
                checkout=checkout,
                packages=dict(environment.packages()),
                image=environment.image(),
                models=models,
                datasets=datasets,
                seeds=self.seeds,
                facts={key: value for key, value in self._facts.items() if key not in ("models", "datasets")},
                machine=machine,
                cost=cost,
            )
            for role, path in self._paths.items()
        }

    def _references(self) -> tuple[tuple[ModelRef, ...], tuple[DatasetRef, ...]]:
        try:
            return (
                tuple(ModelRef(role, **entry) for role, entry in self._facts.get("models", {}).items()),
                tuple(DatasetRef(role, **entry) for role, entry in self._facts.get("datasets", {}).items()),
            )
        except (TypeError, AttributeError) as error:
            raise PiretryError(
                f"Stage {self.stage!r} noted models or datasets that do not fit ({error}). Expected mappings "
                "of a role to id and revision, for a dataset also fingerprint."
            ) from error

    def _hash_output(self, role: str, pool: ThreadPoolExecutor) -> Content:
        path = self.temporary(role)
        if not path.exists():
            raise PiretryError(
                f"Stage {self.stage!r} finished without writing its output {role!r} ({self.outputs[role]}). "
                "Nothing was published."
            )
        return hash_content(path, pool)

    def _raise_sentence(self, error: BaseException) -> None:
        finals = {self.temporary(role): final for role, final in self.outputs.items()}
        sentence = disk_error(error, self.root, f"{self.stage} {self.target}", finals)
        if sentence is not None:
            raise sentence from error

    # -- names

    @property
    def _token(self) -> str:
        return self._job[:12]

    def _temporary_record(self, role: str) -> Path:
        return layout.temporary(record_path(self.outputs[role]), self._token)

    def _inside(self, path: Path, what: str) -> str:
        relative = relative_to(path, self.root)
        if relative is None or relative == ".":
            raise PiretryError(
                f"The {what} of stage {self.stage!r}, {path}, lies outside the results folder {self.root}."
            )
        return relative

    def _input_entry(self, role: str, content: Content, record: str | None) -> Input:
        relative = relative_to(self.inputs[role], self.root)
        shown = self.inputs[role].as_posix() if relative is None else relative
        return Input(role, shown, relative is not None, content.sha256, content.size, record)


def _artifact(role: str, path: str, content: Content) -> Artifact:
    return Artifact(role, path, content.kind, content.sha256, content.size, content.files)


def _hash_input(path: Path, pool: ThreadPoolExecutor) -> tuple[Content, str | None]:
    """The content of an input and the checksum of its record; the bytes are read only when they must be."""
    record = trusted_record(path)
    if record is not None:
        made = record.artifact
        return Content(made.kind, made.sha256, made.size, made.files), record.checksum
    content = hash_content(path, pool)
    try:
        return content, read_record(record_path(path)).checksum
    except PiretryError:
        return content, None


def _seeds_in(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if key in ("seed", "seeds") or key.endswith("_seed"):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _seeds_in(value, f"{prefix}{key}.")


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
