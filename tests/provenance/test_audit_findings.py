"""The audit: nothing on a clean results folder; every kind of tampering found, named, with the claims affected."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from results_folder import BASE, BASE_STATE, CELL, REJECTION, STAGE_MODULES, Run, fill, model, rows

from piretry.errors import PiretryError
from piretry.provenance import record as record_module
from piretry.provenance.audit import audit
from piretry.provenance.code import code_digest
from piretry.provenance.findings import KINDS, NOTES, AuditReport, Finding
from piretry.provenance.hashing import FOLDER_TIMESTAMP
from piretry.provenance.model import Record
from piretry.provenance.record import Publication, record_path

EVAL = f"{CELL}/eval.parquet"
RETRIES = f"{BASE_STATE}/retries-bare.parquet"
BOTH = ("headline", "rejection")


def look(run: Run, **more: object) -> AuditReport:
    return audit(run.root, lambda record: code_digest(record.modules), **more)  # type: ignore[arg-type]


def found(run: Run, **more: object) -> set[tuple[str, str]]:
    return {(finding.kind, finding.path) for finding in look(run, **more).findings}


def flip(path: Path, position: int = -10) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def edit_record(path: Path, edit: Callable[[dict[str, object]], object], forge: bool = False) -> None:
    """Edit the record beside `path`; `forge` makes its checksum fit again, as someone who means it would."""
    file = record_path(path)
    value = json.loads(file.read_text())
    edit(value)
    if forge:
        from piretry.provenance.model import load

        file.write_text(load(json.dumps(value)).record.to_json())
    else:
        file.write_text(json.dumps(value, indent=1))


def test_a_clean_folder_has_no_finding(run: Run) -> None:
    report = look(run)
    assert report.findings == ()
    assert report.ok
    assert report.artifacts == 17
    assert report.bytes_hashed > 60_000
    assert report.notes["no_image"] == 17
    assert "17 artifacts" in report.text()
    assert "\nok: every artifact is what its record says" in report.text()
    value = json.loads(report.to_json())
    assert (value["ok"], value["findings"], value["artifacts"]) == (True, [], 17)


def test_what_is_no_artifact_is_passed_over(run: Run) -> None:
    (run.root / CELL / ".partial" / "model-0123").mkdir(parents=True)
    (run.root / CELL / ".partial" / "model-0123" / "checkpoint.pt").touch()
    (run.root / "logs" / "small").mkdir(parents=True)
    (run.root / "logs" / "small" / "train.txt").touch()
    (run.root / CELL / "train.log").touch()
    (run.root / CELL / ".lock-eval.parquet").touch()
    (run.root / CELL / "model" / FOLDER_TIMESTAMP).touch()
    for path in run.root.rglob("*"):  # Snakemake touches outputs
        os.utime(path)
    (run.root / CELL / ".tmp-0123456789ab-model").mkdir()
    report = look(run)
    assert report.ok, report.text()
    assert report.notes["leftovers"] == 1
    assert "note: 1 unfinished outputs" in report.text()


# -- tampering


def test_one_flipped_byte(run: Run) -> None:
    flip(run.root / EVAL)
    report = look(run)
    (finding,) = report.findings
    assert (finding.kind, finding.path, finding.claims) == ("changed", EVAL, ("headline",))
    assert "its bytes are not those recorded (sha256 " in finding.sentence
    assert not report.ok
    lines = report.text().splitlines()
    assert lines[0].startswith(f"changed         {EVAL}: ")
    assert lines[0].endswith("[claims: headline]")
    assert lines[-2:] == ["NOT ok: 1 findings (1 changed).", "Claims that depend on them: headline."]


def test_a_flipped_byte_with_size_and_time_kept(run: Run) -> None:
    status = (run.root / EVAL).stat()
    flip(run.root / EVAL)
    os.utime(run.root / EVAL, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert found(run) == {("changed", EVAL)}


def test_a_flipped_byte_at_the_root_of_everything_names_all_claims(run: Run) -> None:
    flip(run.root / "data" / "train.parquet")
    (finding,) = look(run).findings
    assert (finding.path, finding.claims) == ("data/train.parquet", BOTH)


def test_a_model_names_the_files_that_differ(run: Run) -> None:
    folder = run.root / CELL / "model"
    flip(folder / "model.safetensors")
    (folder / "config.json").unlink()
    (folder / "extra.bin").touch()
    (finding,) = look(run).findings
    assert (finding.kind, finding.path) == ("changed", f"{CELL}/model")
    expected = "its files are not those recorded (changed: model.safetensors; gone: config.json; added: extra.bin)"
    assert finding.sentence == expected


def test_a_deleted_file(run: Run) -> None:
    (run.root / RETRIES).unlink()
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("missing", RETRIES, ("headline",))


def test_a_deleted_file_with_its_record(run: Run) -> None:
    (run.root / RETRIES).unlink()
    record_path(run.root / RETRIES).unlink()
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("missing", RETRIES, ("headline",))
    assert f"{CELL}/sft.parquet names it" in finding.sentence


def test_a_deleted_sibling_that_nothing_uses(run: Run) -> None:
    run.job("overlap", "mini", {"summary": "data/overlap.json", "pairs": "data/overlap-pairs.parquet"})
    (run.root / "data" / "overlap-pairs.parquet").unlink()
    record_path(run.root / "data" / "overlap-pairs.parquet").unlink()
    assert found(run) == {("missing", "data/overlap-pairs.parquet")}


def test_something_expected_that_no_record_names(run: Run) -> None:
    assert found(run, expected=["tables/k.csv", EVAL]) == {("missing", "tables/k.csv")}


@pytest.mark.parametrize("path", [EVAL, f"{CELL}/model", "claims/headline.json", "report/index.html"])
def test_a_deleted_record(run: Run, path: str) -> None:
    record_path(run.root / path).unlink()
    (finding,) = look(run).findings
    assert (finding.kind, finding.path) == ("record_missing", path)
    assert finding.claims == (() if path == "report/index.html" else ("headline",))


def test_an_edited_record(run: Run) -> None:
    edit_record(run.root / EVAL, lambda value: value["settings"].update(seed=1))  # type: ignore[attr-defined]
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("record_edited", EVAL, ("headline",))


def test_an_edited_record_whose_checksum_was_forged(run: Run) -> None:
    edit_record(run.root / EVAL, lambda value: value["settings"].update(seed=1), forge=True)  # type: ignore[attr-defined]
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("record_changed", "claims/headline.json", ("headline",))
    assert f"the record of its input {EVAL} is not the one it saw" in finding.sentence


def test_new_bytes_with_a_forged_record(run: Run) -> None:
    rows(run.root / EVAL, seed=1234)

    def forge(value: dict[str, dict[str, object]]) -> None:
        from piretry.provenance.hashing import hash_content, plain

        value["artifact"].update({k: v for k, v in plain(hash_content(run.root / EVAL)).items() if k != "kind"})

    edit_record(run.root / EVAL, forge, forge=True)  # type: ignore[arg-type]
    (finding,) = look(run).findings
    assert (finding.kind, finding.path) == ("record_changed", "claims/headline.json")
    assert f"made from other bytes of {EVAL}" in finding.sentence


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 7}', "\x00\xff"])
def test_a_broken_record(run: Run, text: str) -> None:
    record_path(run.root / EVAL).write_text(text, encoding="latin-1")
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("record_invalid", EVAL, ("headline",))


def test_swapped_models(run: Run) -> None:
    one, two, aside = run.root / CELL / "model", run.root / REJECTION / "model", run.root / "aside"
    for source, target in ((one, aside), (two, one), (aside, two)):
        source.rename(target)
    report = look(run)
    assert {(f.kind, f.path) for f in report.findings} == {
        ("changed", f"{CELL}/model"),
        ("changed", f"{REJECTION}/model"),
    }
    assert "Claims that depend on them: headline, rejection." in report.text()


def test_swapped_models_with_their_records(run: Run) -> None:
    for one, two in ((run.root / CELL / "model", run.root / REJECTION / "model"),):
        for first, second in ((one, two), (record_path(one), record_path(two))):
            aside = run.root / "aside"
            for source, target in ((first, aside), (second, first), (aside, second)):
                source.rename(target)
    assert found(run) == {
        ("renamed", f"{CELL}/model"),
        ("renamed", f"{REJECTION}/model"),
        ("record_changed", EVAL),
        ("record_changed", f"{REJECTION}/eval.parquet"),
    }


def test_a_renamed_cell(run: Run) -> None:
    new = CELL.replace("/k3/", "/k5/")
    (run.root / new).parent.mkdir(parents=True)
    (run.root / CELL).rename(run.root / new)
    names = ("sft.parquet", "model", "eval.parquet")
    report = look(run)
    assert {(f.kind, f.path) for f in report.findings} == {
        *(("renamed", f"{new}/{name}") for name in names),
        *(("missing", f"{CELL}/{name}") for name in names),
    }
    assert all(f.claims == ("headline",) for f in report.findings if f.kind == "missing")


def test_an_extra_file(run: Run) -> None:
    (run.root / CELL / "notes.txt").write_text("mine")
    (run.root / "large").mkdir()
    (run.root / "large" / "weights.bin").touch()
    assert found(run) == {("unexpected", f"{CELL}/notes.txt"), ("unexpected", "large/weights.bin")}
    assert found(run, ignore=["large/*", "*.txt"]) == set()


def test_an_extra_artifact_is_named_as_unrecorded(run: Run) -> None:
    shutil.copyfile(run.root / EVAL, run.root / BASE_STATE / "retries-gold.parquet")
    shutil.copytree(run.root / BASE / "model", run.root / CELL.replace("s42", "s43") / "model")
    assert found(run) == {
        ("record_missing", f"{BASE_STATE}/retries-gold.parquet"),
        ("record_missing", f"{CELL.replace('s42', 's43')}/model"),
    }


def test_other_code(run: Run) -> None:
    def current(record: Record) -> str:
        return "0" * 64 if record.stage == "evaluate" else code_digest(record.modules)

    report = audit(run.root, current)
    states = {BASE_STATE, CELL, REJECTION}
    assert {(f.kind, f.path) for f in report.findings} == {("other_code", f"{s}/eval.parquet") for s in states}
    assert all(
        "stage evaluate has other code now (the stage names other modules" in f.sentence for f in report.findings
    )


def test_other_code_names_the_modules(run: Run) -> None:
    def edit(value: dict[str, dict[str, object]]) -> None:
        value["code"]["digest"] = "1" * 64
        value["code"]["parts"] |= {"piretry.provenance.layout": "2" * 16, "piretry.removed": "3" * 16}  # type: ignore[operator]

    edit_record(run.root / "report" / "index.html", edit, forge=True)  # type: ignore[arg-type]
    (finding,) = look(run).findings
    assert finding.kind == "other_code"
    assert "changed since: piretry.provenance.layout, piretry.removed" in finding.sentence


def test_code_that_is_gone_or_not_known(run: Run) -> None:
    def gone(record: Record) -> str:
        return code_digest(["piretry.stages.gone"] if record.stage == "judge" else record.modules)

    report = audit(run.root, gone)
    assert {(f.kind, f.path) for f in report.findings} == {("other_code", f"claims/{claim}.json") for claim in BOTH}
    assert "no module 'piretry.stages.gone'" in report.findings[0].sentence
    unknown = audit(run.root, lambda record: None)
    assert unknown.ok
    assert unknown.notes["code_unknown"] == 17


@pytest.mark.parametrize("with_artifact", [False, True])
def test_a_record_of_another_run_though_its_bytes_are_the_same(run: Run, tmp_path: Path, with_artifact: bool) -> None:
    other = fill(tmp_path / "other").root
    shutil.copyfile(record_path(other / EVAL), record_path(run.root / EVAL))
    if with_artifact:
        shutil.copyfile(other / EVAL, run.root / EVAL)
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("foreign", EVAL, ("headline",))
    assert "was written in another results folder" in finding.sentence


def test_the_record_of_another_cell(run: Run) -> None:
    shutil.copyfile(record_path(run.root / REJECTION / "eval.parquet"), record_path(run.root / EVAL))
    assert {("renamed", EVAL), ("changed", EVAL), ("record_changed", "claims/headline.json")} == found(run)


def test_an_old_record_put_back(run: Run) -> None:
    old = record_path(run.root / EVAL).read_bytes()
    run.evaluate(CELL, f"{CELL}/model", seed=12)  # the same bytes again
    run.judge("headline", BASE_STATE, CELL)
    run.report()
    assert look(run).ok
    record_path(run.root / EVAL).write_bytes(old)
    assert found(run) == {("record_changed", "claims/headline.json")}


class ClockBack(datetime):
    """A clock that is a day behind."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) - timedelta(days=1)


