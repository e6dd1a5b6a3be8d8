"""codecheck.yml: what https://codecheck.org.uk/spec/config/2.0/ and 1.0/ ask for, and what the results say."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_results import Made

from piretry.errors import PiretryError
from piretry.exports.citation import Party, plain_orcid
from piretry.exports.codecheck import TITLE, Check, export_codecheck
from piretry.exports.source import Source, open_source

CARBERRY = Party("Josiah Carberry", "0000-0002-1825-0097")
COMPLETE = Check(
    authors=(CARBERRY,),
    reference="https://doi.org/10.5555/12345678",
    codecheckers=(CARBERRY, Party("Someone Else")),
    report="https://doi.org/10.5281/zenodo.3674056",
    certificate="2026-012",
    repository="https://example.org/repository",
)


@pytest.fixture(scope="module")
def source(made: Made) -> Source:
    return open_source(made.results, made.home)


def read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("%YAML 1.1\n---\n")
    value: dict[str, Any] = yaml.safe_load(text)
    return value


def test_a_complete_check_is_of_version_2(source: Source, tmp_path: Path) -> None:
    path, missing = export_codecheck(source, tmp_path / "bundle", COMPLETE)
    assert (path, missing) == (tmp_path / "bundle/codecheck.yml", [])
    value = read(path)
    assert value["version"] == "https://codecheck.org.uk/spec/config/2.0/"
    assert value["paper"] == {
        "title": TITLE,
        "authors": [{"name": "Josiah Carberry", "ORCID": "0000-0002-1825-0097"}],
        "reference": "https://doi.org/10.5555/12345678",
    }
    assert value["codechecker"][1] == {"name": "Someone Else"}
    assert (value["report"], value["certificate"]) == (COMPLETE.report, "2026-012")
    assert value["check_time"] == source.finished


def test_the_manifest_names_every_output_where_it_lies(source: Source, tmp_path: Path) -> None:
    path, _ = export_codecheck(source, tmp_path / "bundle", COMPLETE)
    manifest = read(path)["manifest"]
    files = [entry["file"] for entry in manifest]
    assert len(set(files)) == len(files)
    for entry in manifest:
        assert (path.parent / entry["file"]).is_file()
        assert entry["comment"]
    wanted = [name for name in source.records if name.split("/")[0] in ("claims", "tables", "report")]
    assert files == [f"{source.prefix}/{name}" for name in sorted(wanted)]
    headline = next(entry for entry in manifest if entry["file"].endswith("claims/headline.json"))
    claim = json.loads((source.root / "claims/headline.json").read_text())
    assert claim["says"] in headline["comment"]
    assert claim["published"] in headline["comment"]
    assert f"Verdict: {claim['verdict']}." in headline["comment"]
    assert json.loads((path.parent / "codecheck/audit.json").read_text())["ok"] is True


def test_the_summary_counts_the_verdicts(source: Source, tmp_path: Path) -> None:
    summary = read(export_codecheck(source, tmp_path / "bundle", COMPLETE)[0])["summary"]
    claims = [json.loads(path.read_text()) for path in sorted((source.root / "claims").glob("*[!v].json"))]
    claims = [claim for claim in claims if "verdict" in claim and claim["section"] != "Controls"]
    assert len(claims) == 8
    assert summary.startswith("8 claims: ")
    for verdict, count in Counter(claim["verdict"] for claim in claims).items():
        assert f"{count} {verdict}" in summary
        named = ", ".join(sorted(claim["id"] for claim in claims if claim["verdict"] == verdict))
        assert f"{verdict}: {named}." in summary
    assert "directions only" in summary


def test_in_the_checkout_the_results_stay_where_they_are(copied: Made) -> None:
    before = set(copied.home.rglob("*"))
    source = open_source(copied.results, copied.home)
    path, _ = export_codecheck(source, copied.home / "codecheck.yml", COMPLETE)
    made = {found.relative_to(copied.home).as_posix() for found in copied.home.rglob("*") if found not in before}
    assert made == {"codecheck.yml", "codecheck", "codecheck/audit.json"}
    assert all((copied.home / entry["file"]).is_file() for entry in read(path)["manifest"])


def test_what_is_not_given_is_left_out_and_said(source: Source, tmp_path: Path) -> None:
    path, missing = export_codecheck(source, tmp_path / "bundle", Check())
    value = read(path)
    assert value["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    assert not {"codechecker", "report", "certificate", "check_time", "repository"} & set(value)
    assert value["paper"]["reference"].startswith("FAQ of the PI distillation research dashboard")
    text = " ".join(missing)
    for option in ("--codechecker", "--report", "--certificate", "--paper-author"):
        assert option in text
    for placeholder in ("FIXME", "TODO", "XXXX"):
        assert placeholder not in path.read_text()


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (Check(certificate="12"), "Expected YYYY-NNN"),
        (Check(check_time="yesterday"), "--check-time 'yesterday' is no time"),
        (Check(report=" "), "--report is empty"),
    ],
)
def test_a_value_of_the_wrong_form(source: Source, tmp_path: Path, check: Check, sentence: str) -> None:
    with pytest.raises(PiretryError, match=sentence):
        export_codecheck(source, tmp_path / "bundle", check)
    assert not (tmp_path / "bundle").exists()


# From https://support.orcid.org: the structure of the identifier, and the check digit of ISO 7064, MOD 11-2.
@pytest.mark.parametrize(
    "orcid", ["0000-0002-1825-0097", "https://orcid.org/0000-0001-5109-3700", "0000-0002-1694-233X"]
)
def test_orcids_that_are_right(orcid: str) -> None:
    assert plain_orcid(orcid, "here") == orcid.rpartition("/")[2]


@pytest.mark.parametrize("orcid", ["0000-0002-1825-0098", "0000-0002-1694-2330", "0000 0002 1825 0097", "x", ""])
def test_orcids_that_are_wrong(orcid: str) -> None:
    with pytest.raises(PiretryError, match="here"):
        plain_orcid(orcid, "here")
