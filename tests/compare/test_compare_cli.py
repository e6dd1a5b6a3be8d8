"""`piretry diff`: exit status, text, JSON, the page, and mistakes in sentences."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from runs_to_compare import HEADLINE, edit_claim, edit_records

from piretry.cli import main


def test_identical_runs_exit_0(first: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(first), str(copy)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "No claim differs by more than noise (10 claims: 0 tested, 9 identical)."
    for name in ("Settings", "Cells and seeds", "Code", "Data and models", "Container image", "Packages", "Machines"):
        assert f"\n{name}: the same\n" in text
    assert "\nWhere the runs part: nowhere\n" in text


def test_a_difference_exits_1_and_is_marked(first: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_claim(copy, "train-size", lambda value: value["measured"].update(value=59.0))
    edit_records(copy, "train", lambda record: record["settings"].update(steps=5))
    assert main(["diff", str(first), str(copy)]) == 1
    text = capsys.readouterr().out
    assert "\n* train-size " in text
    assert "1 claim differs by more than noise: train-size" in text.splitlines()[-1]
    assert re.search(r"  train: steps: \d+ → 5  \[small/", text)


def test_another_base_is_said_because_no_seed_repeats_it(
    first: Path, shifted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", str(first), str(shifted)]) == 1
    assert "The base of role small is not the same model in the two runs." in capsys.readouterr().out


def test_json(first: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(first), str(copy), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["schema"], value["differs"], value["alpha"]) == (1, False, 0.05)
    assert value["a"]["folder"] == str(first)
    assert {claim["kind"] for claim in value["claims"]} == {"identical", "not compared"}
    assert set(value["changes"]) >= {"settings", "seeds", "code", "data", "images", "packages", "files", "origins"}


def test_the_page_is_whole_and_loads_nothing(first: Path, copy: Path, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\x00\u202e"
    edit_records(copy, "train", lambda record: record["settings"].update(name=hostile))
    edit_claim(copy, "headline", lambda value: value.update(verdict="opposite direction"))
    page = tmp_path / "made/diff.html"
    assert main(["diff", str(first), str(copy), "--html", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>") and html.rstrip().endswith("</html>")
    assert not re.search(r"<(link|img|iframe|script src)|url\(|https?://", html)
    assert "<script>alert" not in html and "\x00" not in html and "\u202e" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<strong>opposite direction</strong>" in html
    assert "No claim differs by more than noise" in html
    assert [path.name for path in page.parent.iterdir()] == ["diff.html"]


def test_names_cannot_write_to_the_terminal(first: Path, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_records(copy, "train", lambda record: record["settings"].update({"evil\x1b[31m": 1}))
    main(["diff", str(first), str(copy)])
    assert "\x1b" not in capsys.readouterr().out


def test_mistakes_are_sentences_and_exit_2(
    first: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        ([str(first), str(tmp_path / "nowhere")], "nowhere is not a folder: diff takes two results folders"),
        ([str(first.parent), str(first)], f"Did you mean {first}?"),
        ([str(first), str(first / "claims")], "holds no judged claim"),
    ]
    for folders, expected in cases:
        assert main(["diff", *folders]) == 2
        assert expected in capsys.readouterr().err
    (copy / "claims/headline.json").write_text('{"schema": 7}')
    assert main(["diff", str(first), str(copy)]) == 2
    assert "is no result of this version's judge" in capsys.readouterr().err
    (copy / "claims/headline.json").write_text("{")
    assert main(["diff", str(first), str(copy)]) == 2
    assert "cannot be read as JSON" in capsys.readouterr().err
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main(["diff", str(first), str(first), "--html", str(blocked / "diff.html")]) == 2
    assert "the page cannot be written there" in capsys.readouterr().err


def test_a_folder_without_records_names_what_it_cannot_compare(
    first: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in copy.rglob("*.prov.json"):
        path.unlink()
    assert main(["diff", str(first), str(copy)]) == 0
    text = capsys.readouterr().out
    assert "has no provenance record that can be read" in text
    assert f"! {copy / HEADLINE / 's42/eval.parquet'} has no provenance record" in text
