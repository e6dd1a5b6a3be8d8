from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.data.schema import (
    PROBLEM_SCHEMA,
    Problem,
    content_id,
    fingerprint,
    iter_problems,
    read_problems,
    whole_file,
    write_problems,
)
from piretry.errors import PiretryError


def some(number: int = 5) -> list[Problem]:
    return [
        Problem(f"p{n}", f"What is {n}+{n}? ∑", str(2 * n), None if n % 2 else f"It is {2 * n}.", "sums", "train")
        for n in range(number)
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "problems.parquet"
    assert write_problems(path, iter(some())) == 5
    assert read_problems(path) == some()
    assert list(iter_problems(path)) == some()
    assert [other.name for other in path.parent.iterdir()] == ["problems.parquet"]


def test_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_problems(first, some(60_000))  # several row groups
    os.utime(first, (1, 1))
    write_problems(second, (replace(problem) for problem in some(60_000)))
    assert first.read_bytes() == second.read_bytes()
    assert pq.ParquetFile(first).metadata.num_row_groups == 2
    assert b"pandas" not in (pq.read_schema(first).metadata or {})
    write_problems(second, reversed(some(60_000)))
    assert first.read_bytes() != second.read_bytes()


def test_fingerprint_is_of_content_not_of_encoding_or_order(tmp_path: Path) -> None:
    rows = some(50)
    path = tmp_path / "other.parquet"
    columns = {field.name: [getattr(row, field.name) for row in reversed(rows)] for field in PROBLEM_SCHEMA}
    pq.write_table(pa.table(columns, schema=PROBLEM_SCHEMA), path, compression="gzip", row_group_size=7)
    assert fingerprint(read_problems(path)) == fingerprint(rows)
    # Written down once: a change of the canonical form must be deliberate.
    assert fingerprint(some(2)) == "3e08212a8160655e24169acfa504184d9c1ffa2a0d696a3117c453895dbd9807"


@given(st.sampled_from([field.name for field in PROBLEM_SCHEMA]), st.integers(0, 4), st.text(min_size=1))
def test_fingerprint_sees_every_field(field: str, row: int, text: str) -> None:
    rows = some()
    changed = [*rows]
    changed[row] = replace(rows[row], **{field: text})
    assert (fingerprint(changed) == fingerprint(rows)) == (getattr(rows[row], field) == text)


def test_fingerprint_keeps_fields_apart_and_counts_copies() -> None:
    one = Problem("1", "ab", "c", None, "s", "t")
    assert fingerprint([one]) != fingerprint([replace(one, problem="a", gold="bc")])
    assert fingerprint([one]) != fingerprint([replace(one, solution="None")])
    assert fingerprint([one]) != fingerprint([one, one])


def test_content_ids_are_stable() -> None:
    assert content_id("numina", "a", "b") == content_id("numina", "a", "b")
    assert content_id("numina", "a", "b") != content_id("numina", "ab", "")
    assert content_id("numina", "a", "b") == "numina-3554d2b8a1e340990538"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Problem("", "p", "g", None, "s", "t"), "row 3: problem_id is empty"),
        (Problem("x", " \n", "g", None, "s", "t"), "row 3: problem is empty (problem_id 'x')"),
        (Problem("x", "p", "", None, "s", "t"), "row 3: gold is empty (problem_id 'x')"),
        (Problem("p1", "p", "g", None, "s", "t"), "row 3: the problem_id 'p1' is that of row 2 too"),
        (Problem("x", "p", 7, None, "s", "t"), "row 3: gold is 7, but must be text"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_row_is_refused_by_writer_and_reader(tmp_path: Path, row: Problem, message: str) -> None:
    path = tmp_path / "problems.parquet"
    with pytest.raises(PiretryError) as error:
        write_problems(path, [*some(2), row])
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert list(tmp_path.iterdir()) == []
    if isinstance(row.gold, str):
        columns = {field.name: [getattr(p, field.name) for p in [*some(2), row]] for field in PROBLEM_SCHEMA}
        pq.write_table(pa.table(columns, schema=PROBLEM_SCHEMA), path)
        with pytest.raises(PiretryError) as error:
            read_problems(path)
        assert message in str(error.value)
        assert str(path) in str(error.value)


def test_a_null_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "problems.parquet"
    loose = pa.schema([pa.field(field.name, field.type) for field in PROBLEM_SCHEMA])
    pq.write_table(pa.table([["a"], ["p"], [None], [None], ["s"], ["t"]], schema=loose), path)
    with pytest.raises(PiretryError, match="row 1: gold is None, but must be text"):
        read_problems(path)


def test_other_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "problems.parquet"
    pq.write_table(pa.table({"problem_id": ["a"], "question": ["b"]}), path)
    with pytest.raises(PiretryError, match=r"lacks problem, gold, solution, source, split.*problem_id, question"):
        read_problems(path)
    numbers = pa.table({field.name: pa.array([1 if field.name == "gold" else "x"]) for field in PROBLEM_SCHEMA})
    pq.write_table(numbers, path)
    with pytest.raises(PiretryError, match="column gold is int64, expected string"):
        read_problems(path)


@pytest.mark.parametrize("damage", ["cut", "middle", "empty", "text"])
def test_a_corrupt_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "problems.parquet"
    write_problems(path, some(2000))
    data = path.read_bytes()
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "middle":
        data = data[:200] + b"\xff" * 400 + data[600:]
    else:
        data = b"" if damage == "empty" else b"problem_id,problem\n1,2\n"
    path.write_bytes(data)
    with pytest.raises(PiretryError, match="is not a whole parquet file") as error:
        read_problems(path)
    assert str(path) in str(error.value)


def test_one_flipped_byte_is_seen_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "problems.parquet"
    write_problems(path, some(300))
    data = path.read_bytes()
    unseen = []
    for at in range(0, len(data), 37):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        try:
            if read_problems(path) != some(300):
                unseen.append(at)
        except PiretryError:
            pass
    assert unseen == []


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match="does not exist: a problem table"):
        read_problems(tmp_path / "problems.parquet")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "problems.parquet"
    write_problems(path, some())
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert read_problems(path) == some()
    assert [other.name for other in tmp_path.iterdir()] == ["problems.parquet"]


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    with pytest.raises(PiretryError, match="cannot be written"):
        write_problems(tmp_path / "data" / "problems.parquet", some())


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small tmpfs needs root")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        noise = [replace(p, solution=os.urandom(200).hex()) for p in some(2000)]
        with pytest.raises(PiretryError, match=r"cannot be written.*[Nn]o space"):
            write_problems(small / "problems.parquet", noise)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
