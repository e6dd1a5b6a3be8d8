"""Images are known by their checksum, which is taken once, and again when the file is not the one it was taken of."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.images import sidecar
from piretry.images.guard import require_same_code, stale_modules
from piretry.images.sidecar import ImageFile, read_image, sidecar_path, write_sidecar
from piretry.provenance.code import code_parts

MODULES = ("piretry.stages.select",)


@pytest.fixture
def sif(tmp_path: Path) -> Path:
    path = tmp_path / "cpu.sif"
    path.write_bytes(b"first image")
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are hashed from here on."""
    calls: list[Path] = []

    def spy(path: Path) -> str:
        calls.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(sidecar, "sha256_file", spy)
    return calls


def test_a_foreign_image_is_hashed_once(sif: Path, hashed: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = read_image(sif), read_image(sif)
    assert first == second
    assert first.sha256 == hashlib.sha256(b"first image").hexdigest()
    assert (first.bytes, dict(first.build)) == (11, {})
    assert hashed == [sif]
    assert "has no checksum yet" in capsys.readouterr().err


def test_what_the_build_knew_comes_back(sif: Path, hashed: list[Path]) -> None:
    sha256 = hashlib.sha256(sif.read_bytes()).hexdigest()
    written = write_sidecar(sif, sha256, {"commit": "abc", "code": {"piretry": "12"}})
    assert read_image(sif) == written
    assert written.code == {"piretry": "12"}
    assert written.environment == sha256
    assert write_sidecar(sif, sha256, {"packages_sha256": "0" * 64}).environment == "0" * 64
    assert not hashed


def test_a_replaced_image_is_noticed_and_said(
    sif: Path, hashed: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = write_sidecar(sif, hashlib.sha256(sif.read_bytes()).hexdigest(), {"commit": "abc"})
    draft = sif.with_suffix(".new")
    draft.write_bytes(b"other image")  # the same size
    draft.replace(sif)
    after = read_image(sif)
    assert after.sha256 == hashlib.sha256(b"other image").hexdigest() != before.sha256
    assert dict(after.build) == {}, "nothing is known of the build of a file that somebody put there"
    assert "was replaced" in capsys.readouterr().err
    assert read_image(sif) == after
    assert hashed == [sif]


def test_a_copy_with_another_time_keeps_what_is_known_of_it(sif: Path, hashed: list[Path]) -> None:
    write_sidecar(sif, hashlib.sha256(sif.read_bytes()).hexdigest(), {"commit": "abc"})
    os.utime(sif, ns=(1, 1))
    assert read_image(sif).build == {"commit": "abc"}
    assert hashed == [sif]


@pytest.mark.parametrize("damage", ["", "[]", '{"sha256": 3}', "{", '{"bytes": 11, "build": []}', "\x00"])
def test_a_damaged_sidecar_is_written_anew(sif: Path, hashed: list[Path], damage: str) -> None:
    sidecar_path(sif).write_text(damage)
    read_image(sif)
    assert hashed == [sif]
    assert json.loads(sidecar_path(sif).read_text())["sha256"] == hashlib.sha256(b"first image").hexdigest()


def test_a_folder_that_cannot_be_written_uses_the_cache(
    sif: Path, hashed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sidecar_path(sif).mkdir()  # no file can be put there, not even by root
    assert read_image(sif) == read_image(sif)
    assert hashed == [sif]
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1


def test_what_is_no_image_file_is_refused(tmp_path: Path, sif: Path) -> None:
    with pytest.raises(PiretryError, match=r"Did you mean '.*cpu\.sif'"):
        read_image(tmp_path / "cpu.siff")
    (tmp_path / "sandbox").mkdir()
    with pytest.raises(PiretryError, match="is a folder"):
        read_image(tmp_path / "sandbox")


def test_the_guard_on_the_submit_host_names_what_differs() -> None:
    parts = code_parts(MODULES)
    same = ImageFile(Path("cpu.sif"), "0" * 64, 1, {"code": parts, "commit": "abc"})
    require_same_code(same, MODULES, "cpu")
    edited = ImageFile(same.path, same.sha256, 1, {"code": {**parts, "piretry.stages.select": "0"}, "commit": "abc"})
    assert stale_modules(edited, MODULES) == ["piretry.stages.select"]
    with pytest.raises(PiretryError, match=r"commit abc\): piretry.stages.select .*piretry image build cpu"):
        require_same_code(edited, MODULES, "cpu")
    unrelated = ImageFile(same.path, same.sha256, 1, {"code": {**parts, "piretry.report.page": "0"}})
    assert stale_modules(unrelated, MODULES) == [], "code that the stage never runs does not matter"
    foreign = ImageFile(same.path, same.sha256, 1)
    assert stale_modules(foreign, MODULES) == []