def test_a_clock_set_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "datetime", ClockBack)
    run.judge("headline", BASE_STATE, CELL)
    monkeypatch.undo()
    (finding, other) = sorted(look(run).findings, key=lambda finding: finding.kind)
    assert (other.kind, other.path) == ("time_order", "claims/headline.json")
    assert "before its input" in other.sentence
    # The report was made from the former record of this claim, and no rebuild is that old.
    assert (finding.kind, finding.path) == ("record_changed", "report/index.html")


def test_a_clock_set_forward_or_running_backwards(run: Run) -> None:
    run.job("table", "late", {"table": "tables/late.csv"})
    run.job("table", "early", {"table": "tables/early.csv"})
    future = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    edit_record(run.root / "tables/late.csv", lambda value: value["cost"].update(finished=future), forge=True)  # type: ignore[attr-defined]
    past = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    edit_record(run.root / "tables/early.csv", lambda value: value["cost"].update(finished=past), forge=True)  # type: ignore[attr-defined]
    report = look(run)
    assert {(f.kind, f.path) for f in report.findings} == {
        ("time_order", "tables/late.csv"),
        ("time_order", "tables/early.csv"),
    }
    assert [f.sentence.rpartition(", ")[2] for f in report.findings] == [
        "before it was started",
        "which is in the future",
    ]


