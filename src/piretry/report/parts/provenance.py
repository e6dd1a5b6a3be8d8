"""Every provenance record below the page, each once; what many records share is a block of its own, each once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from piretry.provenance.hashing import digest_json
from piretry.provenance.model import Record
from piretry.report.numbers import moment, short, size
from piretry.report.parts import anchors
from piretry.report.parts.claims import rebuild_command
from piretry.report.records import LEVELS, level_of
from piretry.report.results import Results

_INLINE = 120  # settings whose JSON is longer than this become a block that records point to
_OWN = ("state", "seed", "target")  # settings that a record shows itself, however many others have the same
_OFTEN = 3  # a fact that so many records of a stage share stands in the block that they share
_INPUTS = 60  # inputs that a record shows; the record's file has all of them
_LIST_ENDS = 8  # numbers shown from either end of a long list, e.g. of losses


@dataclass(frozen=True)
class Block:
    """A piece of many records: its anchor, what it is, and its content as lines of text."""

    anchor: str
    title: str
    text: str
    others: tuple[Block, ...] = ()  # blocks that it refers to


@dataclass
class Blocks:
    """Blocks by content: the same content is kept once."""

    found: dict[str, Block] = field(default_factory=dict)

    def add(self, title: str, value: Any, others: Sequence[Block] = ()) -> Block:
        """The block with this content, which refers to `others`."""
        digest = digest_json([title, value, [block.anchor for block in others]])
        if digest not in self.found:
            self.found[digest] = Block(anchors.block(digest), title, as_text(value), tuple(others))
        return self.found[digest]


@dataclass(frozen=True)
class Made:
    """One input of a record; `path` is short where it lies in the same folder.

    `sha256` is left out where the record of the input has it; `changed` when the file there now is not the one that was
    used.
    """

    role: str
    path: str
    anchor: str
    sha256: str
    changed: bool


@dataclass(frozen=True)
class RecordView:
    """One record, as text. What many records share is in `common` (settings) and `around` (code, image, machine)."""

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
    more_inputs: int
    settings: list[tuple[str, str, Block | None]]
    common: Block | None
    seeds: str
    facts: list[tuple[str, str, bool]]  # the last: whether the text is long
    models: list[str]
    datasets: list[str]
    code: str
    around: Block
    host: str
    commit: str
    dirty: bool
    slurm: str
    when: str
    cost: list[tuple[str, float]]
    counters: list[tuple[str, str]]
    rebuild: str


def view(results: Results) -> dict[str, Any]:
    """`levels`: (heading, records), from verdicts down to data; `blocks`: what the records share."""
    blocks = Blocks()
    records = results.records.by_path
    usage = Counter(
        _usage(record.stage, *item)
        for record in records.values()
        for item in (*record.settings.items(), *record.facts.items())
    )
    groups: dict[str, list[RecordView]] = {name: [] for name, _ in LEVELS}
    for path, record in records.items():
        groups.setdefault(level_of(path, record), []).append(_record(results, path, record, blocks, usage))
    levels = [(name, found) for name, found in groups.items() if found]
    titles = sorted(blocks.found.values(), key=lambda block: (block.title, block.anchor))
    return {"levels": levels, "blocks": titles, "amount": sum(len(found) for _, found in levels)}


def _usage(stage: str, name: str, value: Any) -> tuple[str, str, str]:
    """What tells a setting or fact of a stage from another; plain JSON, because there are very many of them."""
    return stage, name, value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _record(
    results: Results, path: str, record: Record, blocks: Blocks, usage: Counter[tuple[str, str, str]]
) -> RecordView:
    made, cost, checkout = record.artifact, record.cost, record.checkout
    own: dict[str, Any] = {}
    common: dict[str, Any] = {}
    for name, value in record.settings.items():
        if (name == "state" and path.startswith(f"{value}/")) or record.seeds.get(name) == value:
            continue  # the path or the seeds say it
        shared = name not in _OWN and usage[_usage(record.stage, name, value)] > 1
        (common if shared else own)[name] = value
    common_facts = {n: v for n, v in record.facts.items() if usage[_usage(record.stage, n, v)] > _OFTEN}
    facts = {name: value for name, value in record.facts.items() if name not in common_facts}
    return RecordView(
        path=path,
        anchor=anchors.record(path),
        stage=record.stage,
        target="" if path == record.target or path.startswith(f"{record.target}/") else record.target,
        kind="" if made.kind == "file" else made.kind,
        size=size(made.size),
        sha256=made.sha256,
        short=short(made.sha256),
        files=[(file.path, file.sha256, size(file.size)) for file in made.files if file.path],
        inputs=[_input(results, path, entry) for entry in record.inputs[:_INPUTS]],
        more_inputs=max(0, len(record.inputs) - _INPUTS),
        settings=[_setting(name, value, blocks) for name, value in own.items()],
        common=blocks.add(f"Settings of stage {record.stage}", common) if common else None,
        seeds=", ".join(f"{name} {value}" for name, value in record.seeds.items()),
        facts=[(name, text, len(text) > _INLINE) for name, text in _texts(facts)],
        models=[_reference(asdict(model)) for model in record.models],
        datasets=[_reference(asdict(dataset)) for dataset in record.datasets],
        code=short(record.code.digest),
        around=_around(record, common_facts, blocks),
        host=record.machine.host,
        commit=short(checkout.commit) if checkout.commit else f"not known: {checkout.reason}",
        dirty=bool(checkout.dirty),
        slurm=record.machine.slurm_job or "",
        when=_when(cost.started, cost.finished),
        cost=[("wall", cost.wall_seconds), ("CPU", cost.cpu_seconds), ("GPU", cost.gpu_seconds)],
        counters=[(name.replace("_", " "), f"{value:,.6g}") for name, value in cost.counters.items()],
        rebuild=rebuild_command(results, f"{results.settings['results']}/{path}"),
    )


def _texts(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, as_text(value)) for name, value in values.items()]


def _around(record: Record, noted: Mapping[str, Any], blocks: Blocks) -> Block:
    """Code, packages, commit, image, machine and command: the same for most jobs of a stage."""
    machine = record.machine
    packages = blocks.add("Packages", {name: version for name, version in record.packages.items() if version})
    return blocks.add(
        f"Code and machine of stage {record.stage}",
        {
            "code digest": record.code.digest,
            "commit": record.checkout.commit or f"not known: {record.checkout.reason}",
            "uncommitted changes": bool(record.checkout.dirty),
            "image": {"path": record.image.path, "sha256": record.image.sha256} if record.image.path else "none",
            "host": machine.host,
            "cpu": machine.cpu,
            "gpus": list(machine.gpus),
            "command": _without_task(record.command),
            **({"noted": noted} if noted else {}),
            "modules": record.code.parts,
        },
        [packages],
    )


def _when(started: str, finished: str) -> str:
    """Start and end; the day once when it is the same."""
    start, end = moment(started), moment(finished)
    day, _, _ = start.partition(" ")
    return f"{start.removesuffix(' UTC')} to {end.removeprefix(day + ' ')}"


def _input(results: Results, path: str, entry: Any) -> Made:
    now = results.records.by_path.get(entry.path) if entry.inside else None
    changed = now is not None and now.artifact.sha256 != entry.sha256
    anchor = anchors.record(entry.path) if now is not None else ""
    role = "" if entry.role == entry.path else entry.role
    shown = entry.path.removeprefix(f"{path.rpartition('/')[0]}/")
    return Made(role, shown, anchor, "" if now is not None and not changed else entry.sha256, changed)


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
