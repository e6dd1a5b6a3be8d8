"""An export says when its configuration is not the one that the results were made with."""

from __future__ import annotations

from pathlib import Path

import yaml
from small_results import Made

from piretry.exports.archive import export_archive
from piretry.exports.drift import drift_sentence, other_settings
from piretry.exports.source import open_source


def edit(path: Path, **values: object) -> None:
    content = yaml.safe_load(path.read_text())
    content.update(values)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def test_the_configuration_that_was_used_needs_no_word(made: Made) -> None:
    source = open_source(made.results, made.home)
    assert other_settings(source) == []
    assert drift_sentence(source) == ""


def test_an_edited_setting_is_said_with_the_artifacts_that_it_concerns(copied: Made, tmp_path: Path) -> None:
    edit(copied.home / "config.yaml", statistics={"level": 0.9, "bootstrap": 200, "seed": 1})
    source = open_source(copied.results, copied.home)
    concerned = other_settings(source)
    judged = {path for path in source.records if path.startswith("claims/")}
    assert judged & set(concerned)
    assert {path.split("/")[0] for path in concerned} <= {"claims", "tables", "report"}
    assert f"{len(concerned)} artifacts were made with other settings" in drift_sentence(source)
    # The audit looks at bytes, records and code, none of which has changed: the export goes on, and says so.
    assert export_archive(source, tmp_path / "results.zip").is_file()


def test_an_edited_scale_is_drift_and_so_is_a_file_that_cannot_be_used(copied: Made) -> None:
    source = open_source(copied.results, copied.home)
    scale = copied.home / "scales/mini.yaml"
    value = yaml.safe_load(scale.read_text())
    value["training"]["tunings"]["full"]["steps"] += 1
    scale.write_text(yaml.safe_dump(value, sort_keys=False))
    assert {Path(path).name for path in other_settings(source)} >= {"model"}
    edit(copied.home / "config.yaml", grid=[])
    assert "cannot be used" in drift_sentence(source)
