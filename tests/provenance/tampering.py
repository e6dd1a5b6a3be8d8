"""Ten ways to tamper with a results folder, each with variants, and what the audit must name for each.

A case changes the folder and returns the (kind, path) pairs that `piretry audit` must find, no more and no fewer. What
is downstream is looked up in the records, so that the cases hold for any folder with the two cells named here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from results_folder import CELL, REJECTION, Run

from piretry.provenance.hashing import hash_content, plain, sha256_file
from piretry.provenance.model import RECORD_SUFFIX, Record, load, read_record, record_path

EVAL, MODEL, SFT = f"{CELL}/eval.parquet", f"{CELL}/model", f"{CELL}/sft.parquet"
OTHER_EVAL, OTHER_MODEL = f"{REJECTION}/eval.parquet", f"{REJECTION}/model"
CLAIM = "claims/headline.json"
Found = set[tuple[str, str]]


@dataclass(frozen=True)
class Folder:
    """A results folder to tamper with, and another run of the same configuration with an id of its own."""

    root: Path
    other_run: Path

    def records(self) -> dict[str, Record]:
        files = sorted(self.root.rglob(f"*{RECORD_SUFFIX}"))
        return {
            file.relative_to(self.root).as_posix().removesuffix(RECORD_SUFFIX): load(file.read_text()).record
            for file in files
        }

    def consumers(self, *paths: str) -> set[str]:
        """The artifacts that were made from any of `paths`."""
        return {name for name, record in self.records().items() if any(entry.path in paths for entry in record.inputs)}

    def changed_by(self, *paths: str) -> Found:
        """What is found at the consumers of artifacts whose hash or record is not the one that they saw."""
        return {("record_changed", name) for name in self.consumers(*paths)}

    def edit(self, path: str, change: Callable[[dict[str, Any]], object], forge: bool = False) -> None:
        """Edit the record beside `path`; `forge` makes its checksum fit again, as someone who means it would."""
        file = record_path(self.root / path)
        value = json.loads(file.read_text())
        change(value)
        file.write_text(load(json.dumps(value)).record.to_json() if forge else json.dumps(value, indent=1))

    def rehash(self, value: dict[str, Any], path: str) -> None:
        """Make the record `value` name the bytes that lie at `path` now."""
        value["artifact"].update(plain(hash_content(self.root / path)))

    def move(self, source: str, target: str) -> None:
        (self.root / target).parent.mkdir(parents=True, exist_ok=True)
        (self.root / source).rename(self.root / target)

    def swap(self, one: str, two: str) -> None:
        for source, target in ((one, "aside"), (two, one), ("aside", two)):
            self.move(source, target)


def other_numbers(path: Path) -> None:
    """Other values in the last column of a table, written as a valid file: an edit that a reader would not notice."""
    table = pq.read_table(path)
    name = table.schema.names[-1]
    values = table.column(name).to_pylist()
    table = table.set_column(table.num_columns - 1, name, pa.array(values[::-1], table.schema.field(name).type))
    pq.write_table(table, path, compression="zstd", compression_level=19)


# -- 1. edited eval


def edited_eval(folder: Folder) -> Found:
    other_numbers(folder.root / EVAL)
    return {("changed", EVAL)}


def edited_eval_with_its_hash_in_the_record(folder: Folder) -> Found:
    other_numbers(folder.root / EVAL)
    folder.edit(EVAL, lambda value: folder.rehash(value, EVAL))
    return {("record_edited", EVAL), *folder.changed_by(EVAL)}


def edited_eval_with_a_forged_record(folder: Folder) -> Found:
    other_numbers(folder.root / EVAL)
    folder.edit(EVAL, lambda value: folder.rehash(value, EVAL), forge=True)
    return folder.changed_by(EVAL)


def edited_eval_with_records_forged_down_to_the_claims(folder: Folder) -> Found:
    other_numbers(folder.root / EVAL)
    folder.edit(EVAL, lambda value: folder.rehash(value, EVAL), forge=True)
    made = read_record(record_path(folder.root / EVAL))
    forged = folder.consumers(EVAL)

    def follow(value: dict[str, Any]) -> None:
        for entry in value["inputs"]:
            if entry["path"] == EVAL:
                entry.update(sha256=made.artifact.sha256, size=made.artifact.size, record=made.checksum)

    for path in forged:
        folder.edit(path, follow, forge=True)
    return folder.changed_by(*forged)


# -- 2. swapped models


def swapped_models(folder: Folder) -> Found:
    folder.swap(MODEL, OTHER_MODEL)
    return {("changed", MODEL), ("changed", OTHER_MODEL)}


def swapped_models_with_their_records(folder: Folder) -> Found:
    for suffix in ("", RECORD_SUFFIX):
        folder.swap(MODEL + suffix, OTHER_MODEL + suffix)
    return {("renamed", MODEL), ("renamed", OTHER_MODEL), *folder.changed_by(MODEL, OTHER_MODEL)}


def swapped_models_with_records_forged_to_their_new_places(folder: Folder) -> Found:
    swapped_models_with_their_records(folder)
    for path in (MODEL, OTHER_MODEL):
        folder.edit(path, lambda value, path=path: value["artifact"].update(path=path), forge=True)  # type: ignore[misc]
    return {("renamed", MODEL), ("renamed", OTHER_MODEL), *folder.changed_by(MODEL, OTHER_MODEL)}


# -- 3. edited record


def edited_record(folder: Folder) -> Found:
    folder.edit(EVAL, lambda value: value["settings"].update(seed=1))
    return {("record_edited", EVAL)}


def edited_record_with_a_forged_checksum(folder: Folder) -> Found:
    folder.edit(EVAL, lambda value: value["settings"].update(seed=1), forge=True)
    return folder.changed_by(EVAL)


def damaged_record(folder: Folder) -> Found:
    file = record_path(folder.root / EVAL)
    file.write_text(file.read_text()[:200])
    return {("record_invalid", EVAL)}


# -- 4. replaced image


def _in_an_image(folder: Folder) -> Path:
    """Record the claim as made in images/cpu.sif of the checkout, as a run with Apptainer does."""
    image = folder.root.parent.parent / "images/cpu.sif"
    image.parent.mkdir()
    image.write_bytes(b"image one")

    def add(value: dict[str, Any]) -> None:
        value["image"].update(path="images/cpu.sif", sha256=sha256_file(image))
        value["folder"] = "/where/the/job/ran"  # the checkout was moved since

    record = "tables/late.csv"
    Run(folder.root).job("table", "late", {"table": record})
    folder.edit(record, add, forge=True)
    return image


def replaced_image(folder: Folder) -> Found:
    _in_an_image(folder).write_bytes(b"image two")
    return {("other_image", "tables/late.csv")}


def image_in_place(folder: Folder) -> Found:
    _in_an_image(folder)
    return set()


def image_not_at_hand(folder: Folder) -> Found:
    _in_an_image(folder).unlink()
    return set()


# -- 5. renamed cell


def renamed_cell(folder: Folder) -> Found:
    new = CELL.replace("/s42", "/s999")
    inside = [path.removeprefix(f"{CELL}/") for path in folder.records() if path.startswith(f"{CELL}/")]
    folder.move(CELL, new)
    return {("renamed", f"{new}/{name}") for name in inside} | {("missing", f"{CELL}/{name}") for name in inside}


def renamed_cell_with_forged_records(folder: Folder) -> Found:
    new = CELL.replace("/s42", "/s999")
    inside = [path.removeprefix(f"{CELL}/") for path in folder.records() if path.startswith(f"{CELL}/")]
    folder.move(CELL, new)
    for name in inside:
        file = record_path(folder.root / new / name)
        file.write_text(load(file.read_text().replace(f'"{CELL}', f'"{new}')).record.to_json())
    # The chain inside the cell was forged with it, but for the checksums of records: those now name others.
    return {("missing", EVAL), ("record_changed", f"{new}/model"), ("record_changed", f"{new}/eval.parquet")}


# -- 6. other code: the test runs the audit with a changed copy of the sources


# -- 7. missing file


def missing_file(folder: Folder) -> Found:
    (folder.root / EVAL).unlink()
    return {("missing", EVAL)}


def missing_file_and_record(folder: Folder) -> Found:
    (folder.root / EVAL).unlink()
    record_path(folder.root / EVAL).unlink()
    return {("missing", EVAL)}


def missing_record(folder: Folder) -> Found:
    record_path(folder.root / EVAL).unlink()
    return {("record_missing", EVAL)}


def missing_file_of_a_model(folder: Folder) -> Found:
    (folder.root / MODEL / "config.json").unlink()
    return {("changed", MODEL)}


# -- 8. extra file


def extra_file(folder: Folder) -> Found:
    (folder.root / CELL / "notes.txt").write_text("mine")
    return {("unexpected", f"{CELL}/notes.txt")}


def extra_file_of_a_model(folder: Folder) -> Found:
    (folder.root / MODEL / "extra.safetensors").write_bytes(b"weights")
    return {("changed", MODEL)}


def extra_evaluation_without_a_record(folder: Folder) -> Found:
    path = f"{CELL.replace('/s42', '/s999')}/eval.parquet"
    (folder.root / path).parent.mkdir(parents=True)
    shutil.copy(folder.root / EVAL, folder.root / path)
    return {("record_missing", path)}


def extra_cell_copied_with_its_records(folder: Folder) -> Found:
    new = CELL.replace("/s42", "/s999")
    inside = [path.removeprefix(f"{CELL}/") for path in folder.records() if path.startswith(f"{CELL}/")]
    shutil.copytree(folder.root / CELL, folder.root / new)
    return {("renamed", f"{new}/{name}") for name in inside}


# -- 9. clock set back


def _shift(folder: Folder, path: str, by: timedelta, *, only_end: bool = False) -> None:
    def shift(value: dict[str, Any]) -> None:
        for key in ("finished",) if only_end else ("started", "finished"):
            value["cost"][key] = (datetime.fromisoformat(value["cost"][key]) + by).isoformat()

    folder.edit(path, shift, forge=True)


def clock_set_back(folder: Folder) -> Found:
    """The claim is judged by a machine whose clock is two days behind; nothing has read it yet."""
    Run(folder.root).job("judge", "late", {"claim": "claims/late.json"}, {"eval": EVAL})
    _shift(folder, "claims/late.json", -timedelta(days=2))
    return {("time_order", "claims/late.json")}


def clock_set_back_while_it_ran(folder: Folder) -> Found:
    Run(folder.root).job("judge", "late", {"claim": "claims/late.json"}, {"eval": EVAL})
    _shift(folder, "claims/late.json", -timedelta(hours=1), only_end=True)
    return {("time_order", "claims/late.json")}


def clock_set_back_for_an_evaluation_that_was_used(folder: Folder) -> Found:
    _shift(folder, EVAL, -timedelta(days=2))
    return {("time_order", EVAL), *folder.changed_by(EVAL)}


def clock_set_back_for_data_that_were_made_from_nothing(folder: Folder) -> Found:
    _shift(folder, "data/pool.parquet", -timedelta(days=2))
    return {("time_order", "data/pool.parquet"), *folder.changed_by("data/pool.parquet")}


def clock_set_forward(folder: Folder) -> Found:
    Run(folder.root).job("judge", "late", {"claim": "claims/late.json"}, {"eval": EVAL})
    _shift(folder, "claims/late.json", timedelta(days=2))
    return {("time_order", "claims/late.json")}


# -- 10. record of another run


def record_of_another_cell(folder: Folder) -> Found:
    shutil.copy(record_path(folder.root / OTHER_EVAL), record_path(folder.root / EVAL))
    return {("renamed", EVAL), ("changed", EVAL), *folder.changed_by(EVAL)}


def record_of_another_run(folder: Folder) -> Found:
    shutil.copy(record_path(folder.other_run / EVAL), record_path(folder.root / EVAL))
    return {("foreign", EVAL)}


def artifact_and_record_of_another_run(folder: Folder) -> Found:
    shutil.copy(folder.other_run / EVAL, folder.root / EVAL)
    return record_of_another_run(folder)


def record_of_another_run_with_a_forged_id(folder: Folder) -> Found:
    """The other run's record is made to name this run. It still stands beside inputs and consumers of its own run."""
    record_of_another_run(folder)
    here = json.loads((folder.root / "run.json").read_text())["run"]
    folder.edit(EVAL, lambda value: value.update(run=here), forge=True)
    found = {("record_changed", EVAL)}  # it was made beside records of inputs that are not those here
    made = read_record(record_path(folder.root / EVAL))
    for name in folder.consumers(EVAL):
        # Younger than its consumers it could be a rebuild; older it cannot.
        if made.cost.end < folder.records()[name].cost.start:
            found.add(("record_changed", name))
    return found


