"""Theorems of published datasets, from files and a hub, through the stage: statements, proofs, skeletons, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import COMMIT, Repo, serving
from test_hub import run as run_tasks

from piretry.cli import main
from piretry.data.schema import Problem, read_problems
from piretry.data.sources import load_dataset
from piretry.data.theorems.read import proof_of, statement_key, theorem_loaders, without_proof
from piretry.errors import PiretryError
from piretry.grid.task import Task
from piretry.lean_prompts import skeletons
from piretry.provenance.record import read_record, record_path
from piretry.settings.data import FileDataset, HubDataset
from piretry.training.distill import distill_rows
from piretry.verifiers.lean.candidate import Kind, file_candidate
from piretry.verifiers.lean.statement import parse_statement

SHARED = Path(__file__).parents[3] / "shared/data"
HEADER = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 0\n\nopen BigOperators Real Nat Topology Rat\n\n"
CHAT = {"system": None, "instruction": "", "template_options": {}}


def minif2f_row(name: str, statement: str, split: str = "test", **more: str) -> dict[str, str]:
    return {
        "name": name,
        "split": split,
        "informal_prefix": f"/-- Show that {name} holds.-/\n",
        "formal_statement": f"theorem {name} {statement} := by\n",
        "goal": "not read",
        "header": HEADER,
        **more,
    }


def numina_row(statement: str, proof: str | None = None, **more: Any) -> dict[str, Any]:
    """A row of NuminaMath-LEAN: `proof` is by a person."""
    opened = f"import Mathlib\n\n/- In words. -/\n{statement} := by"
    return {
        "uuid": "1",
        "problem": "Show it.",
        "formal_statement": f"{opened} sorry",
        "formal_ground_truth": f"{opened}\n{proof}" if proof else f"{opened} sorry",
        "ground_truth_type": "complete" if proof else "statement",
        "formal_proof": None,
        "rl_data": {"n_proofs": 1},
        "source": "olympiads",
        **more,
    }


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def file_dataset(path: Path, **changes: Any) -> dict[str, Any]:
    settings = {"kind": "file", "name": "file", "format": "minif2f", "split": "test", "path": str(path), **changes}
    return FileDataset.model_validate(settings).plain()


def task(train: Mapping[str, Any], held_out: Mapping[str, Any], numbers: tuple[int, int]) -> Task:
    settings = {"theorems": None, "train": train, "eval": held_out, "seed": 42}
    settings |= {"train_problems": numbers[0], "eval_problems": numbers[1]}
    inputs = {
        key: f"data/source/{split}"
        for key, split in (("train", "theorems"), ("eval", "theorems-eval"))
        if settings[key]["kind"] == "hub"
    }
    outputs = {"train": "data/theorems.parquet", "eval": "data/theorems-eval.parquet"}
    return Task("theorems", "paper", inputs, outputs, settings, ("piretry.stages.theorems",))


def run(root: Path, made: Task) -> tuple[list[Problem], list[Problem]]:
    """Run the stage; training and held-out theorems."""
    assert main(["theorems", "--task", made.to_json(), "--root", str(root)]) == 0
    return read_problems(root / "data/theorems.parquet"), read_problems(root / "data/theorems-eval.parquet")


@pytest.fixture
def shared() -> Path:
    path = SHARED / "minif2f_lean4.jsonl"
    if not path.is_file():
        pytest.skip("shared/data/minif2f_lean4.jsonl is not there: the real miniF2F was not loaded")
    return path


def test_the_real_minif2f_goes_through_the_stage(shared: Path, tmp_path: Path) -> None:
    """Valid to train on and test held out: 488 statements, none lost, each readable for the checker as it was."""
    rows = [json.loads(line) for line in shared.read_text(encoding="utf-8").splitlines()]
    made = task(file_dataset(shared, split="valid", rows=488), file_dataset(shared, rows=488), (244, 244))
    train, held_out = run(tmp_path / "paper", made)
    assert (len(train), len(held_out)) == (244, 244)
    found = {problem.problem_id: problem for problem in [*train, *held_out]}
    assert len(found) == 488 == len({statement_key(problem) for problem in found.values()})
    for row in rows:
        problem = found[row["name"]]
        whole = parse_statement(row["header"] + row["formal_statement"])
        assert parse_statement(problem.gold) == whole is not None
        assert problem.split == row["split"] and problem.solution is None
        assert problem.gold in problem.problem.replace(row["informal_prefix"].strip() + "\n", "")
        assert problem.problem.startswith("# Problem: ") and "-/" not in problem.problem.partition("\n```lean4")[0]
        assert file_candidate(whole, problem.gold + "\n  simp").kind is Kind.tactics
    assert not skeletons([*train, *held_out]), "none of them has a proof"
    record = read_record(record_path(tmp_path / "paper/data/theorems.parquet"))
    counters = record.cost.counters
    assert (counters["with_proof"], counters["without_proof"], counters["held_out_in_pool"]) == (0, 244, 0)
    assert counters["pool_left_out_other_split"] == 244
    assert [(one.role, one.id) for one in record.datasets] == [
        ("theorems", str(shared)),
        ("theorems-eval", str(shared)),
    ]


def test_known_proofs_give_skeletons_and_theorems_without_one_have_none(tmp_path: Path) -> None:
    path = SHARED / "minif2f_few_shot_proofs.jsonl"
    if not path.is_file():
        pytest.skip("shared/data/minif2f_few_shot_proofs.jsonl is not there: no real proofs were loaded")
    rows = [{"header": HEADER, **json.loads(line)} for line in path.read_text(encoding="utf-8").splitlines()]
    del rows[0]["formal_proof"]
    rows[1]["formal_proof"] = "  sorry"
    known = write(tmp_path / "known.jsonl", list({row["name"]: row for row in rows}.values()))
    held_out = write(tmp_path / "held.jsonl", [minif2f_row("held", ": 1 + 1 = 3")])
    number = len(known.read_text().splitlines())
    train, _ = run(tmp_path / "paper", task(file_dataset(known, split="valid"), file_dataset(held_out), (number, 1)))
    by_id = {problem.problem_id: problem for problem in train}
    assert by_id[rows[0]["name"]].solution is None and by_id[rows[1]["name"]].solution is None
    found = skeletons(train)
    with_have = {row["name"] for row in rows[2:] if "have " in row["formal_proof"]}
    assert with_have and set(found) <= with_have
    assert {row.problem_id for row in distill_rows(train, CHAT, PROMPTS)} == set(found)


class _Prompts:
    """Enough of the prompts for a row: only the skeleton's text is asked for."""

    def skeleton(self, subgoals: Any) -> str:
        return ", ".join(goal.text for goal in subgoals)


