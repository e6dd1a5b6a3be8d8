"""The provenance records of everything that the page shows, from the claims down to data and models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from piretry.provenance.graph import Lineage, Node
from piretry.provenance.model import Record

# How a chain is told, from the number down: a heading for each group of stages, nearest to the number first.
LEVELS = (
    ("Verdict", ("judge", "table", "cost")),
    ("Evaluations on the held-out problems", ("evaluate",)),
    ("Trained models", ("train", "distill")),
    ("Training examples (SFT sets)", ("select",)),
    ("Retries, their repeats, and fresh attempts", ("retry", "repeat", "resample", "skeleton")),
    ("First attempts", ("attempt",)),
    ("Base models", ("pretrain", "fetch")),
    ("Problems", ("overlap", "prepare", "theorems")),
)
NO_STAGE = "Others"
# Tables that a scale divides over several jobs are put together by stage gather.
_STAGE_OF_TABLE = {
    "attempts": "attempt",
    "resamples": "resample",
    "retries": "retry",
    "repeats": "repeat",
    "skeletons": "skeleton",
    "eval": "evaluate",
}


@dataclass(frozen=True)
class Records:
    """The records below `tops` (paths relative to the results folder)."""

    lineage: Lineage
    tops: tuple[str, ...]

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Every artifact, outside file, model and dataset that the page rests on, by id, each once."""
        found: dict[str, Node] = {}
        for top in self.tops:
            for node in self._below(top):
                found.setdefault(node.id, node)
        return found

    @cached_property
    def by_path(self) -> dict[str, Record]:
        """Path -> record of every artifact, sorted by path."""
        return {name: node.record for name, node in sorted(self.nodes.items()) if node.record is not None}

    @cached_property
    def troubles(self) -> list[str]:
        """What is wrong with the records, in sentences: it is shown on top of the page, and `piretry audit` decides."""
        found = [
            f"{node.id} has no provenance record that can be read."
            for node in self.nodes.values()
            if node.kind == "artifact" and node.record is None
        ]
        for path, record in self.by_path.items():
            for entry in record.inputs:
                made = self.by_path.get(entry.path) if entry.inside else None
                if made is not None and made.artifact.sha256 != entry.sha256:
                    found.append(f"{path} was made from another version of {entry.path} than the one there now.")
        return sorted(found)

    def chain(self, paths: Iterable[str]) -> list[Node]:
        """`paths` and everything that they were made from, each once."""
        found: dict[str, Node] = {}
        for path in paths:
            for node in self._below(path):
                found.setdefault(node.id, node)
        return list(found.values())

    def made_from(self, node: Node) -> list[Node]:
        """What the artifact of `node` was made from, one step down."""
        if node.record is None:
            return []
        return [other for other in self._below(node.id) if other.depth == 1]

    def _below(self, path: str) -> tuple[Node, ...]:
        """The lineage of `path`; claims share most of theirs, so that each is walked once."""
        if path not in self._walked:
            self._walked[path] = self.lineage.graph(path).nodes
        return self._walked[path]

    @cached_property
    def _walked(self) -> dict[str, tuple[Node, ...]]:
        return {}

    def levels(self, nodes: Iterable[Node]) -> list[tuple[str, list[Node]]]:
        """The artifacts among `nodes`, sorted into LEVELS."""
        groups: dict[str, list[Node]] = {name: [] for name, _ in LEVELS}
        for node in sorted(nodes, key=lambda node: node.id):
            if node.kind == "artifact":
                groups.setdefault(level_of(node.id, node.record), []).append(node)
        return [(name, found) for name, found in groups.items() if found]

    def jobs(self) -> list[Record]:
        """One record of each job: artifacts that one job wrote share its cost."""
        return list({record.job: record for record in self.by_path.values()}.values())


def level_of(path: str, record: Record | None) -> str:
    """The heading under which the artifact at `path` stands: that of its stage; shards stand with their whole."""
    stage = record.stage if record else ""
    if stage == "gather":
        table = path.rpartition("/")[2].partition(".")[0].partition("-")[0]
        stage = _STAGE_OF_TABLE.get(table, stage)
    return next((name for name, stages in LEVELS if stage in stages), NO_STAGE)


def read_records(root: Path, tops: Iterable[str]) -> Records:
    """The records below the artifacts `tops` of the results folder `root`."""
    return Records(Lineage.read(root), tuple(sorted(set(tops))))
