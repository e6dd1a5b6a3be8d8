"""The chain from a number down to data and models: links to the records, each of which is in the page once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from piretry.provenance.graph import Node
from piretry.report.numbers import plural, short
from piretry.report.parts import anchors
from piretry.report.results import Results


@dataclass(frozen=True)
class Link:
    """One artifact of a chain. `anchor` is empty where no record is embedded."""

    path: str
    anchor: str
    sha256: str
    short: str


@dataclass(frozen=True)
class Chain:
    """The chain of one artifact: `levels` from the number down, and what its family's correction reads besides."""

    summary: str
    levels: list[tuple[str, list[Link]]]
    family: list[Link]
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
    levels = [(name, [_link(node) for node in found]) for name, found in records.levels(nodes.values())]
    outside = [node.label for node in nodes.values() if node.kind != "artifact"]
    amount = sum(len(found) for _, found in levels)
    known = [records.nodes[other] for other in sorted(others) if other in records.nodes]
    return Chain(plural(amount, "artifact"), levels, [_link(node) for node in known], sorted(set(outside)))


def _link(node: Node) -> Link:
    if node.record is None:
        return Link(node.id, "", "", "")
    sha256 = node.record.artifact.sha256
    return Link(node.id, anchors.record(node.id), sha256, short(sha256))
