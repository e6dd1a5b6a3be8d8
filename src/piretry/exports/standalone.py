"""The audit inside an archive: nothing but the archive itself and Python's standard library.

`audit.py` at the top of an archive calls `main`. First every file is held against manifest-sha256.txt, then the
results are audited as `piretry audit` does it, against the sources in the archive, and every claim is walked down to
data and models. The weights of an archive without models are not there to be hashed: that is said, and is no finding.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.provenance import layout
from piretry.provenance.audit import Audit
from piretry.provenance.code import code_digest
from piretry.provenance.findings import AuditReport
from piretry.provenance.graph import Lineage
from piretry.provenance.hashing import sha256_file
from piretry.provenance.model import Loaded, Record, load

DESCRIPTION = "archive.json"
MANIFEST = "manifest-sha256.txt"
SCRIPT = "audit.py"
FORMAT = 1


@dataclass(frozen=True)
class Description:
    """What an archive says of itself. `left_out`: path of an artifact that is not in it -> the hash of its bytes."""

    format: int
    scale: str
    results: str
    run: str
    left_out: dict[str, str]
    findings: int


@dataclass(frozen=True)
class Chain:
    """What one claim rests on, all the way down: artifacts, among them models, and data and models from elsewhere."""

    claim: str
    artifacts: int
    models: int
    data: int
    outside: int


def main(home: Path, arguments: Sequence[str] | None = None) -> int:
    """Audit the unpacked archive in `home`; returns 0 when nothing was found, else 1."""
    parser = argparse.ArgumentParser(prog=SCRIPT, description="Audit this archive: its files, its results, its claims.")
    parser.add_argument("--claims", action="store_true", help="print what each claim rests on")
    options = parser.parse_args(arguments)
    try:
        described = read_description(home)
        root = home / described.results
        lines = list(manifest_findings(home, described))
        report, chains, unseen = audit_results(root, described)
    except PiretryError as error:
        print(f"{SCRIPT}: {error}")
        return 2
    for line in lines:
        print(line)
    print(report.text())
    if options.claims:
        for chain in chains:
            print(
                f"claim {chain.claim}: {chain.artifacts} artifacts, {chain.models} of them models; "
                f"{chain.data} tables of problems; models and datasets from elsewhere: {chain.outside}"
            )
    print(f"{len(chains)} claims and controls were walked down to the data and models that they rest on.")
    if unseen:
        print(
            f"WITHOUT MODELS: the weights of {unseen} models are not in this archive, so their bytes were not hashed. "
            "Their records were, and everything made from them was held against those."
        )
    if described.findings:
        print(f"The results had {described.findings} findings when the archive was made; audit.json lists them.")
    clean = report.ok and not lines
    print("ARCHIVE OK" if clean else f"ARCHIVE NOT OK: {len(lines) + len(report.findings)} findings.")
    return 0 if clean else 1


def read_description(home: Path) -> Description:
    """archive.json of an unpacked archive."""
    path = home / DESCRIPTION
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        described = Description(**value)
    except (OSError, ValueError, TypeError) as error:
        raise PiretryError(
            f"{path} cannot be read ({error}). Unpack the whole archive and run its {SCRIPT}."
        ) from error
    if described.format != FORMAT:
        raise PiretryError(f"{path} is of format {described.format}, and this {SCRIPT} reads format {FORMAT}.")
    return described


def manifest_findings(home: Path, described: Description) -> Iterator[str]:
    """A line for every file of the archive that is gone, changed or not named by the manifest.

    Weights that were left out and lie in their place again are passed over: the audit holds them against their record.
    """
    listed: dict[str, str] = {}
    try:
        lines = (home / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise PiretryError(f"{home / MANIFEST} cannot be read ({error}). Unpack the archive again.") from error
    for line in lines:
        digest, _, path = line.partition("  ")
        listed[path] = digest
    put_back = tuple(f"{described.results}/{path}/" for path in described.left_out)
    here = {path.relative_to(home).as_posix(): path for path in home.rglob("*") if path.is_file()}
    here = {path: place for path, place in here.items() if not path.startswith(put_back)}
    for path in sorted(listed.keys() | here.keys() - {MANIFEST}):
        if path not in here:
            yield f"archive missing {path}: the manifest names it, and it is not there"
        elif path not in listed:
            yield f"archive unexpected {path}: the manifest does not name it"
        elif (digest := sha256_file(here[path])) != listed[path]:
            yield f"archive changed {path}: sha256 {digest[:12]} instead of {listed[path][:12]}"


def audit_results(root: Path, described: Description) -> tuple[AuditReport, list[Chain], int]:
    """The audit of the results in an archive, what each claim rests on, and how many artifacts are left out."""
    checking = Audit(root, lambda record: code_digest(record.modules), read=load_plainly, left_out=described.left_out)
    report = checking.run()
    return report, list(chains(checking.lineage)), checking.unseen


def chains(lineage: Lineage) -> Iterator[Chain]:
    """What each claim and control rests on, by its id."""
    for path in lineage.records:
        claim = layout.claim_of(path)
        if claim is None:
            continue
        nodes = lineage.graph(path).nodes
        made = [node.id for node in nodes if node.kind == "artifact"]
        yield Chain(
            claim,
            artifacts=len(made),
            models=sum(name.endswith("/model") for name in made),
            data=sum(name.startswith("data/") for name in made),
            outside=sum(node.kind != "artifact" for node in nodes),
        )


def load_plainly(text: str) -> Loaded:
    """Read a record as `model.load` does, with the standard library alone; ValueError when it is none.

    A test holds the two readers together.
    """
    return load(text, lambda value: _built(Record, value, ""))


def _built(kind: Any, value: Any, where: str) -> Any:
    """`value` (from JSON) as an instance of the type `kind`, strictly: no field too many, no conversion."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        for choice in sorted(inner, key=lambda choice: choice is float):  # 1 is an int before it is a float
            try:
                return _built(choice, value, where)
            except ValueError:
                continue
        raise ValueError(f"{where}: {value!r:.40} is none of {', '.join(map(str, inner))}")
    if origin is tuple:
        _expect(isinstance(value, list), where, "a list", value)
        return tuple(_built(inner[0], item, f"{where}.{index}") for index, item in enumerate(value))
    if origin is dict:
        _expect(isinstance(value, dict), where, "an object", value)
        return {name: _built(inner[1], item, f"{where}.{name}") for name, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where)
    if kind is float:
        _expect(isinstance(value, int | float) and not isinstance(value, bool), where, "a number", value)
        return float(value)
    kind = type(None) if kind is None else kind
    _expect(type(value) is kind, where, getattr(kind, "__name__", str(kind)), value)
    return value


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), where, "an object", value)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for name in value:
        if name not in fields:
            raise ValueError(f"{where}.{name}".lstrip(".") + ": no field of this name is known")
    made = {}
    for name, field in fields.items():
        place = f"{where}.{name}".lstrip(".")
        if name in value:
            made[name] = _built(hints[name], value[name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{place}: Field required")
    return kind(**made)


def _expect(holds: bool, where: str, what: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"{where}: expected {what}, found {value!r:.40}")
