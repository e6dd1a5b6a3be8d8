"""Every provenance record below the page, each once; what many records share is a block of its own, each once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from piretry.provenance.hashing import digest_json
from piretry.provenance.model import Record
from piretry.report.numbers import short, size
from piretry.report.parts import anchors
from piretry.report.parts.claims import rebuild_command
from piretry.report.records import LEVELS, level_of
from piretry.report.results import Results

_INLINE = 120  # settings whose JSON is longer than this become a block that records point to
_LIST_ENDS = 8  # numbers shown from either end of a long list, e.g. of losses


@dataclass(frozen=True)
class Block:
    """A piece of many records: its anchor, what it is, and its content as lines of text."""

    anchor: str
    title: str
    text: str


@dataclass
class Blocks:
    """Blocks by content: the same content is kept once."""

    found: dict[str, Block] = field(default_factory=dict)

    def add(self, title: str, value: Any) -> Block:
        """The block with this content."""
        digest = digest_json([title, value])
        if digest not in self.found:
            self.found[digest] = Block(anchors.block(digest), title, as_text(value))
        return self.found[digest]


@dataclass(frozen=True)
class Made:
    """One input of a record. `changed` when the file there now is not the one that was used."""

    role: str
    path: str
    anchor: str
    sha256: str
    short: str
    changed: bool


@dataclass(frozen=True)
class RecordView:
    """One record, as text."""

    path: str
    anchor: str
    stage: str
    target: str
    kind: str
    size: str
    sha256: str
    short: str
    files: list[tuple[str, str, str]]
    inputs: list[Made]
    settings: list[tuple[str, str, Block | None]]
    seeds: str
    facts: list[tuple[str, str]]
    models: list[str]
    datasets: list[str]
    code: str
    shared: list[Block]
    image: str
    commit: str
    dirty: bool
    machine: str
    slurm: str
    started: str
    finished: str
    cost: list[tuple[str, float]]
    counters: list[tuple[str, str]]
    command: str
    rebuild: str


def view(results: Results) -> dict[str, Any]:
    """`levels`: (heading, records), from verdicts down to data; `blocks`: what the records share."""
    blocks = Blocks()
    groups: dict[str, list[RecordView]] = {name: [] for name, _ in LEVELS}
    for path, record in results.records.by_path.items():
        groups.setdefault(level_of(path, record), []).append(_record(results, path, record, blocks))
    levels = [(name, found) for name, found in groups.items() if found]
    titles = sorted(blocks.found.values(), key=lambda block: (block.title, block.anchor))
    return {"levels": levels, "blocks": titles, "amount": sum(len(found) for _, found in levels)}


def _record(results: Results, path: str, record: Record, blocks: Blocks) -> RecordView:
    made, cost = record.artifact, record.cost
    shared = [
        blocks.add("Code", {"digest": record.code.digest, "modules": record.code.parts}),
        blocks.add("Packages", {name: version for name, version in record.packages.items() if version}),
    ]
    machine = record.machine
    gpus = f", {', '.join(machine.gpus)}" if machine.gpus else ", no GPU"
    checkout = record.checkout
    return RecordView(
        path=path,
        anchor=anchors.record(path),
        stage=record.stage,
        target=record.target,
        kind=made.kind,
        size=size(made.size),
        sha256=made.sha256,
        short=short(made.sha256),
        files=[(file.path, file.sha256, size(file.size)) for file in made.files if file.path],
        inputs=[_input(results, entry) for entry in record.inputs],
        settings=[_setting(name, value, blocks) for name, value in record.settings.items()],
        seeds=", ".join(f"{name} {value}" for name, value in record.seeds.items()),
        facts=[(name, as_text(value)) for name, value in record.facts.items()],
        models=[_reference(asdict(model)) for model in record.models],
        datasets=[_reference(asdict(dataset)) for dataset in record.datasets],
        code=record.code.digest,
        shared=shared,
        image=f"{record.image.path} (sha256 {record.image.sha256})" if record.image.path else "none",
        commit=checkout.commit or f"not known: {checkout.reason}",
        dirty=bool(checkout.dirty),
        machine=f"{machine.host}: {machine.cpu}{gpus}",
        slurm=machine.slurm_job or "",
        started=cost.started,
        finished=cost.finished,
        cost=[("wall", cost.wall_seconds), ("CPU", cost.cpu_seconds), ("GPU", cost.gpu_seconds)],
        counters=[(name.replace("_", " "), f"{value:,.6g}") for name, value in cost.counters.items()],
        command=_without_task(record.command),
        rebuild=rebuild_command(results, f"{results.settings['results']}/{path}"),
    )


def _input(results: Results, entry: Any) -> Made:
    now = results.records.by_path.get(entry.path) if entry.inside else None
    changed = now is not None and now.artifact.sha256 != entry.sha256
    anchor = anchors.record(entry.path) if now is not None else ""
    role = "" if entry.role == entry.path else entry.role
    return Made(role, entry.path, anchor, entry.sha256, short(entry.sha256), changed)


def _setting(name: str, value: Any, blocks: Blocks) -> tuple[str, str, Block | None]:
    """A setting in the record itself when it is short, else as a block."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= _INLINE:
        return name, text, None
    return name, "", blocks.add(f"Setting {name}", value)


def _reference(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def _without_task(command: str) -> str:
    """The command as it was typed, but for the task's JSON, which says what the record says anyway."""
    head, option, rest = command.partition("--task ")
    if not option or not rest.startswith("'"):
        return command
    _, closing, tail = rest.rpartition("' ")
    return f"{head}--task '(settings, inputs and outputs as above)' {tail}" if closing else f"{head}--task '(as above)'"


def as_text(value: Any) -> str:
    """A value as indented JSON; of long lists of plain values only both ends."""
    if isinstance(value, str):
        return value
    return json.dumps(_shortened(value), indent=1, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        plain = all(not isinstance(item, dict | list) for item in value)
        if plain and len(value) > 2 * _LIST_ENDS + 4:
            middle = f"… {len(value) - 2 * _LIST_ENDS} more …"
            return [*value[:_LIST_ENDS], middle, *value[-_LIST_ENDS:]]
        return [_shortened(item) for item in value]
    return value
