"""Hashes of files, folders and settings."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.errors import PiretryError
from piretry.provenance.hashing import (
    FOLDER_TIMESTAMP,
    canonical_json,
    digest_json,
    hash_content,
    sha256_directory,
    sha256_file,
    unchanged,
)


def fill(folder: Path, order: list[str]) -> Path:
    for name in order:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 100)
    return folder


def test_a_file_hashes_to_what_sha256sum_says(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(os.urandom(3_000_017))
    expected = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert sha256_file(path) == expected
    assert hash_content(path).sha256 == expected


def test_a_folder_hash_is_the_same_whatever_the_order_place_and_times(tmp_path: Path) -> None:
    names = ["config.json", "a/x", "a/y", "a-b", "a.b", "é/ü", "z" * 200]
    one = fill(tmp_path / "one", names)
    two = fill(tmp_path / "deep" / "two", names[::-1])
    os.utime(two / "a" / "x", (1, 1))
    with ThreadPoolExecutor(4) as pool:
        assert hash_content(two, pool).sha256 == sha256_directory(one)


@pytest.mark.parametrize(
    "edit",
    [
        lambda folder: (folder / "a" / "x").write_bytes(b"other"),
        lambda folder: (folder / "a" / "x").rename(folder / "a" / "w"),
        lambda folder: (folder / "a" / "x").rename(folder / "x"),
        lambda folder: (folder / "a" / "x").unlink(),
        lambda folder: (folder / "empty").mkdir(),
        lambda folder: (folder / ".hidden").touch(),
    ],
)
def test_every_edit_of_a_folder_changes_its_hash(tmp_path: Path, edit) -> None:  # type: ignore[no-untyped-def]
    folder = fill(tmp_path / "model", ["a/x", "a/y", "b"])
    before = sha256_directory(folder)
    edit(folder)
    assert sha256_directory(folder) != before


def test_only_snakemakes_own_timestamp_is_left_out_of_a_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "model", ["a/x", "b"])
    before = hash_content(folder)
    (folder / FOLDER_TIMESTAMP).touch()
    assert hash_content(folder) == before
    assert unchanged(folder, before.files)
    (folder / ".timestamp").touch()
    assert hash_content(folder).sha256 != before.sha256


def test_moving_bytes_between_files_is_seen(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "a").write_bytes(b"xy")
    (tmp_path / "one" / "b").write_bytes(b"")
    (tmp_path / "two" / "a").write_bytes(b"x")
    (tmp_path / "two" / "b").write_bytes(b"y")
    assert sha256_directory(tmp_path / "one") != sha256_directory(tmp_path / "two")


def test_a_link_to_a_file_counts_as_the_file(tmp_path: Path) -> None:
    folder = fill(tmp_path / "one", ["config.json", "weights"])
    linked = tmp_path / "two"
    linked.mkdir()
    for name in ("config.json", "weights"):
        (linked / name).symlink_to(folder / name)
    assert sha256_directory(linked) == sha256_directory(folder)


@pytest.mark.parametrize("what", ["broken link", "link to a folder", "socket"])
def test_what_has_no_bytes_is_refused_and_not_left_out(tmp_path: Path, what: str) -> None:
    folder = fill(tmp_path / "model", ["b"])
    odd = folder / "odd"
    with socket.socket(socket.AF_UNIX) as server:
        if what == "broken link":
            odd.symlink_to("nowhere")
        elif what == "link to a folder":
            odd.symlink_to(tmp_path)
        else:
            server.bind(str(odd))
        with pytest.raises(PiretryError, match=r"odd is a broken link, a link to a folder or a special file"):
            sha256_directory(folder)


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Settings:
    rate: float
    path: Path


def test_canonical_json_of_the_usual_settings() -> None:
    value = {
        "b": (1, 2.5, None, True),
        "a": Settings(0.1, Path("x") / "y"),
        "c": Colour.RED,
        "d": np.float64(0.25),
        "e": np.arange(2),
    }
    text = '{"a":{"path":"x/y","rate":0.1},"b":[1,2.5,null,true],"c":"red","d":0.25,"e":[0,1]}'
    assert canonical_json(value) == text
    assert digest_json(value) == hashlib.sha256(text.encode()).hexdigest()
    assert digest_json({"k": 1}) != digest_json({"k": 1.0})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"train": {"lr": float("nan")}}, r"settings\.train\.lr is nan"),
        ({"k": {3: "x"}}, r"settings\.k has the key 3\. Expected text: write it as '3'"),
        ({"modules": {"a", "b"}}, r"settings\.modules is a set"),
        ({"x": [1, object()]}, r"settings\.x\[1\] is a object"),
        ({"x": b"bytes"}, r"settings\.x is a bytes"),
    ],
)
def test_what_has_no_one_spelling_is_refused_with_its_place(value: object, message: str) -> None:
    with pytest.raises(PiretryError, match=message):
        digest_json(value, "settings")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_survives_the_round_trip_and_keeps_its_digest(value: object) -> None:
    assert digest_json(json.loads(canonical_json(value))) == digest_json(value)


def test_half_a_surrogate_pair_is_written_out() -> None:
    assert json.loads(canonical_json("a\ud800b")) == "a\\ud800b"


def test_importing_the_hashing_needs_no_torch() -> None:
    code = "import sys, piretry.provenance.audit, piretry.provenance.record; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
