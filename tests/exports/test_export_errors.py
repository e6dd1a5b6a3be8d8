"""What a user gets to read when an export cannot be made: a sentence with the place, the reason and the remedy."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from small_results import Made

from piretry.cli import main
from piretry.provenance.hashing import sha256_file


def export(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main(["export", *map(str, arguments)])
    return status, capsys.readouterr().err


@pytest.mark.parametrize("form", ["crate", "codecheck", "archive"])
def test_no_results(form: str, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = export(capsys, form, made.home / "results/mimi", tmp_path / "x.zip", "--home", made.home)
    assert status == 2
    assert "results/mimi is not a folder" in text
    assert "Did you mean" in text
    assert "results/mini" in text


def test_the_folder_above_the_results(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = export(capsys, "archive", made.results.parent, tmp_path / "x.zip", "--home", made.home)
    assert status == 2
    assert "holds no results" in text
    assert f"Did you mean '{made.results}'" in text


def test_no_checkout(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = export(capsys, "crate", made.results, tmp_path / "x", "--home", tmp_path)
    assert status == 2
    assert f"{tmp_path / 'Snakefile'} does not exist" in text
    assert "--home" in text


@pytest.mark.parametrize("form", ["crate", "codecheck", "archive"])
def test_what_exists_is_not_overwritten(
    form: str, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "there.zip"
    if form == "codecheck":
        target.mkdir()
        (target / "codecheck.yml").write_text("mine")
    else:
        target.write_text("mine")
    status, text = export(capsys, form, made.results, target, "--home", made.home)
    assert status == 2
    assert "exists already" in text
    kept = target / "codecheck.yml" if form == "codecheck" else target
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("form", ["crate", "codecheck", "archive"])
def test_not_into_the_results(form: str, made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    target = made.results / "export.zip"
    status, text = export(capsys, form, made.results, target, "--home", made.home)
    assert status == 2
    assert "inside the results folder" in text
    assert not target.exists()


def test_an_archive_is_a_zip(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = export(capsys, "archive", made.results, tmp_path / "folder", "--home", made.home)
    assert status == 2
    assert "ends with .zip" in text


@pytest.mark.parametrize("form", ["crate", "codecheck", "archive"])
def test_an_unclean_folder_is_refused_or_says_so(
    form: str, copied: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = copied.results / "tables/validity.csv"
    table.write_text(table.read_text().replace("headline", "headlime"))
    target = tmp_path / "out.zip" if form == "archive" else tmp_path / "out"
    asked = (form, copied.results, target, "--home", copied.home)
    status, text = export(capsys, *asked)
    assert status == 2
    assert "is not clean" in text
    assert "tables/validity.csv" in text
    assert "--unclean" in text
    assert not target.exists()
    status, text = export(capsys, *asked, "--unclean")
    assert status == 0, text
    if form == "crate":
        graph = json.loads((target / "ro-crate-metadata.json").read_text())["@graph"]
        told = next(entity for entity in graph if entity["@id"] == "./")["description"]
    elif form == "codecheck":
        told = (target / "codecheck.yml").read_text()
    else:
        return  # the archive's own test unpacks one
    assert "NOT CLEAN" in told
    assert "tables/validity.csv" in told


def test_damaged_results_can_be_exported_with_their_findings(
    copied: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No artifact that is gone, and no record that cannot be read, stops an export that is told to go on."""
    (copied.results / "run.json").unlink()
    shutil.rmtree(copied.results / "small/base/model")
    (copied.results / "claims/k-1.json").write_text("{")
    (copied.results / "claims/k-3.json.prov.json").write_text("{")
    (copied.results / "tables/cost.json").unlink()
    for form, target in (("crate", "crate"), ("codecheck", "check"), ("archive", "results.zip")):
        status, text = export(capsys, form, copied.results, tmp_path / target, "--home", copied.home, "--unclean")
        assert status == 0, text
    described = json.loads((tmp_path / "crate/audit.json").read_text())
    assert {finding["path"] for finding in described["findings"]} >= {
        "run.json",
        "small/base/model",
        "claims/k-1.json",
        "claims/k-3.json",
        "tables/cost.json",
    }


def test_a_license_that_is_not_said(copied: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    citation = copied.home / "CITATION.cff"
    citation.write_text("".join(line for line in citation.open() if not line.startswith("license")))
    status, text = export(capsys, "crate", copied.results, tmp_path / "crate", "--home", copied.home)
    assert status == 2
    assert f"{citation} has no 'license'" in text
    assert not (tmp_path / "crate").exists()


def test_an_agent_with_a_wrong_orcid(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = export(
        capsys, "crate", made.results, tmp_path / "x", "--home", made.home, "--agent", "A. B. <0000-0002-1825-0098>"
    )
    assert status == 2
    assert "--agent 'A. B. <0000-0002-1825-0098>'" in text
    assert "wrong check digit" in text


def test_without_the_package_that_writes_crates(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    status, text = export(capsys, "crate", made.results, tmp_path / "crate", "--home", made.home)
    assert status == 2
    assert "pip install -e '.[export]'" in text
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_said(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form, name in (("crate", "crate.zip"), ("codecheck", "check"), ("archive", "results.zip")):
        status, text = export(capsys, form, made.results, tmp_path / name, "--home", made.home)
        assert status == 0
        assert f"wrote {tmp_path / name}" in text
    assert sha256_file(tmp_path / "results.zip") in text
