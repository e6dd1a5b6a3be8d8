"""The lineage of every artifact of a results folder, from its records: down to the data, up to the claims."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from piretry.provenance import layout
from piretry.provenance.model import RECORD_SUFFIX, Record, load, record_path
from piretry.provenance.tree import walk


@dataclass(frozen=True)
class Node:
    """One thing in a lineage.

    `kind` is "artifact" (made here), "outside" (a file from outside the results folder), "model" or "dataset"
    (one that the record of an artifact names by id and revision). `id` is unique in a graph: the path, or the
    kind with id and revision. `depth` counts steps from the artifact asked for; `record` is None where there
    is none.
    """

    id: str
    kind: str
    label: str
    depth: int
    record: Record | None


@dataclass(frozen=True)
class Edge:
    """`source` was made from `target`, which it knew as `role`."""

    source: str
    target: str
    role: str


@dataclass(frozen=True)
class Graph:
    """Nodes nearest first (then by id) and edges in the order in which they are met."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


class Lineage:
    """The records of a results folder by the path of their artifact, and the ways between them.

    Args:
        records: path relative to the results folder -> record. The path is where the record lies, whatever it
        says.
    """

    def __init__(self, records: Mapping[str, Record]) -> None:
        self.records = dict(sorted(records.items()))

    @classmethod
    def read(cls, root: Path) -> Lineage:
        """Read every record below `root`, but for those that cannot be read: the audit reports them."""
        paths = walk(root).recorded
        with ThreadPoolExecutor(8) as pool:
            records = pool.map(_read_or_none, (record_path(root / path) for path in paths))
            return cls({path: record for path, record in zip(paths, records, strict=True) if record})

    def lineage(self, path: str) -> list[Record]:
        """The records of `path` and of all it was made from, nearest first; empty without a record."""
        return [node.record for node in self.graph(path).nodes if node.record is not None]

    def graph(self, path: str) -> Graph:
        """The lineage of `path` as nodes and edges. A cycle (damaged records) ends the walk."""
        start = self.owner(path)
        depth = {start: 0}
        nodes: list[Node] = []
        edges: list[Edge] = []
        waiting = deque([(start, "artifact", start)])
        while waiting:
            name, kind, label = waiting.popleft()
            record = self.records.get(name) if kind == "artifact" else None
            nodes.append(Node(name, kind, label, depth[name], record))
            for other, other_kind, other_label, role in self._made_from(record) if record else ():
                edges.append(Edge(name, other, role))
                if other not in depth:
                    depth[other] = depth[name] + 1
                    waiting.append((other, other_kind, other_label))
        return Graph(tuple(sorted(nodes, key=lambda node: (node.depth, node.id))), tuple(edges))

    def dependents(self, path: str) -> list[str]:
        """Every artifact made from `path`, directly or through others, sorted; without `path` itself."""
        start = self.owner(path)
        seen = {start}
        waiting = [start]
        while waiting:
            for consumer in self._consumers.get(waiting.pop(), ()):
                if consumer not in seen:
                    seen.add(consumer)
                    waiting.append(consumer)
        return sorted(seen - {start})

    def claims_depending_on(self, path: str) -> list[str]:
        """The ids of the claims whose verdict was made from `path` (or is `path`), sorted."""
        paths = [self.owner(path), *self.dependents(path)]
        return sorted({claim for claim in map(layout.claim_of, paths) if claim is not None})

    def owner(self, path: str) -> str:
        """The recorded artifact that `path` is, or is a file or the record of; else `path` itself."""
        path = path.removesuffix(RECORD_SUFFIX)
        places = (path, *(parent.as_posix() for parent in PurePosixPath(path).parents))
        return next((place for place in places if place in self.records), path)

    @cached_property
    def _consumers(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for place, record in self.records.items():
            # A record that was moved still tells what was made from what: follow it under both of its names.
            names = [place] if record.artifact.path == place else [place, record.artifact.path]
            for entry in record.inputs:
                found.setdefault(self.owner(entry.path), []).extend(names)
            if len(names) > 1:
                found.setdefault(place, []).append(record.artifact.path)
        return found

    def _made_from(self, record: Record) -> Iterable[tuple[str, str, str, str]]:
        """(node id, kind, label, role) of everything that the artifact of `record` was made from."""
        for entry in record.inputs:
            name = self.owner(entry.path) if entry.inside else entry.path
            yield name, "artifact" if entry.inside else "outside", name, entry.role
        for model in record.models:
            yield f"model {model.id} {model.revision}", "model", model.id, model.role
        for dataset in record.datasets:
            yield f"dataset {dataset.id} {dataset.revision}", "dataset", dataset.id, dataset.role


def _read_or_none(path: Path) -> Record | None:
    try:
        return load(path.read_text(encoding="utf-8")).record
    except (OSError, ValueError):
        return None
