"""Ten ways to tamper with a results folder: the audit names each at its place, and finds nothing in the clean folder.

Once on a folder of small publications, and (slow) on the results of a tiny run of the real stages.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from results_folder import fill
from tampering import CASES, CLEAN, Folder, Found

import piretry
from piretry.cli import main

Case = Callable[[Folder], Found]
VARIANTS = [pytest.param(case, id=case.__name__) for cases in CASES.values() for case in cases]
SOURCES = Path(piretry.__file__).parent


@pytest.fixture(scope="session")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same publications in another results folder."""
    return fill(tmp_path_factory.mktemp("other") / "results/mini").root


def folder(made: Path, other: Path, at: Path) -> Folder:
    root = at / "checkout/results/mini"
    shutil.copytree(made, root)
    return Folder(root, other)


@pytest.fixture
def small(made_once: Path, other_run: Path, tmp_path: Path) -> Folder:
    return folder(made_once, other_run, tmp_path)


@pytest.fixture(scope="session")
def really_made_again(really_made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real run once more, later and in another folder: the same bytes."""
    from real_results import configure, make

    assert really_made_once.exists()
    return make(configure(tmp_path_factory.mktemp("really-made-again")))[1]


@pytest.fixture
def real(really_made_once: Path, really_made_again: Path, tmp_path: Path) -> Folder:
    return folder(really_made_once, really_made_again, tmp_path)


def check(case: Case, tampered: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """The command names what the case must be found by: in JSON exactly, in the text by path."""
    expected = case(tampered)
    status = main(["audit", str(tampered.root), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert {(finding["kind"], finding["path"]) for finding in report["findings"]} == expected
    assert status == (1 if expected else 0)
    main(["audit", str(tampered.root)])
    text = capsys.readouterr().out
    for kind, path in expected:
        assert f"\n{kind:<15} {path}: " in f"\n{text}"


def test_there_are_ten_cases() -> None:
    assert len(CASES) + len(["other code"]) == 10


@pytest.mark.parametrize("case", VARIANTS)
def test_it_is_found_and_named(case: Case, small: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    check(case, small, capsys)


@pytest.mark.parametrize("case", CLEAN)
def test_what_is_no_tampering_is_not_found(case: Case, small: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    check(case, small, capsys)


def test_the_clean_folder(small: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(small.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def with_other_sources(root: Path, at: Path, module: str, addition: str) -> dict[str, object]:
    """The report of the command when its own sources have `addition` at the end of one module."""
    shutil.copytree(SOURCES, at / "piretry", ignore=shutil.ignore_patterns("__pycache__"))
    file = at / "piretry" / module
    file.write_text(file.read_text() + addition)
    environment = {**os.environ, "PYTHONPATH": str(at)}
    command = [sys.executable, "-m", "piretry.cli", "audit", str(root), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report


def test_other_code(small: Folder, tmp_path: Path) -> None:
    report = with_other_sources(small.root, tmp_path / "edited", "provenance/layout.py", "\nEDITED = True\n")
    findings = report["findings"]
    assert isinstance(findings, list)
    assert {(finding["kind"], finding["path"]) for finding in findings} == {
        ("other_code", path) for path in small.records()
    }
    assert all("(changed since: piretry.provenance.layout)" in finding["sentence"] for finding in findings)
    commented = with_other_sources(small.root, tmp_path / "commented", "provenance/layout.py", "\n# a comment\n")
    assert commented["findings"] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", [*VARIANTS, *CLEAN])
def test_it_is_found_and_named_in_a_real_run(case: Case, real: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    check(case, real, capsys)


@pytest.mark.slow
def test_a_clean_real_run(real: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(real.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.slow
def test_other_code_of_one_stage_of_a_real_run(real: Folder, tmp_path: Path) -> None:
    report = with_other_sources(real.root, tmp_path, "stages/select.py", "\nEDITED = True\n")
    findings = report["findings"]
    assert isinstance(findings, list)
    expected = {("other_code", path) for path, record in real.records().items() if record.stage == "select"}
    assert {(finding["kind"], finding["path"]) for finding in findings} == expected
    assert all("(changed since: piretry.stages.select)" in finding["sentence"] for finding in findings)
