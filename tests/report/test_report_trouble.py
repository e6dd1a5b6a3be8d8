"""What the page says, and what it refuses, when files are missing, changed or of another version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from built_page import Built, no_traps

from piretry.completions import read_completions, write_completions
from piretry.errors import PiretryError
from piretry.grid.tasks import gather, shard
from piretry.provenance.record import Publication
from piretry.report.page import build_page
from piretry.report.parts import cells, examples, grader
from piretry.report.results import read_results
from piretry.runner import run_task
from piretry.shards import own


@pytest.fixture
def copy(built: Built, tmp_path: Path) -> Path:
    root = tmp_path / "results"
    shutil.copytree(built.root, root)
    return root


def troubles(built: Built, root: Path) -> tuple[str, ...]:
    return read_results(root, built.task.inputs, built.task.settings).troubles


def test_a_copied_folder_has_no_troubles(built: Built, copy: Path) -> None:
    for path in copy.rglob("*.parquet"):
        path.touch()  # other times, the same bytes
    assert troubles(built, copy) == ()


def test_a_changed_table_is_named(built: Built, copy: Path) -> None:
    path = copy / "small/base/s42/eval.parquet"
    other = copy / "small/base/s123/eval.parquet"
    path.write_bytes(other.read_bytes())
    assert troubles(built, copy) == (
        "small/base/s42/eval.parquet was changed after it was made: its sha256 is not the one in its record.",
    )


def test_a_missing_record_is_named_on_the_page(built: Built, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grader, "_traps", no_traps())
    (copy / "small/retry-full/k1/bare/r1/s42/sft.parquet.prov.json").unlink()
    page = build_page(copy, built.task.inputs, built.task.settings)
    top = page[: page.index("At a glance</h2>")]
    assert "The provenance of this page has 1 gap." in top
    assert "small/retry-full/k1/bare/r1/s42/sft.parquet has no provenance record that can be read." in top
    assert "<em>no record</em>" in page


def test_an_artifact_made_from_another_version_is_named(built: Built, copy: Path) -> None:
    record = copy / "data/train.parquet.prov.json"
    value = json.loads(record.read_text())
    value["artifact"]["sha256"] = "0" * 64
    record.write_text(json.dumps(value))
    found = troubles(built, copy)
    assert (
        "small/base/s42/attempts.parquet was made from another version of data/train.parquet than the one there now."
        in found
    )


def test_the_same_results_give_the_same_page(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grader, "_traps", no_traps())
    first = build_page(built.root, built.task.inputs, built.task.settings)
    assert build_page(built.root, built.task.inputs, built.task.settings) == first


@pytest.mark.parametrize(
    ("path", "spoil", "said"),
    [
        ("claims/headline.json", lambda text: text.replace('"schema": 1', '"schema": 7'), "has schema 7"),
        ("claims/headline.json", lambda text: text[:100], "cannot be read as JSON"),
        ("tables/rounds.csv", lambda text: "", "is empty"),
        ("data/overlap.json", lambda text: "[]", "holds a list, not an object"),
    ],
)
def test_a_damaged_input_is_refused_with_the_remedy(
    built: Built, copy: Path, path: str, spoil: Callable[[str], str], said: str
) -> None:
    file = copy / path
    file.write_text(spoil(file.read_text()))
    with pytest.raises(PiretryError, match=said) as caught:
        read_results(copy, built.task.inputs, built.task.settings)
    assert str(file) in str(caught.value) and "un the workflow again" in str(caught.value)


def test_a_damaged_completions_table_is_refused(built: Built, copy: Path) -> None:
    (copy / "small/base/s42/attempts.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(PiretryError, match=r"attempts\.parquet cannot be read as a completions table"):
        read_results(copy, built.task.inputs, built.task.settings)


def test_tables_that_were_divided_over_jobs_are_counted_once(built: Built, copy: Path) -> None:
    scale = built.project.scale.model_copy(update={"shards": 2})
    project = replace(built.project, scale=scale)
    whole = "small/base/s42/retries-bare.parquet"
    before = (copy / whole).read_bytes()
    for number in ("0", "1"):
        task = shard(project, "small/base/s42", "retries-bare", number)
        with Publication(
            root=copy,
            stage=task.stage,
            target=task.target,
            inputs={name: copy / path for name, path in task.inputs.items()},
            outputs={name: copy / path for name, path in task.outputs.items()},
            settings=task.settings,
            modules=("piretry.completions",),
        ) as job:
            write_completions(job.temporary("bare"), own(read_completions(copy / whole), task.settings))
    run_task(gather(project, "small/base/s42", "retries-bare"), copy, ["piretry", "gather"])
    assert (copy / whole).read_bytes() == before

    then, now = (read_results(root, built.task.inputs, built.task.settings) for root in (built.root, copy))
    assert now.files == then.files and now.troubles == ()
    assert examples.view(now) == examples.view(then) and cells.view(now) == cells.view(then)
    levels = dict(now.records.levels(now.records.chain([whole])))
    shown = [node.id for node in levels["Retries, their repeats, and fresh attempts"]]
    parts = [f"small/base/s42/shards/retries-bare.{number}.parquet" for number in (0, 1)]
    assert shown == [whole, *parts]
