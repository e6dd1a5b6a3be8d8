"""Grading a file of rows, and the message for each way in which such a file can be bad."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.verifiers import MathVerifier
from piretry.verifiers.files import grade_file

ROWS = [
    {"id": "a", "gold": r"\frac{1}{2}", "completion": r"So \boxed{0.5}.", "note": "kept"},
    {"id": 7, "gold": r"x^2-1", "completion": r"So \boxed{(x-1)(x+1)}."},
    {"id": "c", "gold": "5", "completion": r"So \boxed{5}", "finish_reason": "length"},
    {"id": "d", "gold": "5", "completion": r"So \boxed{6}", "finish_reason": None},
]


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    with MathVerifier() as shared:
        yield shared


def _write(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return path


def test_rows_keep_their_keys_and_gain_verdicts(tmp_path: Path, verifier: MathVerifier) -> None:
    source = _write(tmp_path / "in.jsonl", *map(json.dumps, ROWS), "")
    seen: list[int] = []
    summary = grade_file(source, tmp_path / "out" / "graded.jsonl", verifier, progress=seen.append)
    rows = [json.loads(line) for line in (tmp_path / "out" / "graded.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in rows] == ["correct", "correct", "no_answer", "wrong"]
    assert [row["answer"] for row in rows] == ["0.5", "(x-1)(x+1)", None, "6"]
    assert [{key: row[key] for key in original} for row, original in zip(rows, ROWS, strict=True)] == ROWS
    assert {row["verifier"] for row in rows} == {verifier.version} == {summary.verifier}
    assert (summary.rows, summary.written, summary.disagreements) == (4, 4, 1)
    assert summary.verdicts == {"correct": 2, "wrong": 1, "no_answer": 1}
    assert seen == [4] and [path.name for path in (tmp_path / "out").iterdir()] == ["graded.jsonl"]


def test_only_the_disagreements(tmp_path: Path, verifier: MathVerifier) -> None:
    source = _write(tmp_path / "in.jsonl", *map(json.dumps, ROWS))
    summary = grade_file(source, tmp_path / "out.jsonl", verifier, disagreements_only=True)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["verdict"], row["second_opinion"]) for row in rows] == [(7, "correct", "wrong")]
    assert (summary.rows, summary.written, summary.disagreements) == (4, 1, 1)


def test_without_a_target_the_rows_are_printed(
    tmp_path: Path, verifier: MathVerifier, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _write(tmp_path / "in.jsonl", *map(json.dumps, ROWS))
    grade_file(source, None, verifier, disagreements_only=True)
    assert [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()] == [7]
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_graded_file_can_be_graded_again_in_place(tmp_path: Path) -> None:
    path = _write(tmp_path / "rows.jsonl", *map(json.dumps, ROWS))
    grade_file(path, path, cache=tmp_path / "cache.sqlite")
    first = path.read_bytes()
    grade_file(path, path, workers=2, cache=tmp_path / "cache.sqlite")
    assert path.read_bytes() == first


def test_bytes_and_characters_of_every_kind_pass(tmp_path: Path, verifier: MathVerifier) -> None:
    source = _write(
        tmp_path / "in.jsonl",
        b'{"id": "latin", "gold": "5", "completion": "caf\xe9 \\\\boxed{5}"}',
        r'{"id": "surrogate", "gold": "5", "completion": "\ud800 \\boxed{5}"}',
        r'{"id": "nul", "gold": "5", "completion": "\u0000\\boxed{5\u0000}"}',
        json.dumps({"id": "long", "gold": "5", "completion": "{" * 10**6 + r"\boxed{5}"}),
        json.dumps({"id": "break", "gold": "5", "completion": "\u2028\x85\r\\boxed{5}"}, ensure_ascii=False),
    )
    grade_file(source, tmp_path / "out.jsonl", verifier)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="ascii").splitlines()]
    assert {row["id"]: row["verdict"] for row in rows} == dict.fromkeys(
        ("latin", "surrogate", "nul", "long", "break"), "correct"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2: not JSON"),
        ("[" * 100_000, r"line 2: not JSON \(it is nested too deeply\)"),
        ("[1]", r"line 2: a JSON list; expected one JSON object"),
        ('{"id": 1, "gold": "5"}', r"line 2: the key 'completion' is missing \(there are: 'id', 'gold'\)"),
        ('{"id": 1, "gold": 5, "completion": "5"}', r"line 2: 'gold' is 5, a int, but must be a string"),
        ('{"id": 1, "gold": "5", "completion": null}', r"line 2: 'completion' is None"),
        ('{"id": 1, "gold": "5", "completion": "5", "finish_reason": 3}', r"line 2: 'finish_reason' is 3"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    tmp_path: Path, verifier: MathVerifier, line: str, message: str
) -> None:
    source = _write(tmp_path / "in.jsonl", json.dumps(ROWS[0]), line)
    with pytest.raises(PiretryError, match=message):
        grade_file(source, tmp_path / "out.jsonl", verifier)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_files_that_cannot_be_read_or_written(tmp_path: Path, verifier: MathVerifier) -> None:
    with pytest.raises(PiretryError, match=r"missing\.jsonl: cannot be read \(No such file"):
        grade_file(tmp_path / "missing.jsonl", tmp_path / "out.jsonl", verifier)
    source = _write(tmp_path / "in.jsonl", json.dumps(ROWS[0]))
    with pytest.raises(PiretryError, match="cannot write there"):
        grade_file(source, source / "out.jsonl", verifier)
    (tmp_path / "folder").mkdir()
    with pytest.raises(PiretryError, match="could not be written"):
        grade_file(source, tmp_path / "folder", verifier)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "in.jsonl"]
