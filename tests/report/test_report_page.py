"""The page as a whole: what is on it, that it loads nothing, that no text of a model becomes markup."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from built_page import Built
from html_document import Element, ancestors

from piretry.provenance.graph import Lineage
from piretry.report.numbers import with_unit
from piretry.report.parts import anchors
from synthetic_results import HOSTILE, REAL_STAGES


def results(built: Built, folder: str = "claims") -> dict[str, dict]:
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted((built.root / folder).glob("*.json"))
        if "prov" not in path.name
    }


def articles(built: Built) -> dict[str, Element]:
    return {
        element.attributes["id"].removeprefix("claim-"): element for element in built.document.all("article", "claim")
    }


# -- self-contained


def test_nothing_is_loaded_from_anywhere(built: Built) -> None:
    loading = {
        "src",
        "srcset",
        "poster",
        "action",
        "formaction",
        "data",
        "background",
        "manifest",
        "ping",
        "xlink:href",
    }
    for element in built.document.all():
        assert not loading & element.attributes.keys(), element.tag
        assert element.tag not in ("link", "iframe", "object", "embed", "base", "img", "video", "audio", "form")
        assert "style" not in element.attributes
        assert not any(name.startswith("on") for name in element.attributes)
        if "href" in element.attributes:
            assert element.attributes["href"].startswith(("#", "data:text/csv;", "data:image/svg+xml;")), (
                element.attributes["href"][:60]
            )
        for value in element.attributes.values():
            assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", value))
    style = built.document.one("style").raw
    assert "@import" not in style and "url(" not in style and "@font-face" not in style
    script = built.document.one("script").raw
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon|innerHTML|eval\(", script)


def test_the_page_is_smaller_than_three_megabytes(built: Built) -> None:
    assert built.path.stat().st_size < 3e6


def test_ids_are_unique_and_every_reference_resolves(built: Built) -> None:
    elements = built.document.all()
    ids = [element.attributes["id"] for element in elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    known = set(ids)
    links = [e.attributes["href"][1:] for e in elements if e.attributes.get("href", "").startswith("#")]
    assert len(links) > 500
    assert set(links) <= known
    for name in ("aria-labelledby", "aria-describedby", "for"):
        for element in elements:
            assert set(element.attributes.get(name, "").split()) <= known
    assert set(re.findall(r"url\(#([^)]+)\)", built.html)) <= known


# -- structure


def test_headings_and_landmarks_make_an_outline(built: Built) -> None:
    document = built.document
    assert document.one("html").attributes["lang"] == "en"
    assert document.one("main") and document.one("nav").attributes["aria-label"]
    levels = [int(element.tag[1]) for element in document.all() if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(element.text for element in document.all() if re.fullmatch(r"h[1-6]|summary|button|a", element.tag))


def test_tables_have_captions_and_headers_with_scope(built: Built) -> None:
    tables = built.document.all("table")
    assert len(tables) > 50
    for table in tables:
        assert table.one("caption").text
        headers = table.all("th")
        assert headers and all(
            header.attributes.get("scope") in ("col", "row", "colgroup", "rowgroup") for header in headers
        )
        for row in table.all("tr"):
            assert row.all("th") or "pair-row" in row.classes, row.text


def test_the_page_works_without_the_script(built: Built) -> None:
    """Nothing is hidden that only the script could show, and no control stands there that does nothing without it."""
    assert not built.document.all("button") and not built.document.all("input")
    assert not [element for element in built.document.all() if "hidden" in element.attributes]


def test_the_scale_and_what_it_means_stand_on_top(built: Built) -> None:
    banner = built.document.all(klass="banner")[0].text
    scale = built.project.scale
    assert f"This is the {scale.name} scale." in banner
    assert " ".join(scale.description.split()) in banner
    assert scale.reading == "direction" and "nothing here tests their size" in banner
    before = built.html[: built.html.index("This is the")]
    assert 'class="claim' not in before and "<table" not in before


# -- the claims


def test_every_claim_is_there_in_the_order_of_the_faq(built: Built) -> None:
    claims = built.project.claims
    assert list(articles(built)) == [*claims.ids, *(control.id for control in claims.controls)]
    main = built.document.one("main")
    sections = main.all("section", "faq")
    assert [section.all("h2")[0].text for section in sections] == list(dict.fromkeys(c.section for c in claims.claims))
    questions = [question.all("h3")[0].text for question in main.all("section", "question")]
    assert questions == list(dict.fromkeys(" ".join(c.question.split()) for c in claims.claims))
    for claim in claims.claims:
        around = ancestors(articles(built)[claim.id])
        assert claim.question in next(e for e in around if "question" in e.classes).all("h3")[0].text


def test_verdicts_published_and_measured_values_and_reasons(built: Built) -> None:
    for name, result in results(built).items():
        article = articles(built)[name]
        badge = article.all("header")[0].one("span", "badge")
        assert badge.text.split(" ", 1)[1] == result["verdict"]
        assert article.attributes["data-verdict"] == result["verdict"]
        assert result["says"] in article.all("header")[0].text
        terms = article.one("dl", "versus").text
        assert result["published"] in terms
        if result["measured"]:
            assert with_unit(result["measured"]["value"], result["measured"]["unit"]) in terms
            for seed in result["seeds"]:
                assert str(seed) in terms
        else:
            assert "nothing" in terms
        shown = [item.text for item in article.one("ul", "reasons").all("li")]
        assert [plain(text) for text in shown] == [plain(reason) for reason in result["reasons"]] != []


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def plain(text: str) -> str:
    """A sentence without what the page changes in it: signs of print, its capital and its full stop."""
    text = re.sub(r" × 10(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: f"e{m[1]}", text).translate(RAISED)
    for printed, typed in (("−", "-"), ("±", "+-"), ("×", "x")):
        text = text.replace(printed, typed)
    return re.sub(r"(?<=e)-0*", "-", text).lower().rstrip(".")


def test_claims_that_were_not_run_are_shown_with_the_reason(built: Built) -> None:
    left_out = [claim for claim in built.project.claims.claims if claim.not_run]
    assert [claim.id for claim in left_out] == ["lean-diversity"]
    for claim in left_out:
        article = articles(built)[claim.id]
        assert article.attributes["data-verdict"] == "not run"
        assert plain(str(claim.not_run)) == plain(article.one("ul", "reasons").text)
        assert not article.all("table")


def test_counts_add_up_to_the_number_of_claims(built: Built) -> None:
    verdicts = [result["verdict"] for name, result in results(built).items() if name in built.project.claims.ids]
    shown = {}
    for item in built.document.one("ul", "counts").all("li"):
        shown[item.one("span", "what").text.split(" ", 1)[1]] = int(item.one("span", "amount").text)
    assert {name: amount for name, amount in shown.items() if amount} == {v: verdicts.count(v) for v in verdicts}
    rows = built.document.one("table", "all-claims").all("tr")
    assert [row.attributes["data-verdict"] for row in rows if "data-verdict" in row.attributes] == [
        results(built)[name]["verdict"] for name in built.project.claims.ids
    ]


def test_everything_beside_a_gain_is_shown(built: Built) -> None:
    """Decomposition, the other decoding, McNemar, single seeds, n, and the smallest visible effect."""
    result = results(built)["headline"]
    quantity = result["quantities"][0]
    text = articles(built)["headline"].text
    assert with_unit(result["mde"], "pp").lstrip("+") in text
    assert f"{quantity['before']:.1f}% → {quantity['after']:.1f}%" in text
    other = quantity.get("greedy") or quantity.get("sampled")
    assert with_unit(other["value"], "pp") in text
    parts = quantity["decomposition"]
    for key in ("wrong->correct", "no_answer->correct", "correct->wrong", "correct->no_answer"):
        assert key.replace("->", " → ").replace("_", " ") in text
        assert with_unit(parts[key], "pp") in text
    assert with_unit(parts["answering"]["value"], "pp") in text and with_unit(parts["answers"]["value"], "pp") in text
    rows = [
        [cell.text for cell in row.all("td")] for row in articles(built)["headline"].one("table", "seeds").all("tr")
    ]
    values = [row for row in rows if len(row) == 4]
    by_seed = sorted(zip(quantity["seeds"], quantity["per_seed"], quantity["mcnemar"], strict=True), key=lambda e: e[0])
    assert [row[0] for row in values] == [with_unit(value, "pp") for _, value, _ in by_seed]
    assert [(row[1], row[2]) for row in values] == [(str(m["gained"]), str(m["lost"])) for _, _, m in by_seed]


def test_each_claim_says_how_to_rebuild_it_alone(built: Built) -> None:
    for name, article in articles(built).items():
        command = article.one("div", "command").text
        assert command.startswith(f"snakemake --cores 2 {built.project.results}/claims/{name}.json")


# -- provenance


def test_every_artifact_has_its_record_once_with_its_whole_hash(built: Built) -> None:
    lineage = Lineage.read(built.root)
    below = {record.artifact.path for path in built.task.inputs.values() for record in lineage.lineage(path)}
    records = built.document.one("section", "records").all("details", "record")
    shown = {
        e.attributes["id"]: e
        for record in records
        for e in record.all("div", "target")
        if e.attributes["id"].startswith("rec-")
    }
    assert set(shown) == {anchors.record(path) for path in below}
    blocks = {e.attributes["id"]: e.text for record in records for e in record.all("div", "target")}
    for path in below:
        record, text = lineage.records[path], shown[anchors.record(path)].text
        for fact in (record.artifact.sha256, record.code.digest[:12], record.machine.host, record.stage):
            assert fact in text
        commit = record.checkout.commit or record.checkout.reason
        around = [blocks[link.attributes["href"][1:]] for link in shown[anchors.record(path)].all("a")
                  if link.text == "code, image and machine"]  # fmt: skip
        assert len(around) == 1 and commit and commit in around[0] and record.code.digest in around[0]
        assert ("uncommitted changes" in text) == bool(record.checkout.dirty)
        hrefs = [link.attributes["href"] for link in shown[anchors.record(path)].all("a")]
        assert {f"#{anchors.record(entry.path)}" for entry in record.inputs[:60]} <= set(hrefs)
        rest = len(record.inputs) - 60
        assert (f"and {rest:,} more" in text) == (rest > 0)


def test_a_claim_leads_down_to_data_and_models(built: Built) -> None:
    chain = articles(built)["headline"].one("details", "provenance")
    links = {link.attributes["href"] for link in chain.all("a")}
    for seed in built.project.config.seeds["all"]:
        cell = f"small/retry-full/k3/bare/r1/s{seed}"
        base = f"small/base/s{seed}"
        below = [f"{cell}/eval.parquet", f"{cell}/model", f"{cell}/sft.parquet", f"{base}/retries-bare.parquet"]
        below += [f"{base}/attempts.parquet", "small/base/model", "data/train.parquet", "data/eval.parquet"]
        for path in below:
            assert f"#{anchors.record(path)}" in links, path
    assert f"#{anchors.record('medium/base/model')}" not in links
    assert "synthetic problems" in chain.text


def test_settings_and_facts_of_a_record_are_there(built: Built) -> None:
    record = next(
        e
        for e in built.document.all("div", "target")
        if e.attributes["id"] == anchors.record("small/base/s42/retries-bare.parquet")
    )
    text = record.text
    assert "seed 42" in text
    blocks = {e.attributes["id"]: e.text for e in built.document.all("div", "target")}
    shared = " ".join(
        blocks[link.attributes["href"][1:]] for link in record.all("a") if "block-" in link.attributes["href"]
    )
    assert '"history"' in shared and '"template"' in shared
    assert "(settings, inputs and outputs as above)" in shared and "no model was run" in shared


# -- untrusted text


def test_no_text_of_a_model_becomes_markup(built: Built) -> None:
    assert len(built.document.all("script")) == len(built.document.all("style")) == 1
    assert not [element for element in built.document.all() if element.tag in ("img", "b", "textarea")]
    assert "&lt;script&gt;window.hacked = 1&lt;/script&gt;&lt;/style&gt;" in built.html
    assert "{{ 7 * 7 }} {% raw %}" in built.document.one("main").text
    for character in ("\x00", "\x07", "\u202e", "\u202c"):
        assert character in HOSTILE and character not in built.html
    assert "⟨U+202E⟩" in built.html and "\u2400" in built.html
    assert not re.search(r"href=[\"']?javascript", built.html)


# -- figures, tables and the rest


def test_figures_carry_a_text_and_their_data(built: Built) -> None:
    figures = built.document.all("figure")
    assert len(figures) >= 9
    measured = {(q["measure"], q["series"]): q for r in results(built).values() for q in r["quantities"]}
    for figure in figures:
        svg = figure.one("svg", "chart")
        assert svg.attributes["role"] == "img"
        title, text = svg.one("title").text, svg.one("desc").text
        assert title and len(text) > 40
        as_csv, as_svg = (link.attributes["href"].split(";base64,") for link in figure.all("a", "download"))
        assert as_csv[0].startswith("data:text/csv") and as_svg[0].startswith("data:image/svg+xml")
        picture = ElementTree.fromstring(base64.b64decode(as_svg[1]))
        assert picture.tag == "{http://www.w3.org/2000/svg}svg" and picture.findtext("{*}desc") == text
        data = as_csv[1]
        rows = list(csv.DictReader(io.StringIO(base64.b64decode(data).decode())))
        assert rows
        for row in rows:
            assert row["label"] in text
            measure = figure.attributes["id"].rsplit("-", 1)[1]
            found = measured.get((measure, row["series"]))
            if measure in ("gain", "accuracy", "yield"):
                assert found is not None and float(row["value"]) == found["value"] and float(row["low"]) == found["low"]
                seeds = [float(value) for name, value in row.items() if name.startswith("seed_") and value]
                assert seeds == found["per_seed"]
            if row["published"]:
                assert f"published {with_unit(float(row['published']), row['unit'])}" in text


def test_the_charts_that_were_asked_for_are_there(built: Built) -> None:
    titles = [figure.all("h3") + figure.all("h4") for figure in built.document.all("figure")]
    assert {title[0].text for title in titles} >= {
        "Published and measured gains", "Gain by method", "Gain by scale and tuning", "Yield by role", "Gain by round",
        "Yield by round", "Gain by number of retries", "Lucky share by retry index", "Gain by retry prompt",
        "Differences between the gains, and the margin",
    }  # fmt: skip


def test_published_gains_stand_in_the_charts(built: Built) -> None:
    figure = next(f for f in built.document.all("figure") if f.attributes["id"] == "fig-scale-2-gain")
    text = figure.one("desc").text
    gains = r"round 1: measured .*, published \+10\.0 pp; round 2: measured .*, published \+14\.5 pp; round 3: measured"
    assert re.search(gains, text)


def test_tables_are_embedded_whole(built: Built) -> None:
    for name in built.project.claims.tables:
        details = next(
            e for e in built.document.all("details", "data-table") if e.attributes["id"] == anchors.table(name)
        )
        data = details.one("a", "download").attributes["href"].split(";base64,")[1]
        assert base64.b64decode(data).decode() == (built.root / "tables" / f"{name}.csv").read_text()


def test_grader_counts_agree_with_the_files(built: Built) -> None:
    import pyarrow.parquet as pq

    total = disputed = 0
    for path in built.root.rglob("*.parquet"):
        proofs = path.relative_to(built.root).parts[0] == "prover"  # shown in a line of their own
        if path.parent.name != "data" and path.name != "sft.parquet" and not proofs:
            table = pq.read_table(path, columns=["verdict", "second_opinion"]).to_pylist()
            total += len(table)
            disputed += sum((row["verdict"] == "correct") != (row["second_opinion"] == "correct") for row in table)
    section = next(e for e in built.document.all("section") if e.attributes.get("id") == "grader")
    assert f"They disagree on {disputed:,} of {total:,} answers of mathematics" in section.text
    assert disputed > 0
    assert "on labelled traps" in section.text


def test_cost_and_sharing_are_those_of_the_records(built: Built) -> None:
    section = next(e for e in built.document.all("section") if e.attributes.get("id") == "compute")
    cost = json.loads((built.root / built.task.inputs["cost"]).read_text())
    assert f"{cost['completion_tokens']:,}" in section.text
    assert f"saved {100 * cost['saved_share']:.0f}%" in section.text
    lineage = Lineage.read(built.root)
    jobs = {record.job: record for path in built.task.inputs.values() for record in lineage.lineage(path)}
    tokens = sum(record.cost.counters.get("completion_tokens", 0) for record in jobs.values())
    assert f"{tokens:,.0f}" in section.all("tr", "total")[0].text
    assert f"{len(jobs)} jobs" in section.text
    assert {record.stage for record in jobs.values()} >= set(REAL_STAGES)


def test_overlap_pairs_and_counts(built: Built) -> None:
    section = next(e for e in built.document.all("section") if e.attributes.get("id") == "overlap")
    body = section.one("tbody")
    rows = {str(row.one("th").children[0]): [cell.text for cell in row.all("td")] for row in body.all("tr")}
    assert rows["exact"][1:] == ["1", "1", "1", "1", "0"]
    assert rows["normalised"][1:] == ["2", "2", "2", "2", "0"]
    assert "Held-out problem 1: what is 1 + 1?" in section.text


@pytest.mark.parametrize("kind", ["It fails, is told so, and succeeds", "It fails, is told so, and fails again"])
def test_dialogues_are_shown(built: Built, kind: str) -> None:
    section = next(e for e in built.document.all("section") if e.attributes.get("id") == "examples")
    example = next(e for e in section.all("article", "example") if kind in e.text)
    turns = [turn.one("p", "who").text for turn in example.all("li")]
    assert turns[0] == "Problem" and turns[1].startswith("First attempt") and turns[2] == "Signal"
    assert built.project.scale.retry.prompts["bare"] in example.text


def test_the_heuristic_verifiers_disagreement_is_tabled_in_its_claim(built: Built) -> None:
    (quantity,) = results(built)["lean-heuristic"]["quantities"]
    opinions = quantity["opinions"]
    assert sum(row["proofs"] for row in opinions["rows"]) == opinions["decided"] + opinions["undecided"]
    table = articles(built)["lean-heuristic"].one("table", "opinions")
    shown = [cell.text.replace(",", "") for cell in table.all("td")]
    assert shown == [str(opinions[name]) for name in ("both", "heuristic_only", "checker_only", "neither")]


def test_a_provers_dialogue_shows_its_theorem_and_the_checkers_error(built: Built) -> None:
    section = next(e for e in built.document.all("section") if e.attributes.get("id") == "examples")
    assert "prover/base/s42/retries-error.parquet" in section.text
    assert "Your proof failed with the following error: no message. Please try" in section.text