def run_id_of_another_run(folder: Folder) -> Found:
    shutil.copy(folder.other_run / "run.json", folder.root / "run.json")
    return {("foreign", path) for path in folder.records()}


CASES: dict[str, tuple[Callable[[Folder], Found], ...]] = {
    "edited eval": (
        edited_eval,
        edited_eval_with_its_hash_in_the_record,
        edited_eval_with_a_forged_record,
        edited_eval_with_records_forged_down_to_the_claims,
    ),
    "swapped models": (
        swapped_models,
        swapped_models_with_their_records,
        swapped_models_with_records_forged_to_their_new_places,
    ),
    "edited record": (edited_record, edited_record_with_a_forged_checksum, damaged_record),
    "replaced image": (replaced_image,),
    "renamed cell": (renamed_cell, renamed_cell_with_forged_records),
    "missing file": (missing_file, missing_file_and_record, missing_record, missing_file_of_a_model),
    "extra file": (
        extra_file,
        extra_file_of_a_model,
        extra_evaluation_without_a_record,
        extra_cell_copied_with_its_records,
    ),
    "clock set back": (
        clock_set_back,
        clock_set_back_while_it_ran,
        clock_set_back_for_an_evaluation_that_was_used,
        clock_set_back_for_data_that_were_made_from_nothing,
        clock_set_forward,
    ),
    "record of another run": (
        record_of_another_cell,
        record_of_another_run,
        artifact_and_record_of_another_run,
        record_of_another_run_with_a_forged_id,
        run_id_of_another_run,
    ),
}
CLEAN = (image_in_place, image_not_at_hand)
