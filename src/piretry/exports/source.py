"""What every export starts from: one results folder, its records and its audit, and the checkout that made it."""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from piretry.claims.model import CONTROLS
from piretry.errors import PiretryError, nearest
from piretry.provenance import layout
from piretry.provenance.audit import audit
from piretry.provenance.code import code_digest
from piretry.provenance.findings import AuditReport
from piretry.provenance.graph import Lineage
from piretry.provenance.hashing import list_files
from piretry.provenance.model import RECORD_SUFFIX, Record, record_path
from piretry.provenance.root import read_run_id
from piretry.provenance.tree import walk

_SHOWN = 5  # findings that a refusal quotes; `piretry audit` lists all


@dataclass(frozen=True)
class Source:
    """One results folder, read and audited.

    `root` is the folder of one scale, `home` the checkout, `prefix` the folder's path in an export (with forward
    slashes, no slash at the end), `run` the id in its run.json, `records` path below `root` -> record.
    """

    root: Path
    home: Path
    prefix: str
    run: str
    records: Mapping[str, Record]
    report: AuditReport

    @property
    def scale(self) -> str:
        """The scale's name, which is the name of its folder."""
        return PurePosixPath(self.prefix).name

    @cached_property
    def claims(self) -> dict[str, dict[str, Any]]:
        """Path below `root` -> content of the result file of every claim and control, sorted by path."""
        return {path: self._json(path) for path in sorted(self.records) if layout.claim_of(path)}

    @property
    def verdicts(self) -> dict[str, list[str]]:
        """Verdict -> ids of the claims of the document that got it, the most frequent first; no negative controls."""
        found: dict[str, list[str]] = {}
        for claim in self.claims.values():
            if claim.get("section") != CONTROLS:
                found.setdefault(str(claim.get("verdict")), []).append(str(claim.get("id")))
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    @property
    def models(self) -> dict[str, Record]:
        """The artifacts that are weights: path -> record."""
        return {
            path: record
            for path, record in self.records.items()
            if record.artifact.kind == "directory" and PurePosixPath(path).name == "model"
        }

    @property
    def finished(self) -> str:
        """When the youngest artifact was finished, as its record has it (UTC)."""
        return max((record.cost for record in self.records.values()), key=lambda cost: cost.end).finished

    def files(self, without: Iterable[str] = ()) -> dict[str, Path]:
        """Path in the export -> file, of all that belongs to the results: artifacts, records and run.json.

        Args:
            without: artifacts to leave out (paths below `root`); their records stay.

        Logs, Snakemake's own state and unfinished outputs are no part of the results. Files that no record names
        come along only from a folder that is exported with findings: the audit has named them.
        """
        left_out = set(without)
        tree = walk(self.root)
        found: dict[str, Path] = {}
        for path in (*tree.recorded, *tree.others, layout.RUN_FILE):
            place = self.root / path
            if path not in left_out and place.exists():
                found |= {posixpath.join(path, name) if name else path: file for name, file, _ in list_files(place)}
            if path in tree.recorded:
                found[path + RECORD_SUFFIX] = record_path(place)
        return {f"{self.prefix}/{path}": found[path] for path in sorted(found) if not path.endswith("/")}

    def findings_text(self) -> str:
        """The findings of the audit, a line each; empty when it found nothing."""
        return "\n".join(finding.line() for finding in self.report.findings)

    def _json(self, path: str) -> dict[str, Any]:
        try:
            value = json.loads((self.root / path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            value = {"id": layout.claim_of(path), "verdict": f"cannot be read ({type(error).__name__})"}
        return value if isinstance(value, dict) else {"id": layout.claim_of(path), "verdict": "cannot be read"}


def open_source(results: Path, home: Path = Path(), unclean: bool = False) -> Source:
    """Read and audit the results folder `results` of the checkout `home`.

    Raises PiretryError when one of the two is not what it should be, and when the audit finds something, unless
    `unclean`: then the findings go with the export.
    """
    if not results.is_dir():
        beside = [str(path) for path in results.parent.glob("*") if path.is_dir()]
        raise PiretryError(
            f"{results} is not a folder: an export takes the results folder of one scale, for example results/mini."
            f"{nearest(str(results), beside) if beside else ''}"
        )
    lineage, found = Lineage.read(results), read_run_id(results)
    scales = sorted(str(path.parent) for path in results.glob(f"*/{layout.RUN_FILE}"))
    if not lineage.records or (found is None and scales):
        hint = f" Did you mean {scales[0]!r}?" if scales else " Run the workflow first (`make mini`)."
        raise PiretryError(
            f"{results} holds no results: an export takes the folder of one scale, which has a {layout.RUN_FILE} and "
            f"provenance records.{hint}"
        )
    for name in ("Snakefile", "config.yaml"):
        if not (home / name).is_file():
            raise PiretryError(
                f"{home / name} does not exist, and an export holds the workflow too. Call piretry in the checkout "
                "that made the results, or name that with --home."
            )
    report = audit(results, lambda record: code_digest(record.modules))
    prefix = _prefix(results, home)
    # Without run.json, which the audit then misses, the records name the folder.
    named = Counter(record.run for record in lineage.records.values())
    run = found or named.most_common(1)[0][0]
    source = Source(results, home, prefix, run, lineage.records, replace(report, root=prefix))
    if not report.ok and not unclean:
        counted = Counter(finding.kind for finding in report.findings)
        kinds = ", ".join(f"{count} {kind}" for kind, count in counted.most_common())
        lines = [f"  {finding.line()}" for finding in report.findings[:_SHOWN]]
        more = len(report.findings) - _SHOWN
        lines += [f"  and {more} more: see `piretry audit {results}`"] if more > 0 else []
        raise PiretryError(
            "\n".join(
                [
                    f"{results} is not clean, so it is not exported: the audit has {len(report.findings)} findings "
                    f"({kinds}).",
                    *lines,
                    "Mend them (a rerun of the workflow makes again what other code made), or give --unclean: the "
                    "export then says in its description what was found.",
                ]
            )
        )
    return source


def withheld(source: Source, with_models: bool) -> dict[str, Record]:
    """The artifacts that an export leaves out: all models, or nothing."""
    return {} if with_models else source.models


def free_target(target: Path, source: Source, what: str) -> Path:
    """`target`, if nothing lies there and it is not inside the results; else PiretryError. `what` names the export."""
    if target.exists() or target.is_symlink():
        raise PiretryError(
            f"{target} exists already, and {what} overwrites nothing. Remove it, or choose another target."
        )
    if target.resolve().is_relative_to(source.root.resolve()):
        raise PiretryError(
            f"{target} lies inside the results folder {source.root}, where the audit would find it as a file that no "
            "stage made. Choose a target outside."
        )
    return target


def _prefix(results: Path, home: Path) -> str:
    """Where the results lie below the checkout, so that paths in the configuration hold in the export too."""
    try:
        inside = results.resolve().relative_to(home.resolve()).as_posix()
    except ValueError:
        inside = ""
    name = results.resolve().name
    return inside if re.search(r"[^.]", inside) else f"results/{name}"
