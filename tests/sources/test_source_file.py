"""The file of published figures: its mistakes are told in sentences; the verb that audits it; its part of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from sound_source import REPOSITORY, plain

from piretry.cli import main
from piretry.errors import PiretryError
from piretry.grid.project import load_project
from piretry.grid.tasks import report
from piretry.provenance.graph import Lineage
from piretry.report.page import environment
from piretry.report.parts import sources
from piretry.report.records import Records
from piretry.report.results import Results
from piretry.settings.model import Settings
from piretry.sources import model
from piretry.sources.audit import audit_sources
from piretry.sources.model import Published
from piretry.sources.read import check_claims, from_settings, read_published, to_settings


def written(folder: Path, value: dict) -> Path:
    path = folder / "published.yaml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (
            lambda v: v["rows"][0].update(page="run"),
            "'a-1' stands on page 'run', which is not among the pages. Did you mean 'runs'",
        ),
        (lambda v: v["rows"][1].update(id="a-1"), "defined twice in rows, counts, others, ratios and statements: a-1"),
        (
            lambda v: v["ratios"][0].update(id="data"),
            "defined twice in rows, counts, others, ratios and statements: data",
        ),
        (lambda v: v["pages"][1].update(id="faq"), "defined twice in pages: faq"),
        (lambda v: v["rows"][0].update(gain="about 10"), "rows.0.gain: must be a number as it is printed"),
        (lambda v: v["rows"][0].update(gain=None, base=None, after=None), "row 'a-1' prints nothing"),
        (lambda v: v["rows"][6].update(plus_minus=None), "row 'a-mean' says what ± is, but has no plus_minus"),
        (
            lambda v: v["rows"][6].update(mean_of=["a-9"]),
            "row 'a-mean' refers to row 'a-9', which is not among the rows",
        ),
        (lambda v: v["ratios"][0].update(numerator="a-men"), "Did you mean 'a-mean'"),
        (lambda v: v["statements"][2].update(rows=["a-1"]), "statement 'cause' of kind cause has 1 rows"),
        (
            lambda v: v["statements"][0].update(kind="denial"),
            "statement 'data' denies '', which is not among the statements",
        ),
        (lambda v: v["statements"][2].update(kind="reason"), "statements.2.kind: 'reason' is not possible"),
        (lambda v: v["protocol"][0]["stated"][0].update(page="x"), "setting 'train_data' is stated on page 'x'"),
        (lambda v: v["models"][0].update(benchmark="bnch"), "model 'small' is scored on 'bnch', which is not among"),
        (lambda v: v["rows"][0].update(of={"rol": "small"}), "rows.0.of.rol: unknown key. Did you mean 'role'"),
        (
            lambda v: v["rows"][0]["of"].update(tuning="LoRA"),
            "rows.0.of.tuning: 'LoRA' is not possible. Valid choices: full, lora",
        ),
    ],
)
def test_mistakes_are_sentences(tmp_path: Path, mistake, words: str) -> None:
    value = json.loads(json.dumps(plain()))
    mistake(value)
    with pytest.raises(PiretryError) as error:
        read_published(written(tmp_path, value))
    assert "published.yaml has 1 mistake" in str(error.value) and words in str(error.value)


def test_a_claim_that_does_not_exist_is_refused() -> None:
    published = Published.model_validate(plain())
    check_claims(published, ["k-1", "k-3"])
    with pytest.raises(PiretryError, match=r"a-mean: there is no claim 'k-1'\. Did you mean 'k-3'"):
        check_claims(published, ["k-3"])


def test_every_key_is_described() -> None:
    classes = [c for c in vars(model).values() if isinstance(c, type) and issubclass(c, Settings) and c is not Settings]
    assert len(classes) > 8
    for one in classes:
        assert all(field.description for field in one.model_fields.values()), one


def test_the_report_carries_the_figures_unchanged(published: Published) -> None:
    settings = report(load_project(REPOSITORY), "mini").settings["published"]
    again = from_settings(json.loads(json.dumps(settings)))
    assert again == published and audit_sources(again) == audit_sources(published)
    assert len(json.dumps(to_settings(published))) < 60_000  # it is a part of one argument on the command line


def test_a_project_without_the_file_has_none(tmp_path: Path) -> None:
    for name in ("config.yaml", "scales", "report/claims.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(REPOSITORY / name)
    project = load_project(tmp_path)
    assert project.published is None and report(project, "mini").settings["published"] is None


# -- the verb


def test_the_verb_tells_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources", "--home", str(REPOSITORY)]) == 0
    text = capsys.readouterr().out
    assert "impossible: " in text and "contradiction: " in text and "consistent: " in text
    assert "gains are after minus before" not in text
    assert max(len(line) for line in text.splitlines()) <= 110
    assert main(["sources", "--home", str(REPOSITORY), "--all"]) == 0
    assert "gains are after minus before" in " ".join(capsys.readouterr().out.split())


def test_the_verb_prints_json_and_one_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources", "k-3", "--home", str(REPOSITORY), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["findings"] and all("k-3" in finding["claims"] for finding in value["findings"])
    assert sum(value["counts"].values()) == len(value["findings"])
    assert {"page", "at", "text", "what", "id"} == value["findings"][0]["figures"][0].keys()
    assert main(["sources", "k-33", "--home", str(REPOSITORY)]) == 2
    assert "No claim is called 'k-33'. Did you mean 'k-3'?" in capsys.readouterr().err


def test_the_verb_takes_another_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources", "--home", str(REPOSITORY), "--file", str(written(tmp_path, plain()))]) == 0
    assert "0 impossible, 0 contradiction, 0 unsupported" in capsys.readouterr().out


# -- the part of the page


def results(settings: dict) -> Results:
    empty = Records(Lineage({}), ())
    nothing: dict = {}
    claims = {"k-3": nothing, "headline": nothing}
    return Results(Path(), nothing, settings, nothing, claims, nothing, nothing, nothing, nothing, nothing, empty, ())


def test_the_part_shows_every_finding_with_its_figures(published: Published) -> None:
    view = sources.sources_view(results({"published": to_settings(published)}))
    assert view is not None
    html = environment().get_template("sources.html.j2").render(view=view, title="The published figures themselves")
    findings = audit_sources(published)
    assert html.count('class="finding"') == len(findings) == view["total"]
    assert sum(amount for _, _, amount in view["counts"]) == len(findings)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) == {"claim-k-3", "claim-headline"}
    for words in ("48.3, 41.5, 40.5", "[11.3, 12.7]", "95% CI", "apart by 0.17", "244"):
        assert words in html, words
    assert len(html) < 150_000


def test_a_claim_gets_its_notes_the_worst_first(published: Published) -> None:
    notes = sources.notes_for(results({"published": to_settings(published)}), "k-3")
    assert notes and all(note.badge.text != "in order" for note in notes)
    macro = environment().get_template("source_notes.html.j2").module
    html = str(macro.beside(notes))
    assert f"{len(notes)} notes" in html and "stands for different things" in html
    assert str(macro.beside([])).strip() == ""


def test_text_of_the_file_is_escaped() -> None:
    value = plain()
    value["statements"][1]["says"] = "<script>alert(1)</script>"
    view = sources.sources_view(results({"published": value}))
    html = environment().get_template("sources.html.j2").render(view=view, title="x")
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_without_published_figures_there_is_no_part() -> None:
    empty = results({"published": None})
    assert sources.sources_view(empty) is None and sources.notes_for(empty, "k-3") == []
    assert sources.sources_view(results({})) is None
