from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from piretry.data.schema import read_problems, write_problems
from piretry.data.sources import load_dataset
from piretry.errors import PiretryError
from piretry.provenance.hashing import sha256_file
from piretry.settings.data import FieldMapping, FileDataset

NUMINA = [
    {
        "source": "olympiads",
        "problem": "What is $1+1$?",
        "solution": r"First \boxed{3}? No: \boxed{2}. ",
        "messages": [{"role": "user", "content": "What is $1+1$?"}],
    },
    {
        "source": "cn_k12",
        "problem": "Halve $1$.",
        "solution": r"It is $\boxed{\frac{1}{2}}$.",
        "messages": [{"role": "user", "content": "Halve $1$."}],
    },
]
MATH500 = [
    {
        "problem": f"What is ${n}+{n}$?",
        "solution": f"It is ${2 * n}$.",
        "answer": str(2 * n),
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": f"test/prealgebra/{n}.json",
    }
    for n in range(3)
]
Write = Callable[[list[dict[str, Any]], Path], None]


def as_jsonl(rows: list[dict[str, Any]], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def as_json(rows: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(rows, indent=4), encoding="utf-8")


def as_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


WRITERS: dict[str, Write] = {".jsonl": as_jsonl, ".json": as_json, ".parquet": as_parquet}


def numina(path: Path, **more: Any) -> FileDataset:
    return FileDataset(name="numina", format="numina-cot", split="train", kind="file", path=str(path), **more)


def math500(path: Path, **more: Any) -> FileDataset:
    return FileDataset(name="math-500", format="math-500", split="test", kind="file", path=str(path), **more)


def mapped(path: Path, **names: str | None) -> FileDataset:
    fields = {"problem": "q", "gold": "a", "solution": None, "problem_id": None, "source": None, **names}
    return FileDataset(
        name="mine", format="fields", split="all", kind="file", path=str(path), fields=FieldMapping(**fields)
    )


@pytest.mark.parametrize("suffix", WRITERS)
def test_numina_takes_the_last_box_and_counts_what_it_leaves_out(tmp_path: Path, suffix: str) -> None:
    proof = {**NUMINA[0], "problem": "Prove it.", "solution": "Clear. \\qed"}
    empty = {**NUMINA[0], "problem": "Nothing?", "solution": r"\boxed{ }"}
    path = tmp_path / f"train{suffix}"
    WRITERS[suffix]([*NUMINA, proof, NUMINA[0], empty], path)
    dataset = load_dataset(numina(path, rows=5))
    assert [(p.gold, p.source, p.split) for p in dataset.problems] == [
        ("2", "olympiads", "train"),
        (r"\frac{1}{2}", "cn_k12", "train"),
    ]
    assert dataset.problems[0].solution == NUMINA[0]["solution"]
    assert dataset.dropped == {"empty_gold": 1, "identical_row": 1, "no_boxed_answer": 1}
    assert dataset.files == {path.name: sha256_file(path)}
    # The same rows have the same ids whatever file they come from, and the table takes them.
    other = tmp_path / "other.jsonl"
    as_jsonl(NUMINA, other)
    assert [p.problem_id for p in load_dataset(numina(other)).problems] == [p.problem_id for p in dataset.problems]
    write_problems(tmp_path / "pool.parquet", dataset.problems)
    assert read_problems(tmp_path / "pool.parquet") == dataset.problems


@pytest.mark.parametrize("suffix", WRITERS)
def test_math500_keeps_its_ids(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"test{suffix}"
    WRITERS[suffix](MATH500, path)
    dataset = load_dataset(math500(path, sha256=sha256_file(path)))
    assert [p.problem_id for p in dataset.problems] == [row["unique_id"] for row in MATH500]
    assert [p.gold for p in dataset.problems] == ["0", "2", "4"]
    assert dataset.dropped == {}


def test_any_fields(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    as_json(
        [{"q": "1+1?", "a": 2, "n": "x"}, {"q": "2+2?", "a": "4", "n": "y"}, {"q": "?", "a": "", "n": "z"}],
        path,
    )
    dataset = load_dataset(mapped(path, problem_id="n"))
    assert [(p.problem_id, p.gold, p.source) for p in dataset.problems] == [
        ("x", "2", "mine"),
        ("y", "4", "mine"),
    ]
    assert dataset.dropped == {"empty_gold": 1}
    made = load_dataset(mapped(path)).problems
    assert len({p.problem_id for p in made}) == 2
    assert all(p.problem_id.startswith("mine-") for p in made)
    as_json([{"q": "1+1?", "s": r"\boxed{1} \boxed{2}"}], path)
    assert load_dataset(mapped(path, gold=None, solution="s")).problems[0].gold == "2"


def refusal(settings: FileDataset) -> str:
    with pytest.raises(PiretryError) as error:
        load_dataset(settings)
    return str(error.value)


@pytest.mark.parametrize("missing", ["source", "problem", "solution"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_row_without_a_field_is_named(tmp_path: Path, suffix: str, missing: str) -> None:
    path = tmp_path / f"train{suffix}"
    short = {key: value for key, value in NUMINA[1].items() if key != missing}
    WRITERS[suffix]([NUMINA[0], short], path)
    message = refusal(numina(path))
    assert str(path) in message
    assert f"the field {missing!r} is" in message
    # Parquet knows the column and has a null in it; in the list, the second object starts on line 13.
    assert {".jsonl": "line 2", ".json": "line 13", ".parquet": "row 2"}[suffix] in message


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"problem": "  "}, "the field 'problem' is empty"),
        ({"answer": None}, "the field 'answer' is empty"),
        ({"answer": ["1"]}, "the field 'answer' is ['1'], but must be text"),
        ({"answer": 0.5}, "the field 'answer' is 0.5, but must be text"),
        ({"solution": "half \ud83d pair"}, "the field 'solution' has half a surrogate pair at character 5"),
    ],
)
def test_a_field_that_is_no_text_is_named(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    path = tmp_path / "test.jsonl"
    as_jsonl([*MATH500[:2], {**MATH500[2], **bad}], path)
    found = refusal(math500(path))
    assert f"{path}, line 3: {message}" in found


def test_a_truncated_last_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    as_jsonl(MATH500, path)
    whole = path.read_bytes()
    start = whole.rindex(b"{", 0, whole.rindex(b"problem"))
    for cut in range(start + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        message = refusal(math500(path))
        assert f"{path}, line 3: this is not a whole JSON object (it ends too early" in message


def test_a_truncated_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    as_json(MATH500, path)
    whole = path.read_bytes()
    for cut in range(1, len(whole), 7):
        path.write_bytes(whole[:cut])
        message = refusal(math500(path))
        assert f"{path}, line " in message
        assert "cut short" in message


def test_a_truncated_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    as_parquet(MATH500, path)
    path.write_bytes(path.read_bytes()[:-100])
    assert f"{path} is not a whole parquet file" in refusal(math500(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test.jsonl", b'{"problem": "\xff"}\n', "line 1: byte 14 is not UTF-8"),
        ("test.jsonl", b"[1, 2]\n", "line 1: a row must be an object with fields, but this is [1, 2]"),
        (
            "test.json",
            b'{"problem": "x"}',
            'must hold one JSON list of objects, but starts with \'{"problem"',
        ),
        ("test.json", b'[\n3, {"a": 1}]', "line 2: a row must be an object with fields, but this is 3"),
        ("test.csv", b"a,b\n", "its name must end in .jsonl, .json, .parquet"),
        ("test.jsonl", b"", "has no problem"),
        ("test.json", b"[]", "has no problem"),
    ],
)
def test_a_file_that_is_no_dataset_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = refusal(math500(path))
    assert message in found
    assert str(path) in found


def test_an_absent_file_is_named_with_its_neighbour(tmp_path: Path) -> None:
    as_jsonl(MATH500, tmp_path / "math500_test.jsonl")
    message = refusal(math500(tmp_path / "math500_tset.jsonl"))
    assert "does not exist. Did you mean 'math500_test.jsonl'?" in message
    assert "does not exist" in refusal(math500(tmp_path / "nowhere" / "test.jsonl"))


def test_a_changed_or_short_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    as_jsonl(MATH500, path)
    assert "has 3 rows, but the settings say rows: 500" in refusal(math500(path, rows=500))
    wrong = "0" * 64
    message = refusal(math500(path, sha256=wrong))
    assert wrong in message
    assert sha256_file(path) in message


def test_two_different_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    as_jsonl([MATH500[0], {**MATH500[1], "unique_id": MATH500[0]["unique_id"]}], path)
    assert "two rows that differ have the id 'test/prealgebra/0.json'" in refusal(math500(path))
