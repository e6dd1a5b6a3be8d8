"""Everything the page is made from, read once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from piretry.data.schema import Problem
from piretry.errors import PiretryError
from piretry.provenance.hashing import hash_content, unchanged
from piretry.report.completions import CompletionsFile, TableName, read_groups
from piretry.report.records import Records, read_records

CLAIM_SCHEMA = 1


@dataclass(frozen=True)
class Table:
    """A table of the report as its CSV file has it."""

    name: str
    path: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Results:
    """The files of a results folder that the page shows.

    `claims` and `controls` are the judge's results in the order of claims.yaml, by id; `declared` what claims.yaml says
    of each; `files` the completions tables below them, reduced to counts; `records` the provenance of all of it;
    `troubles` what does not fit together, in sentences.
    """

    root: Path
    inputs: dict[str, str]
    settings: dict[str, Any]
    declared: dict[str, dict[str, Any]]
    claims: dict[str, dict[str, Any]]
    controls: dict[str, dict[str, Any]]
    tables: dict[str, Table]
    overlap: dict[str, Any]
    cost: dict[str, Any]
    files: dict[str, CompletionsFile]
    records: Records
    troubles: tuple[str, ...]

    @property
    def scale(self) -> dict[str, Any]:
        """The scale file's content."""
        scale: dict[str, Any] = self.settings["scale"]
        return scale

    @cached_property
    def problems(self) -> dict[str, dict[str, Problem]]:
        """Problems by id, of every file of problems that a part of the page has read; filled by the parts."""
        return {}

    def tables_of(self, kind: str) -> list[CompletionsFile]:
        """The completions tables of a kind (attempts, resamples, retries, repeats, eval), by path."""
        return [file for _, file in sorted(self.files.items()) if file.name.kind == kind]

    @property
    def questions(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Section -> question -> the results of its claims, all in the FAQ's order."""
        tree: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for claim in self.claims.values():
            tree.setdefault(claim["section"], {}).setdefault(claim["question"], []).append(claim)
        return tree

    def quantity(self, measure: str, series: str, label: str | None = None) -> dict[str, Any] | None:
        """The judge's result for a quantity, from whichever claim measured it; `label` settles which of several."""
        for claim in self.claims.values():
            for quantity in claim["quantities"]:
                if (quantity["measure"], quantity["series"]) == (measure, series) and label in (
                    None,
                    quantity["label"],
                ):
                    found: dict[str, Any] = quantity
                    return found
        return None


def read_results(root: Path, inputs: Mapping[str, str], settings: Mapping[str, Any]) -> Results:
    """Read the files of `inputs` (name -> path below `root`, as the report's task names them).

    Raises PiretryError for a file that is missing, damaged or of another version.
    """
    declared = {claim["id"]: claim for claim in settings["claims"]}
    claims = {name: _claim(root, inputs[f"claim:{name}"]) for name in declared}
    controls = {name: _claim(root, inputs[f"claim:{name}"]) for name in settings["controls"]}
    tables = {name: _table(root, name, inputs[f"table:{name}"]) for name in settings["tables"]}
    # The completions tables are those that the records of the inputs lead to: nothing else is part of this run.
    records = read_records(root, inputs.values())
    named = {path: TableName.parse(path) for path in records.by_path if (root / path).exists()}
    completions = {path: name for path, name in named.items() if name is not None}
    return Results(
        root=root,
        inputs=dict(inputs),
        settings=dict(settings),
        declared=declared,
        claims=claims,
        controls=controls,
        tables=tables,
        overlap=_json(root / inputs["overlap"]),
        cost=_json(root / inputs["cost"]),
        files={path: read_groups(root, path, name) for path, name in completions.items()},
        records=records,
        troubles=(*records.troubles, *_changed(root, records, completions)),
    )


def _changed(root: Path, records: Records, paths: Iterable[str]) -> list[str]:
    """Sentences on completions tables that are not what their records say."""
    found = []
    for path in paths:
        made = records.by_path[path].artifact
        # Sizes and times settle it cheaply; a copied results folder has other times, and then the bytes decide.
        if not unchanged(root / path, made.files) and hash_content(root / path).sha256 != made.sha256:
            found.append(f"{path} was changed after it was made: its sha256 is not the one in its record.")
    return found


def _claim(root: Path, path: str) -> dict[str, Any]:
    value = _json(root / path)
    if value.get("schema") != CLAIM_SCHEMA:
        raise PiretryError(
            f"{root / path} has schema {value.get('schema')!r}, and this report reads schema {CLAIM_SCHEMA}. Run the "
            "workflow again: it judges the claim anew."
        )
    return value


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PiretryError(f"{path} cannot be read as JSON ({error}). Delete it and run the workflow again.") from error
    if not isinstance(value, dict):
        raise PiretryError(
            f"{path} holds a {type(value).__name__}, not an object. Delete it and run the workflow again."
        )
    return value


def _table(root: Path, name: str, path: str) -> Table:
    try:
        text = (root / path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PiretryError(f"{root / path} cannot be read ({error}). Delete it and run the workflow again.") from error
    rows = [tuple(row) for row in csv.reader(io.StringIO(text))]
    if not rows:
        raise PiretryError(f"{root / path} is empty. Delete it and run the workflow again.")
    return Table(name, path, text, rows[0], tuple(rows[1:]))