PROMPTS: Any = _Prompts()


def test_numina_lean_keeps_the_first_known_proof_of_each_statement(tmp_path: Path) -> None:
    person, prover = "  have h : 1 = 1 := rfl\n  simp", "  norm_num"
    opened = "import Mathlib\n\n/- In words. -/\ntheorem b : 2 = 2 := by"
    rows = [
        numina_row("theorem a : 1 = 1", person, formal_proof="import Mathlib\ntheorem a : 1 = 1 := by\n  rfl"),
        numina_row("theorem b : 2 = 2"),
        numina_row("theorem b : 2 = 2", formal_proof=f"{opened}\n{prover}", uuid="2"),
        numina_row("theorem c : 3 = 3", "  sorry"),
        numina_row("theorem d : 4 = 4", formal_proof="import Mathlib\ntheorem d : 4 = 5 := by\n  norm_num"),
        numina_row("theorem e : 5 = 5", formal_statement="def e : Nat := 5"),
        numina_row("theorem f : 6 = 6", formal_statement=None),
        numina_row("theorem g : 7 = 7", problem=None, source=None),
        numina_row("theorem h : 8 = 8", problem="Why? " * 2000),
        numina_row("theorem i : 9 = 9", "  simp\n" * 2000, formal_proof="theorem i : 9 = 9 := by\n  rfl"),
    ]
    path = write(tmp_path / "train.parquet", rows)
    settings = FileDataset.model_validate(file_dataset(path, format="numina-lean", split="train"))
    loaded = load_dataset(settings, None, theorem_loaders())
    assert loaded.dropped == {"long_question": 1, "no_open_theorem": 2, "same_statement": 1}
    proofs = {problem.gold.split("theorem ")[1][0]: problem.solution for problem in loaded.problems}
    by_person = f"by\n{person}"
    known = {"a": by_person, "b": f"by\n{prover}", "i": "by\n  rfl"}
    assert proofs == {**known, "c": None, "d": None, "g": None}, "the long proof is not kept, a shorter one is"
    first, *_, last, _ = loaded.problems
    assert first.problem == (
        "# Problem: Show it.\n# Formal statement:\n```lean4\nimport Mathlib\n\n/- In words. -/\n"
        "theorem a : 1 = 1 := by\n```"
    )
    assert last.problem.startswith("# Formal statement:") and last.source == "file"
    assert len({problem.problem_id for problem in loaded.problems}) == 6
    assert list(skeletons(loaded.problems)) == [first.problem_id]


