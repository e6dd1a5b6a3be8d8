"""The chain from a number down to data and models: links to the records, each of which is in the page once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from piretry.provenance.graph import Node
from piretry.report.numbers import plural, short
from piretry.report.parts import anchors
from piretry.report.results import Results

_SEED = re.compile(r"/s(\d+)/")


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
class Chain:
    """The chain of one artifact: `levels` from the number down, and what its family's correction reads besides."""

    summary: str
    levels: list[tuple[str, list[Group]]]
    family: list[Group]
    outside: list[str]


def chain_view(results: Results, path: str, files: Sequence[str]) -> Chain:
    """The chain below the result at `path`, whose own numbers come from `files`; the rest is its family's."""
    records = results.records
    own = records.chain([*dict.fromkeys(files)]) if files else records.chain([path])
    nodes = {node.id: node for node in own}
    top = records.nodes.get(path)
    if top is not None:
        nodes = {path: top, **nodes}
    record = records.by_path.get(path)
    others = [e.path for e in record.inputs if e.inside and e.path not in nodes] if record and files else []
    sorted_nodes = records.levels(nodes.values())
    outside = [node.label for node in nodes.values() if node.kind != "artifact"]
    return Chain(
        plural(sum(len(found) for _, found in sorted_nodes), "artifact"),
        [(name, _groups(found)) for name, found in sorted_nodes],
        _groups([records.nodes[other] for other in others if other in records.nodes]),
        sorted(set(outside)),
    )


def _groups(nodes: Sequence[Node]) -> list[Group]:
    """`nodes` by path without its seed; paths in order, seeds in order of number."""
    found: dict[str, list[tuple[str, Link]]] = {}
    for node in nodes:
        seed = _SEED.search(node.id)
        path = _SEED.sub("/…/", node.id) if seed else node.id
        found.setdefault(path, []).append((f"seed {seed[1]}" if seed else "", _link(node)))
    return [
        Group(path, sorted(links, key=lambda entry: (len(entry[0]), entry[0]))) for path, links in sorted(found.items())
    ]


def _link(node: Node) -> Link:
    if node.record is None:
        return Link(node.id, "", "", "")
    sha256 = node.record.artifact.sha256
    return Link(node.id, anchors.record(node.id), sha256, short(sha256))
