"""What changed between two runs beside the values: settings, seeds, code, data and models, images, packages, files."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from piretry.compare.model import Changes, CodeChange, Origin, SettingChange, Sides, StageFiles
from piretry.compare.pairs import Pair, Pairs
from piretry.grid.tasks import BUILDERS
from piretry.provenance.model import Record

# Keys that say where a run lies, not what it does; and those that repeat what is told elsewhere: a judge's family has
# records of its own, the files that judge and cost read follow from cells and seeds, and the page's settings are those
# of everything below it.
_LEFT_OUT = re.compile(r"judge: (target|family|files)\b|cost: cells\b")
_WITHOUT_SETTINGS = ("report",)
_SEED = re.compile(r"(?:^|[._])seeds?$")
# Stages whose artifacts come from outside or from a seed alone: the data and models that a run starts from.
_SOURCES = ("fetch", "prepare", "overlap", "theorems", "pretrain")
_STAGES = {stage: index for index, stage in enumerate(BUILDERS)}


def changes_between(pairs: Pairs) -> Changes:
    """Everything that the records of two runs do not agree on."""
    settings, seeds = _settings(pairs)
    one, two = pairs.a.records.values(), pairs.b.records.values()
    return Changes(
        settings=settings,
        seeds=(*_series_seeds(pairs), *seeds),
        code=_code(pairs.matched),
        checkout=_sides(one, two, _checkout),
        data=(*_references(one, two), *_sources(pairs.matched)),
        images=_sides(one, two, _image),
        packages=_packages(one, two),
        machines=_sides(one, two, _machine),
        files=_files(pairs),
        origins=_origins(pairs),
    )


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as (dotted key, plain value); lists of plain values stay whole, empty containers too."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flat(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for index, item in enumerate(value):
            yield from flat(item, f"{prefix}[{index}]")
    else:
        yield prefix, value


def _settings(pairs: Pairs) -> tuple[tuple[SettingChange, ...], tuple[Sides, ...]]:
    """The settings that changed, and apart from them those that are seeds."""
    found: dict[tuple[str, str, str | None, str | None], list[str]] = defaultdict(list)
    for pair in pairs.matched:
        if pair.a.settings == pair.b.settings or pair.a.stage in _WITHOUT_SETTINGS:
            continue
        for key, (one, two) in _changed(pair, pairs).items():
            if not _own_seed(pair, key):
                found[pair.a.stage, key, one, two].append(pair.key)
    changes = [SettingChange(*name, tuple(sorted(keys))) for name, keys in found.items()]
    changes.sort(key=lambda change: (_order(change.stage), change.key, change.a or "", change.b or ""))
    seeds = [change for change in changes if _SEED.search(change.key)]
    sides = dict.fromkeys(
        Sides(f"{change.stage}: {change.key}", _values(change.a), _values(change.b)) for change in seeds
    )
    return tuple(change for change in changes if change not in seeds), tuple(sides)


def _changed(pair: Pair, pairs: Pairs) -> dict[str, tuple[str | None, str | None]]:
    """The flat keys whose values are not the same in the two records -> both values."""
    one, two = _flat_settings(pair.a, pairs.key_a), _flat_settings(pair.b, pairs.key_b)
    both = {key: (one.get(key), two.get(key)) for key in {**one, **two}}
    return {key: values for key, values in both.items() if values[0] != values[1]}


def _flat_settings(record: Record, rename: Callable[[str], str]) -> dict[str, str]:
    found = {}
    for key, value in flat(record.settings):
        if not _LEFT_OUT.match(f"{record.stage}: {key}"):
            found[rename(key)] = rename(json.dumps(value, ensure_ascii=False))
    return found


def _own_seed(pair: Pair, key: str) -> bool:
    """Whether `key` is the seed of the state itself: that is said once for the series."""
    if key != "seed" or pair.a.state is None or pair.b.state is None:
        return False
    return all(record.target.endswith(f"/s{record.settings[key]}") for record in (pair.a, pair.b))


def _values(text: str | None) -> tuple[str, ...]:
    return () if text is None else (text,)


def _series_seeds(pairs: Pairs) -> tuple[Sides, ...]:
    """Series with other seeds, those with the same seeds in both runs named together."""
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[str]] = defaultdict(list)
    for series, seeds in pairs.series_seeds.items():
        if seeds[0] != seeds[1]:
            groups[seeds].append(series)
    return tuple(
        Sides(", ".join(series), tuple(map(str, one)), tuple(map(str, two))) for (one, two), series in groups.items()
    )


def _code(matched: Iterable[Pair]) -> tuple[CodeChange, ...]:
    modules: dict[str, set[str]] = defaultdict(set)
    artifacts: Counter[str] = Counter()
    for pair in matched:
        one, two = pair.a.code, pair.b.code
        if one.digest != two.digest:
            artifacts[pair.a.stage] += 1
            modules[pair.a.stage] |= {
                name for name in {**one.parts, **two.parts} if one.parts.get(name) != two.parts.get(name)
            }
    return tuple(
        CodeChange(stage, tuple(sorted(modules[stage])), count)
        for stage, count in sorted(artifacts.items(), key=lambda item: _order(item[0]))
    )


def _checkout(record: Record) -> tuple[str, str]:
    checkout = record.checkout
    if checkout.commit is None:
        return "commit", f"not known ({checkout.reason})"
    return "commit", f"{checkout.commit[:12]}{' with uncommitted changes' if checkout.dirty else ''}"


def _image(record: Record) -> tuple[str, str]:
    image = record.image
    return "image", "none" if image.path is None else f"{image.path} sha256 {(image.sha256 or 'not known')[:12]}"


def _machine(record: Record) -> tuple[str, str]:
    machine = record.machine
    gpus = ", ".join(f"{count} × {name}" for name, count in sorted(Counter(machine.gpus).items()))
    return "machine", f"{machine.cpu}, {gpus or 'no GPU'}"


def _sides(
    one: Iterable[Record], two: Iterable[Record], told: Callable[[Record], tuple[str, str]]
) -> tuple[Sides, ...]:
    """One `Sides` for each name whose set of values differs; each value with the number of artifacts."""
    counts = [Counter(map(told, records)) for records in (one, two)]
    names = sorted({name for count in counts for name, _ in count})
    found = []
    for name in names:
        values = [{value: n for (key, value), n in count.items() if key == name} for count in counts]
        if values[0].keys() != values[1].keys():
            sides = (tuple(f"{value} ({n} artifacts)" for value, n in sorted(side.items())) for side in values)
            found.append(Sides(name, *sides))
    return tuple(found)


def _packages(one: Iterable[Record], two: Iterable[Record]) -> tuple[Sides, ...]:
    versions: list[dict[str, set[str]]] = [defaultdict(set), defaultdict(set)]
    for side, records in zip(versions, (one, two), strict=True):
        for record in records:
            for name, version in record.packages.items():
                side[name].add(version or "not installed")
    return _unlike(versions)


def _references(one: Iterable[Record], two: Iterable[Record]) -> tuple[Sides, ...]:
    """Models and datasets from outside by role, where id, revision or fingerprint are not the same."""
    told: list[dict[str, set[str]]] = [defaultdict(set), defaultdict(set)]
    for side, records in zip(told, (one, two), strict=True):
        for record in records:
            for model in record.models:
                side[f"model {model.role}"].add(f"{model.id} at revision {model.revision or 'not stated'}")
            for data in record.datasets:
                print_ = f", fingerprint {data.fingerprint[:12]}" if data.fingerprint else ""
                side[f"dataset {data.role}"].add(f"{data.id} at revision {data.revision or 'not stated'}{print_}")
    return _unlike(told)


def _unlike(told: Sequence[Mapping[str, set[str]]]) -> tuple[Sides, ...]:
    """Of two mappings of names to values the names whose values are not the same."""
    names = sorted({*told[0], *told[1]})
    sides = (Sides(name, *(tuple(sorted(side.get(name, ()))) for side in told)) for name in names)
    return tuple(side for side in sides if side.a != side.b)


def _sources(matched: Iterable[Pair]) -> tuple[Sides, ...]:
    """The problem tables and base models whose bytes are not the same."""
    return tuple(
        Sides(pair.key, (f"sha256 {pair.a.artifact.sha256[:12]}",), (f"sha256 {pair.b.artifact.sha256[:12]}",))
        for pair in matched
        if pair.a.stage in _SOURCES and not pair.same
    )


def _files(pairs: Pairs) -> tuple[StageFiles, ...]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for pair in pairs.matched:
        counts[pair.a.stage][0 if pair.same else 1] += 1
    for place, records in enumerate(pairs.alone, start=2):
        for record in records:
            counts[record.stage][place] += 1
    return tuple(StageFiles(stage, *counts[stage]) for stage in sorted(counts, key=_order))


def _origins(pairs: Pairs) -> tuple[Origin, ...]:
    """Where the runs part: artifacts that differ although all their inputs are the same bytes."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for pair in pairs.matched:
        if (
            pair.same
            or pair.a.stage in _WITHOUT_SETTINGS
            or _inputs(pair.a, pairs.key_a) != _inputs(pair.b, pairs.key_b)
        ):
            continue
        found[pair.a.stage, tuple(_reasons(pair, pairs))].append(pair.key)
    ordered = sorted(found.items(), key=lambda item: (_order(item[0][0]), item[0][1]))
    return tuple(Origin(stage, reasons, tuple(sorted(keys))) for (stage, reasons), keys in ordered)


def _inputs(record: Record, rename: Callable[[str], str]) -> set[tuple[str, str]]:
    return {(rename(entry.role), entry.sha256) for entry in record.inputs}


def _reasons(pair: Pair, pairs: Pairs) -> Iterator[str]:
    one, two = pair.a, pair.b
    keys = list(_changed(pair, pairs))
    if any(_SEED.search(key) for key in keys):
        yield "seeds"
    if any(not _SEED.search(key) for key in keys):
        yield "settings"
    if one.code.digest != two.code.digest:
        yield "code"
    if one.packages != two.packages:
        yield "packages"
    if one.image.sha256 != two.image.sha256:
        yield "image"
    if (one.models, one.datasets) != (two.models, two.datasets):
        yield "models or data from outside"
    if (one.machine.cpu, one.machine.gpus) != (two.machine.cpu, two.machine.gpus):
        yield "machine"


def _order(stage: str) -> tuple[int, str]:
    return _STAGES.get(stage, len(_STAGES)), stage