def test_a_training_theorem_that_is_held_out_is_left_out_whatever_its_name(tmp_path: Path) -> None:
    held_out = write(tmp_path / "held.jsonl", [minif2f_row("imo", "(x : ℕ)\n    (h : x = 1) : x + 1 = 2")])
    rows = [
        numina_row("theorem algebra_7 (x : ℕ) (h : x = 1) :\n  x + 1 = 2", "  omega"),
        numina_row("theorem algebra_8 (x : ℕ) (h : x = 2) : x + 1 = 3", "  omega"),
    ]
    pool = write(tmp_path / "train.parquet", rows)
    train_settings = file_dataset(pool, format="numina-lean", split="train")
    train, _ = run(tmp_path / "paper", task(train_settings, file_dataset(held_out), (1, 1)))
    assert len(train) == 1 and "algebra_8" in train[0].gold
    record = read_record(record_path(tmp_path / "paper/data/theorems.parquet"))
    assert record.cost.counters["held_out_in_pool"] == 1


def test_theorems_of_a_hub_are_fetched_and_then_read_without_a_network(tmp_path: Path) -> None:
    train = write(
        tmp_path / "train-00000-of-00001.parquet", [numina_row(f"theorem t{n} : {n} = {n}") for n in range(9)]
    )
    held_out = write(tmp_path / "test.jsonl", [minif2f_row("held", ": 1 + 1 = 2")])
    repos = {
        "datasets/some/train": Repo({f"data/{train.name}": train.read_bytes(), "README.md": b"a dataset"}),
        "datasets/some/held": Repo({"test.jsonl": held_out.read_bytes()}),
    }
    common = {"kind": "hub", "revision": COMMIT}
    datasets = {
        "theorems": HubDataset(
            **common,
            name="train",
            format="numina-lean",
            split="train",
            repo="some/train",
            files=("data/train-*.parquet",),
        ).plain(),
        "theorems-eval": HubDataset(
            **common, name="held", format="minif2f", split="test", repo="some/held", files=("test.jsonl",)
        ).plain(),
    }
    root = tmp_path / "results/paper"
    fetches = [
        Task("fetch", split, {}, {"source": f"data/source/{split}"}, settings, ("piretry.stages.fetch",))
        for split, settings in datasets.items()
    ]
    with serving(repos) as hub:
        assert run_tasks(root, hub.url, *fetches) == [(0, ""), (0, "")]
    made = task(datasets["theorems"], datasets["theorems-eval"], (5, 1))
    assert run_tasks(root, "http://127.0.0.1:9", made, offline=True) == [(0, "")]
    problems = read_problems(root / "data/theorems.parquet")
    assert len(problems) == 5 and {problem.solution for problem in problems} == {None}
    record = read_record(record_path(root / "data/theorems.parquet"))
    assert [(one.role, one.id, one.revision) for one in record.datasets] == [
        ("theorems", "some/train", COMMIT),
        ("theorems-eval", "some/held", COMMIT),
    ]
    assert record.cost.counters["without_proof"] == 5


