"""The archive: it is audited elsewhere, without the folder it was made from and without any package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_results import Made

from piretry.exports.archive import export_archive
from piretry.exports.source import Source, open_source
from piretry.exports.standalone import load_plainly
from piretry.provenance.model import load, record_path

TOP = "piretry-mini"
CLEAN = "ARCHIVE OK"


@pytest.fixture(scope="module")
def source(made: Made) -> Source:
    return open_source(made.results, made.home)


@pytest.fixture(scope="module")
def archives(source: Source, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    folder = tmp_path_factory.mktemp("archives")
    return {kept: export_archive(source, folder / f"{kept}.zip", with_models=kept) for kept in (True, False)}


@pytest.fixture
def unpacked(archives: dict[bool, Path], tmp_path: Path) -> Path:
    return unpack(archives[True], tmp_path / "elsewhere")


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    assert [path.name for path in folder.iterdir()] == [TOP]
    return folder / TOP


def run_audit(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """audit.py by a Python that sees no installed package, from another working directory."""
    command = [sys.executable, "-I", "-S", str(home / "audit.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=home.parent, timeout=120)


def test_audited_elsewhere_with_the_original_deleted(copied: Made, tmp_path: Path) -> None:
    source = open_source(copied.results, copied.home)
    archive = export_archive(source, tmp_path / "results.zip")
    shutil.rmtree(copied.home)
    home = unpack(archive, tmp_path / "elsewhere")
    done = run_audit(home, "--claims")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == CLEAN
    assert f"{len(source.records)} artifacts" in done.stdout
    for claim in source.claims.values():
        assert f"claim {claim['id']}: " in done.stdout
    headline = next(line for line in done.stdout.splitlines() if line.startswith("claim headline"))
    chain = {node.id for node in _lineage(source).graph("claims/headline.json").nodes if node.kind == "artifact"}
    assert f"{len(chain)} artifacts, {sum(name.endswith('/model') for name in chain)} of them models" in headline
    assert {"data/train.parquet", "small/base/model"} <= chain


def _lineage(source: Source) -> Any:
    from piretry.provenance.graph import Lineage

    return Lineage(source.records)


def test_the_audit_leaves_nothing_behind(unpacked: Path) -> None:
    before = set(unpacked.rglob("*"))
    for _ in range(2):
        assert run_audit(unpacked).stdout.splitlines()[-1] == CLEAN
    assert set(unpacked.rglob("*")) == before


def test_the_manifest_is_what_sha256sum_checks(unpacked: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "manifest-sha256.txt"],
        cwd=unpacked,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_results_give_the_same_bytes(source: Source, archives: dict[bool, Path], tmp_path: Path) -> None:
    again = export_archive(source, tmp_path / "with-another-name.zip")
    assert again.read_bytes() == archives[True].read_bytes()
    with zipfile.ZipFile(again) as file:
        names = file.namelist()
        assert names == sorted(names)
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert len(names) == len(set(names))


def edit_table(home: Path) -> str:
    path = home / "results/mini/tables/cost.json"
    path.write_text(path.read_text().replace("{", "{ ", 1))
    return "changed         tables/cost.json"


def edit_weights(home: Path) -> str:
    path = home / "results/mini/small/base/model/model.safetensors"
    path.write_bytes(path.read_bytes()[::-1])
    return "small/base/model: its files are not those recorded (changed: model.safetensors)"


def edit_record(home: Path) -> str:
    path = home / "results/mini/claims/headline.json.prov.json"
    path.write_text(path.read_text().replace('"wall_seconds": ', '"wall_seconds": 1'))
    return "record_edited   claims/headline.json"


def remove_evaluation(home: Path) -> str:
    (home / "results/mini/small/base/s42/eval.parquet").unlink()
    return "missing         small/base/s42/eval.parquet"


def add_file(home: Path) -> str:
    (home / "results/mini/claims/extra.txt").write_text("1")
    return "archive unexpected results/mini/claims/extra.txt"


def edit_code(home: Path) -> str:
    path = home / "src/piretry/stats/bootstrap.py"
    path.write_text(path.read_text() + "\nX = 1\n")
    return "other_code"


def edit_configuration(home: Path) -> str:
    path = home / "config.yaml"
    path.write_text(path.read_text() + "# edited\n")
    return "archive changed config.yaml"


def swap_seeds(home: Path) -> str:
    base = home / "results/mini/small/base"
    (base / "s42").rename(base / "aside")
    (base / "s123").rename(base / "s42")
    (base / "aside").rename(base / "s123")
    return "renamed         small/base/s42/eval.parquet"


TAMPERINGS: list[Callable[[Path], str]] = [
    edit_table,
    edit_weights,
    edit_record,
    remove_evaluation,
    add_file,
    edit_code,
    edit_configuration,
    swap_seeds,
]


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_what_was_tampered_with_is_named(unpacked: Path, tamper: Callable[[Path], str]) -> None:
    expected = tamper(unpacked)
    done = run_audit(unpacked)
    assert done.returncode == 1
    assert expected in done.stdout
    assert done.stdout.splitlines()[-1].startswith("ARCHIVE NOT OK")


def test_without_models_that_is_said_and_no_fault(source: Source, archives: dict[bool, Path], tmp_path: Path) -> None:
    home = unpack(archives[False], tmp_path)
    assert not list(home.rglob("*.safetensors"))
    done = run_audit(home)
    assert done.returncode == 0, done.stdout
    assert f"WITHOUT MODELS: the weights of {len(source.models)} models" in done.stdout
    assert done.stdout.splitlines()[-1] == CLEAN
    # A record that now names other weights is found all the same.
    place = home / "results/mini/small/base/model"
    place.mkdir()
    (place / "model.safetensors").write_bytes(b"other weights")
    done = run_audit(home)
    assert done.returncode == 1
    assert "small/base/model: its files are not those recorded" in done.stdout


def test_weights_put_back_are_checked(source: Source, archives: dict[bool, Path], tmp_path: Path) -> None:
    home = unpack(archives[False], tmp_path)
    shutil.copytree(source.root / "small/base/model", home / "results/mini/small/base/model")
    done = run_audit(home)
    assert done.returncode == 0, done.stdout
    assert f"weights of {len(source.models) - 1} models" in done.stdout
    (home / "results/mini/small/base/model/more.bin").write_bytes(b"1")
    done = run_audit(home)
    assert done.returncode == 1
    assert "small/base/model: its files are not those recorded (added: more.bin)" in done.stdout


def test_an_unclean_folder_says_so_in_its_archive(copied: Made, tmp_path: Path) -> None:
    (copied.results / "claims/extra.txt").write_text("1")
    source = open_source(copied.results, copied.home, unclean=True)
    home = unpack(export_archive(source, tmp_path / "results.zip"), tmp_path / "elsewhere")
    assert "NOT CLEAN" in (home / "ARCHIVE.md").read_text()
    assert json.loads((home / "audit.json").read_text())["findings"][0]["path"] == "claims/extra.txt"
    done = run_audit(home)
    assert done.returncode == 1
    assert "unexpected      claims/extra.txt" in done.stdout
    assert "1 findings when the archive was made" in done.stdout


def test_the_workflow_in_the_archive_is_whole(unpacked: Path) -> None:
    """It says what it would run without anything from outside."""
    from piretry.grid.project import load_project

    project = load_project(unpacked)
    assert project.scale.name == "mini"
    for name in ("Snakefile", "rules/claims.smk", "report/captions/claim.rst", "envs/cpu.yaml", "src/piretry/cli.py"):
        assert (unpacked / name).is_file(), name


def test_both_readers_of_records_agree(source: Source) -> None:
    for path in source.records:
        text = record_path(source.root / path).read_text()
        assert load_plainly(text) == load(text)


def _places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*where, key)
        yield from _places(item, (*where, key))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
    st.just(["x"]),
    st.just("2026-01-01T00:00:00+00:00"),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_readers_refuse_the_same_damage(source: Source, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(["small/base/model", "claims/headline.json", "data/eval.parquet"]))
    value = json.loads(record_path(source.root / path).read_text())
    value["settings"] = {"k": [1, 2.5, None]}  # anything is allowed there, and there is much of it
    place = data.draw(st.sampled_from(sorted(_places(value), key=str)))
    target = value
    for key in place[:-1]:
        target = target[key]
    if isinstance(target, dict) and data.draw(st.booleans()):
        del target[place[-1]]
    else:
        target[place[-1]] = data.draw(ODD)
    text = json.dumps(value)
    assert _outcome(load_plainly, text) == _outcome(load, text)


def _outcome(reader: Callable[[str], Any], text: str) -> Any:
    try:
        return reader(text)
    except ValueError:
        return "refused"
