"""The chain from a number down to data and models: a graph, and links to the records, each on the page once.

The levels are those of `records.LEVELS`, with the numbers themselves between the verdict and what they were computed
from: claim → statistic → evaluations → models → SFT sets → retries → attempts → base models → problems.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from piretry.provenance.graph import Node
from piretry.provenance.model import Record
from piretry.report.numbers import listed, moment, plural, short
from piretry.report.parts import anchors
from piretry.report.records import LEVELS
from piretry.report.results import Results

_SEED = re.compile(r"/s(\d+)/")
NUMBERS = "Numbers"
OUTSIDE = "From outside"
_FEW = 6  # single values named in a fact; more are counted


@dataclass(frozen=True)
class Link:
    """One artifact of a chain. `anchor` is empty where no record is embedded."""

    path: str
    anchor: str
    sha256: str
    short: str


@dataclass(frozen=True)
class Group:
    """Artifacts that differ in their seed alone: ``small/base/…/eval.parquet`` with a link for each seed."""

    path: str
    links: list[tuple[str, Link]]


@dataclass(frozen=True)
class Spot:
    """A place of the graph: one number, or artifacts that differ in their seed alone. `made_from` are ids of others."""

    id: str
    level: str
    text: str
    made_from: tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """The chain of one artifact.

    `levels` from the number down; `family` is what the correction for many tests reads besides; `outside` names models
    and datasets; `facts` say of all the records together what each says alone; `spots` are the places of the graph.
    """

    summary: str
    levels: list[tuple[str, list[Group]]]
    family: list[Group]
    outside: list[str]
    facts: list[tuple[str, str]]
    spots: list[Spot]


def chain_view(results: Results, path: str, numbers: Sequence[Mapping[str, Any]]) -> Chain:
    """The chain below the result at `path`, whose own `numbers` (quantities of the judge) come from files; the rest of
    what it read is its family's.
    """
    records = results.records
    files = list(dict.fromkeys(file for number in numbers for file in number.get("files") or ()))
    nodes = {node.id: node for node in records.chain(files or [path])}
    top = records.nodes.get(path)
    if top is not None:
        nodes = {path: top, **nodes}
    record = records.by_path.get(path)
    others = [e.path for e in record.inputs if e.inside and e.path not in nodes] if record and files else []
    levels = records.levels(nodes.values())
    outside = sorted({node.label for node in nodes.values() if node.kind != "artifact"})
    made = [node.record for node in nodes.values() if node.record is not None]
    return Chain(
        plural(sum(len(found) for _, found in levels), "artifact"),
        [(name, groups(found)) for name, found in levels],
        groups([records.nodes[other] for other in others if other in records.nodes]),
        outside,
        _facts(made),
        _spots(results, path, numbers, levels, nodes),
    )


def groups(nodes: Sequence[Node]) -> list[Group]:
    """`nodes` by path without its seed; paths in order, seeds in order of number."""
    found: dict[str, list[tuple[str, Link]]] = {}
    for node in nodes:
        seed = _SEED.search(node.id)
        found.setdefault(_seedless(node.id), []).append((f"seed {seed[1]}" if seed else "", _link(node)))
    return [
        Group(path, sorted(links, key=lambda entry: (len(entry[0]), entry[0]))) for path, links in sorted(found.items())
    ]


def _seedless(path: str) -> str:
    return _SEED.sub("/…/", path)


def _link(node: Node) -> Link:
    if node.record is None:
        return Link(node.id, "", "", "")
    sha256 = node.record.artifact.sha256
    return Link(node.id, anchors.record(node.id), sha256, short(sha256))


def _spots(
    results: Results,
    path: str,
    numbers: Sequence[Mapping[str, Any]],
    levels: Sequence[tuple[str, Sequence[Node]]],
    nodes: Mapping[str, Node],
) -> list[Spot]:
    """The places of the graph, by level from the verdict down; artifacts of all seeds are one place."""
    verdict = LEVELS[0][0]
    with_files = [number for number in numbers if number.get("files")]
    edges: dict[str, dict[str, None]] = {}
    outside: dict[str, str] = {}
    for node in nodes.values():
        own = edges.setdefault(_seedless(node.id), {})
        for target in results.records.made_from(node):
            if target.id in nodes and not (node.id == path and with_files):
                own[_seedless(target.id)] = None
            if target.kind != "artifact":
                outside[target.id] = target.label
    if with_files:  # the verdict was made from the numbers, and each of them from its files
        edges[path] = {f"number {place}": None for place, number in enumerate(numbers) if number.get("files")}
    spots = []
    for name, found in levels:
        amounts: dict[str, int] = {}
        for node in found:
            amounts[_seedless(node.id)] = amounts.get(_seedless(node.id), 0) + 1
        for seedless, amount in sorted(amounts.items()):
            text = seedless + (f"  × {plural(amount, 'seed')}" if "…" in seedless else "")
            spots.append(Spot(seedless, name, text, tuple(edges.get(seedless, ()))))
        if name == verdict:
            spots += [
                Spot(f"number {place}", NUMBERS, number["label"], tuple(map(_seedless, number["files"])))
                for place, number in enumerate(numbers)
                if number.get("files")
            ]
    spots += [Spot(key, OUTSIDE, label, ()) for key, label in sorted(outside.items())]
    return spots


def _facts(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What the records of a chain have in common, or how they differ: code, image, host, jobs, times, seeds."""
    if not records:
        return []
    jobs = {record.job: record for record in records}
    commits = sorted({record.checkout.commit or "not known" for record in records})
    dirty = sum(bool(record.checkout.dirty) for record in jobs.values())
    changed = f"; {dirty} of {plural(len(jobs), 'job')} ran with uncommitted changes" if dirty else ""
    codes: dict[str, set[str]] = {}
    for record in records:
        codes.setdefault(record.stage, set()).add(short(record.code.digest))
    images = sorted({f"{r.image.path} (sha256 {r.image.sha256})" if r.image.path else "none" for r in records})
    machines = sorted({", ".join([r.machine.host, *dict.fromkeys(r.machine.gpus)]) for r in records})
    slurm = sorted({r.machine.slurm_job for r in records if r.machine.slurm_job})
    seeds = sorted({f"{name} {value}" for r in records for name, value in r.seeds.items()})
    return [
        ("Commit", listed(commits) + changed),
        ("Code digests", "; ".join(f"{stage} {listed(sorted(found))}" for stage, found in sorted(codes.items()))),
        ("Container image", listed(images)),
        ("Host", listed(machines)),
        *([("Slurm jobs", _some(slurm))] if slurm else []),
        ("Jobs", f"{len(jobs):,}, from {moment(min(r.cost.started for r in records))} to "
                 f"{moment(max(r.cost.finished for r in records))}"),
        ("Seeds", _some(seeds)),
    ]  # fmt: skip


def _some(values: Sequence[str]) -> str:
    """`values` in a list; of many the first few and how many more."""
    rest = len(values) - _FEW
    return ", ".join(values[:_FEW]) + (f" and {rest:,} more" if rest > 0 else "") if values else "none"