@pytest.mark.parametrize(
    ("rows", "changes", "sentence"),
    [
        ([minif2f_row("a", ": 1 = 1")], {"split": "dev"}, r"has no problem.*'other_split': 1"),
        ([{"name": "a", "split": "test"}], {}, r"line 1: the field 'header' is missing; the row has name, split"),
        ([minif2f_row("a", ": 1 = 1", header="")], {}, r"line 1: the field 'header' is empty"),
        ([minif2f_row("a", ": 1 = 1"), minif2f_row("a", ": 1 = 2")], {}, r"two rows that differ have the id 'a'"),
        ([minif2f_row("a", ": 1 = 1")], {"rows": 488}, r"has 1 rows, but the settings say rows: 488"),
        ([minif2f_row("a", ": 1 = 1")], {"sha256": "0" * 64}, r"but the settings expect 0000"),
        (
            [minif2f_row("a", ": 1 = 1")],
            {"format": "math-500"},
            r"format 'math-500' is not one of .* minif2f, numina-l",
        ),
        ([minif2f_row("a", ": 1 = 1")], {"format": "numina-lean"}, r"the field 'formal_ground_truth' is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, rows: list[dict[str, Any]], changes: dict[str, Any], sentence: str
) -> None:
    path = write(tmp_path / "file.jsonl", rows)
    settings = FileDataset.model_validate(file_dataset(path, **changes))
    with pytest.raises(PiretryError, match=sentence):
        load_dataset(settings, None, theorem_loaders())


def test_a_held_out_set_of_another_size_and_too_few_training_theorems_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "file.jsonl", [minif2f_row("a", ": 1 = 1"), minif2f_row("b", ": 2 = 2", split="valid")])
    train, held_out = file_dataset(path, split="valid"), file_dataset(path)
    for numbers, sentence in (
        ((1, 244), "are 1, but prover.eval_problems in the scale file says 244"),
        ((2, 1), "2 training theorems were asked for (prover.train_problems in the scale file)"),
    ):
        made = task(train, held_out, numbers)
        assert main(["theorems", "--task", made.to_json(), "--root", str(tmp_path / "paper")]) != 0
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("theorem t : a := by sorry", "theorem t : a := by"),
        ("theorem t : a := by\n  sorry -- later", "theorem t : a := by"),
        ("theorem t : a :=", "theorem t : a := by"),
        ("theorem t : a := by\n  simp", None),
        ("theorem t : a", None),
    ],
)
def test_a_statement_ends_where_its_proof_would_begin(text: str, wanted: str | None) -> None:
    assert without_proof(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import Mathlib\ntheorem t (x : ℕ)  :\n x = x := by\n  rfl\n", "by\n  rfl"),
        ("lemma t' : 1 = 1 := rfl\n\ntheorem other (x : ℕ) : x = x := by -- sorry\n  rfl", "by -- sorry\n  rfl"),
        ("theorem t (x : ℕ) : x = x := by\n  sorry", None),
        ("theorem t (x : ℕ) : x = x + 0 := by\n  rfl", None),
        ("theorem t (x : ℕ) : x = x", None),
        ("def t := 1", None),
    ],
)
def test_a_proof_is_that_of_the_statement(text: str, wanted: str | None) -> None:
    statement = parse_statement("theorem t (x : ℕ) : x = x := by")
    assert statement is not None
    assert proof_of(statement, text) == wanted
