"""One side of a comparison: the records, claims and tables of a results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from piretry.claims.model import CONTROLS
from piretry.compare.model import Header
from piretry.errors import PiretryError
from piretry.grid import paths
from piretry.provenance import layout
from piretry.provenance.graph import Lineage
from piretry.provenance.hashing import hash_content
from piretry.provenance.model import Record
from piretry.provenance.root import read_run_id


@dataclass(frozen=True)
class Run:
    """A results folder: `claims` are the judge's results by id, controls among them, in the order of claims.yaml."""

    root: Path
    run: str | None
    lineage: Lineage
    claims: dict[str, dict[str, Any]]
    _hashes: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def records(self) -> dict[str, Record]:
        """Path -> record of every artifact."""
        return self.lineage.records

    @cached_property
    def header(self) -> Header:
        """Which run this is."""
        costs = [record.cost for record in self.records.values()]
        return Header(
            folder=self.root.as_posix(),
            scale=self.scale,
            run=self.run,
            started=min((cost.started for cost in costs), default=None),
            finished=max((cost.finished for cost in costs), default=None),
            artifacts=len(self.records),
            claims=sum(1 for result in self.claims.values() if not is_control(result)),
        )

    @property
    def scale(self) -> str:
        """The scale's name, as the claims have it."""
        return next((str(result["scale"]) for result in self.claims.values()), self.root.name)

    @cached_property
    def troubles(self) -> tuple[str, ...]:
        """Sentences on claims and evaluations that lie there with other bytes than their records name, or with none."""
        found = []
        for path in (*(paths.CLAIM.format(claim=name) for name in self.claims), *self.measured_files):
            record = self.records.get(path)
            if record is None:
                found.append(f"{self.root / path} has no provenance record that can be read.")
            elif (self.root / path).exists() and self.sha256(path) != record.artifact.sha256:
                found.append(
                    f"{self.root / path} was changed after it was made: `piretry audit {self.root}` says more."
                )
        return tuple(found)

    @property
    def measured_files(self) -> list[str]:
        """The files that the claims' numbers were measured on, sorted."""
        return sorted({file for result in self.claims.values() for q in result["quantities"] for file in q["files"]})

    def sha256(self, path: str) -> str | None:
        """The hash of the bytes that lie at `path` now, read once; None when nothing lies there."""
        if path not in self._hashes:
            place = self.root / path
            self._hashes[path] = hash_content(place).sha256 if place.exists() else ""
        return self._hashes[path] or None

    def problems(self, files: Iterable[str]) -> frozenset[str | None]:
        """The hashes of the problem tables that the completions in `files` answer; None for one that is not known."""
        return frozenset(sha for file in files for sha in self._problems(file))

    def _problems(self, path: str) -> set[str | None]:
        record = self.records.get(path)
        if record is None:
            return {None}
        if record.stage == "gather":
            return {sha for entry in record.inputs for sha in self._problems(entry.path)}
        return {next((entry.sha256 for entry in record.inputs if entry.role == "problems"), None)}


def is_control(result: dict[str, Any]) -> bool:
    """Whether a judge's result is that of a negative control."""
    return bool(result["section"] == CONTROLS)


def read_run(root: Path) -> Run:
    """Read the results folder of one scale; PiretryError when it is none, or has no claims yet."""
    if not root.is_dir():
        raise PiretryError(
            f"{root} is not a folder: diff takes two results folders, each of one scale, for example results/mini."
        )
    files = sorted(path for path in root.glob("claims/*.json") if layout.claim_of(f"claims/{path.name}"))
    files = [path for path in files if not path.name.endswith(".prov.json")]
    if not files:
        inside = sorted(path.parent.parent.name for path in root.glob("*/claims/*.json"))
        hint = f" Did you mean {root / inside[0]}?" if inside else ""
        raise PiretryError(
            f"{root} holds no judged claim (claims/*.json): expected the results folder of one scale, for example "
            f"results/mini, after `snakemake` has run at least one claim.{hint}"
        )
    lineage = Lineage.read(root)
    claims = {path.stem: _claim(path) for path in files}
    order = _order(lineage)
    names = sorted(claims, key=lambda name: (order.get(name, len(order)), name))
    return Run(root, read_run_id(root), lineage, {name: claims[name] for name in names})


def _claim(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PiretryError(f"{path} cannot be read as JSON ({error}). Delete it and run the workflow again.") from error
    needed = ("schema", "scale", "section", "verdict", "measured", "quantities", "status")
    if not isinstance(value, dict) or value.get("schema") != 1 or any(key not in value for key in needed):
        raise PiretryError(
            f"{path} is no result of this version's judge (schema 1 with {', '.join(needed[1:])}). Run the workflow "
            "again in that run: it judges the claim anew."
        )
    return value


def _order(lineage: Lineage) -> dict[str, int]:
    """The claims in the order of claims.yaml, where a report was made: its record has them."""
    report = next((record for record in lineage.records.values() if record.stage == "report"), None)
    if report is None:
        return {}
    names = [str(claim["id"]) for claim in report.settings.get("claims", [])]
    return {name: index for index, name in enumerate(names)}