def test_a_replaced_image(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "cpu.sif"
    image.write_bytes(b"image one")
    from piretry.provenance.hashing import sha256_file

    monkeypatch.setenv("PIRETRY_IMAGE", str(image))
    monkeypatch.setenv("PIRETRY_IMAGE_SHA256", sha256_file(image))
    run.evaluate(CELL, f"{CELL}/model", seed=12)
    monkeypatch.delenv("PIRETRY_IMAGE")
    assert look(run).ok
    image.write_bytes(b"image two")
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("other_image", EVAL, ("headline",))
    image.unlink()
    report = look(run)
    assert report.ok
    assert report.notes["image_absent"] == 1


def test_rebuilding_an_input_with_other_bytes(run: Run) -> None:
    run.evaluate(CELL, f"{CELL}/model", seed=555)
    (finding,) = look(run).findings
    assert (finding.kind, finding.path) == ("record_changed", "claims/headline.json")
    run.judge("headline", BASE_STATE, CELL)
    assert look(run).ok  # the claim's bytes did not change, so the report still holds
    assert look(run).notes["rebuilt"] == 1


def test_rebuilding_an_input_with_the_same_bytes_is_no_finding(run: Run) -> None:
    (run.root / EVAL).unlink()
    record_path(run.root / EVAL).unlink()
    run.evaluate(CELL, f"{CELL}/model", seed=12)
    report = look(run)
    assert report.ok, report.text()
    assert report.notes["rebuilt"] == 1


def test_rebuilding_an_input_at_once_is_no_finding(run: Run) -> None:
    run.judge("headline", BASE_STATE, CELL)
    run.evaluate(CELL, f"{CELL}/model", seed=12)
    report = look(run)
    assert report.ok, report.text()
    assert report.notes["rebuilt"] == 2  # the eval file for the claim, and the claim for the report


def test_inputs_from_outside(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "math500.jsonl"
    outside.write_text("{}\n")
    with Publication(
        root=run.root,
        stage="table",
        target="k",
        outputs={"table": run.root / "tables" / "k.csv"},
        inputs={"file": outside},
        modules=STAGE_MODULES,
    ) as job:
        job.temporary("table").write_text("a\n")
    assert look(run).ok
    outside.write_text("{ }\n")
    assert found(run) == {("record_changed", "tables/k.csv")}
    outside.unlink()
    report = look(run)
    assert report.ok
    assert report.notes["outside_absent"] == 1


def test_a_file_of_a_folder_as_input(run: Run) -> None:
    inputs = {"config": f"{CELL}/model/config.json"}
    run.job("judge", "shape", {"claim": "claims/shape.json"}, inputs)
    assert look(run).ok
    flip(run.root / CELL / "model" / "config.json", 3)
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("changed", f"{CELL}/model", ("headline", "shape"))
    run.job("train", CELL, {"model": f"{CELL}/model"}, write=model, seed=4242)
    assert ("record_changed", "claims/shape.json") in found(run)


def test_a_record_as_input(run: Run) -> None:
    run.job("judge", "cost", {"claim": "claims/cost.json"}, {"record": f"{EVAL}.prov.json"})
    assert look(run).ok
    run.evaluate(CELL, f"{CELL}/model", seed=12)  # the same bytes in a new record
    (finding,) = look(run).findings
    assert (finding.kind, finding.path, finding.claims) == ("record_changed", "claims/cost.json", ("cost",))


def test_the_name_of_the_folder_is_gone(run: Run) -> None:
    (run.root / "run.json").unlink()
    assert found(run) == {("missing", "run.json")}


def test_a_file_that_cannot_be_read(run: Run) -> None:
    (run.root / EVAL).unlink()
    (run.root / EVAL).symlink_to(run.root / EVAL)
    (run.root / CELL / "model" / "loop").symlink_to("loop")
    assert found(run) == {("missing", EVAL), ("changed", f"{CELL}/model")}


def test_a_file_where_a_folder_was(run: Run) -> None:
    shutil.rmtree(run.root / CELL / "model")
    (run.root / CELL / "model").write_text("x")
    (finding,) = look(run).findings
    assert finding.sentence == "it is a file, and was recorded as a directory"


def test_a_folder_that_links_to_itself_ends(run: Run) -> None:
    (run.root / CELL / "loop").symlink_to(run.root)
    assert look(run).ok


def test_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match="no results folder: expected the folder of one scale"):
        audit(tmp_path / "nowhere", lambda record: None)
    report = audit(tmp_path, lambda record: None)
    assert [(f.kind, f.sentence[:27]) for f in report.findings] == [("missing", "no provenance record lies i")]


def test_a_moved_folder_is_as_good(run: Run, tmp_path: Path) -> None:
    run.root.rename(tmp_path / "elsewhere")
    assert look(Run(tmp_path / "elsewhere")).ok


def test_progress_counts_every_byte(run: Run) -> None:
    steps: list[tuple[int, int]] = []
    report = look(run, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (report.bytes_hashed, report.bytes_hashed)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_names_cannot_write_to_the_terminal(run: Run) -> None:
    (run.root / "evil\x1b[31m\nok: all is well").touch()
    text = look(run).text()
    assert "\x1b" not in text
    assert "\nok:" not in text
    assert "evil\\x1b[31m\\x0aok: all is well" in text


def test_every_kind_is_known() -> None:
    report = AuditReport("r", tuple(Finding("p", kind, "s", ()) for kind in KINDS), dict.fromkeys(NOTES, 2), 1, 1)
    assert f"NOT ok: {len(KINDS)} findings ({', '.join(f'1 {kind}' for kind in KINDS)})." in report.text()
