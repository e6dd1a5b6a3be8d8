"""`piretry export codecheck`: a codecheck.yml for a results folder, by https://codecheck.org.uk/spec/config/.

Version 2.0 of that specification is named when everything it asks for is there (authors with ORCIDs, a certificate
number); else version 1.0, which asks for less. Nothing is filled in with a placeholder: what is missing is said.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from piretry.errors import PiretryError
from piretry.exports.citation import Party, plain_orcid
from piretry.exports.describing import artifact_sentence, audit_sentences, scale_sentence, verdict_counts
from piretry.exports.drift import drift_sentence
from piretry.exports.placing import whole
from piretry.exports.source import Source
from piretry.provenance import layout
from piretry.settings.load import read_yaml

FILE = "codecheck.yml"
FOLDER = "codecheck"  # for what was made while checking, by the CODECHECK bundle guide
SPECIFICATION = "https://codecheck.org.uk/spec/config/{version}/"
TITLE = "Frequently Asked Questions: Common questions (and skeptical ones) about PI distillation via retry"
UNNAMED = Party("not named in the document")
_CERTIFICATE = re.compile(r"\d{4}-\d{3,}")


@dataclass(frozen=True)
class Check:
    """What the results do not tell: the document that was checked, and who checked it.

    `authors` and `codecheckers` are people, `report` and `certificate` identify the published certificate,
    `check_time` is a date or a time.
    """

    title: str = TITLE
    authors: tuple[Party, ...] = (UNNAMED,)
    reference: str | None = None
    codecheckers: tuple[Party, ...] = ()
    report: str | None = None
    certificate: str | None = None
    check_time: str | None = None
    repository: str | None = None


def export_codecheck(source: Source, target: Path, check: Check) -> tuple[Path, list[str]]:
    """Write codecheck.yml and codecheck/audit.json into the folder `target`, the root of the CODECHECK bundle.

    Where the results lie below `target` (the checkout itself, for example), its manifest names them in their place;
    else the outputs are copied below it. Returns the file, and sentences on what the specification still asks for.
    """
    if target.name == FILE:
        target = target.parent
    for path in (target / FILE, target / FOLDER):
        if path.exists():
            raise PiretryError(
                f"{path} exists already, and the export overwrites nothing. Remove it, or choose another target."
            )
    if target.exists() and not target.is_dir():
        raise PiretryError(f"{target} is a file. Expected the folder of the bundle, which holds {FILE}.")
    _check_form(check)
    root, base = source.root.resolve(), target.resolve()
    inside = root.is_relative_to(base)
    prefix = root.relative_to(base).as_posix() if inside else source.prefix
    outputs = {path: f"{prefix}/{path}" for path in _outputs(source)}
    if base.is_relative_to(root):
        raise PiretryError(
            f"{target} lies inside the results folder {source.root}. Choose a folder outside or above it."
        )
    value = configuration(source, check, outputs)
    missing = list(unmet(value, "2.0"))
    version = "1.0" if missing else "2.0"
    value = {"version": SPECIFICATION.format(version=version), **value}
    target.mkdir(parents=True, exist_ok=True)
    if not inside:
        for name, place in outputs.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.root / name, target / place)
    with whole(target / FOLDER) as folder:
        folder.mkdir()
        (folder / "audit.json").write_text(source.report.to_json() + "\n", encoding="utf-8")
    with whole(target / FILE) as draft:
        draft.write_text(as_yaml(value), encoding="utf-8")
    needed = list(unmet(value, "1.0"))
    return target / FILE, needed + [f"for version 2.0: {sentence}" for sentence in missing if sentence not in needed]


def configuration(source: Source, check: Check, outputs: Mapping[str, str]) -> dict[str, Any]:
    """The content of codecheck.yml without its version. `outputs`: path below the results -> path in the bundle."""
    claims = read_yaml(source.home / "report/claims.yaml")
    reference = check.reference or claims.get("source")
    value: dict[str, Any] = {
        "manifest": [
            {"file": place, "comment": artifact_sentence(source, path, source.records[path])}
            for path, place in outputs.items()
        ],
        "paper": {
            "title": check.title,
            "authors": [_person(author) for author in check.authors],
            "reference": reference,
        },
        "codechecker": [_person(person) for person in check.codecheckers],
        "report": check.report,
        "summary": summary(source),
        "repository": check.repository,
        "check_time": check.check_time or (source.finished if check.codecheckers else None),
        "certificate": check.certificate,
    }
    return {name: item for name, item in value.items() if item not in (None, [], "")}


def summary(source: Source) -> str:
    """A short text made from the verdicts."""
    lines = [f"{verdict_counts(source)}.", scale_sentence(source)]
    lines += [f"{verdict}: {', '.join(claims)}." for verdict, claims in source.verdicts.items()]
    lines += [audit_sentences(source), drift_sentence(source)]
    return "\n".join(filter(None, lines)) + "\n"


def unmet(value: Mapping[str, Any], version: str) -> Iterator[str]:
    """What a version of the specification says MUST be there and is not, in sentences that name the option."""
    if not value.get("manifest"):
        yield "the manifest is empty: these results have no claim, no table and no report."
    if not value.get("codechecker"):
        yield "no codechecker is named (--codechecker 'Name <ORCID>')."
    if not value.get("report"):
        yield "no published certificate is named (--report URL)."
    if version == "1.0":
        return
    paper = value.get("paper") or {}
    for author in paper.get("authors") or ():
        if "ORCID" not in author:
            yield f"the author {author['name']!r} has no ORCID (--paper-author 'Name <ORCID>')."
    if not paper.get("reference"):
        yield "the document has no reference (--paper-reference URL)."
    if not value.get("certificate"):
        yield "no number in the CODECHECK register is given (--certificate YYYY-NNN)."


def as_yaml(value: Mapping[str, Any]) -> str:
    """An explicit YAML 1.1 document, keys in the order given, text of several lines as such."""
    return yaml.dump(
        dict(value),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        explicit_start=True,
        version=(1, 1),
        width=120,
    )


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, which people can read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _outputs(source: Source) -> list[str]:
    """What a codechecker makes again: claims, tables and the report, as far as they are there."""
    wanted = [
        path
        for path in source.records
        if layout.claim_of(path) or path.startswith("tables/") or layout.maker(path) == "report"
    ]
    return sorted(path for path in wanted if (source.root / path).is_file())


def _person(party: Party) -> dict[str, str]:
    return {"name": party.name, **({"ORCID": plain_orcid(party.orcid, party.name)} if party.orcid else {})}


def _check_form(check: Check) -> None:
    if check.certificate is not None and not _CERTIFICATE.fullmatch(check.certificate):
        raise PiretryError(
            f"--certificate {check.certificate!r} is no number of the CODECHECK register. Expected YYYY-NNN, for "
            "example 2026-012; leave it out while none is awarded."
        )
    if check.check_time is not None:
        try:
            datetime.fromisoformat(check.check_time)
        except ValueError:
            raise PiretryError(
                f"--check-time {check.check_time!r} is no time. Expected a date or a time such as 2026-11-24 13:00:00."
            ) from None
    for option, text in (("--report", check.report), ("--repository", check.repository)):
        if text is not None and not text.strip():
            raise PiretryError(f"{option} is empty. Give a URL or DOI, or leave it out.")
