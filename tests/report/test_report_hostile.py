"""Hostile texts in the transcripts: the page stays whole, nothing runs, nothing is loaded, nothing is reordered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import html_document
import pytest
from built_page import Built, no_traps
from opened_page import needs_browser, opening

from piretry.completions import read_completions, write_completions
from piretry.report.page import render
from piretry.report.parts import grader
from piretry.report.results import read_results

HOSTILE = {
    "script": "<script>window.hacked = 1</script>",
    "closing": "</style></script></p></li></details></main></title></textarea></math><plaintext>",
    "image": "<img src=x onerror='window.hacked = 1'><svg onload='window.hacked = 1'>",
    "link": "[click](javascript:window.hacked=1) <a href='javascript:window.hacked=1'>x</a> https://example.org/x.png",
    "line": "A" * 1_000_000,
    "reordered": "\u202ereversed\u202c \u2066isolated\u2069 \u200fmark \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "tex": r"$\frac{1}{$ \boxed{\text{<b>x</b>}} $\href{javascript:window.hacked=1}{x}$ \[ \left( \] \begin{array}",
    "nul": "before\x00after \x07\x1b[31m \x85 \ufeff \ud7ff",
    "template": "{{ 7 * 7 }} {% raw %} {# comment #} ${7*7} <!-- --> ]]> &amp; &lt;script&gt;",
    "attribute": '" onmouseover="window.hacked=1" \'><b>',
}


@pytest.fixture(scope="module")
def hostile(built: Built, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the same results, with a hostile text in every completion and problem id."""
    root = tmp_path_factory.mktemp("hostile") / "mini"
    shutil.copytree(built.root, root)
    texts = list(HOSTILE.values())
    for path in root.rglob("*.parquet"):
        if path.name.startswith(("attempts", "retries", "repeats", "resamples", "skeletons", "eval.")):
            rows = read_completions(path) if path.parent.name != "data" else []
            spoiled = [
                replace(row, completion=texts[index % len(texts)], answer=texts[(index + 3) % len(texts)][:500])
                for index, row in enumerate(rows)
            ]
            if spoiled:
                write_completions(path, spoiled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grader, "_traps", no_traps())
        results = read_results(root, built.task.inputs, built.task.settings)
        # That the tables were changed is said on top of the page, and is not the matter here.
        return render(replace(results, troubles=()))


@pytest.fixture(scope="module")
def path(hostile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = tmp_path_factory.mktemp("page") / "index.html"
    file.write_text(hostile, encoding="utf-8")
    yield file


def test_the_markup_is_that_of_the_page_alone(hostile: str, built: Built) -> None:
    document = html_document.parse(hostile)  # every element is closed as it was opened
    assert len(document.all("script")) == 1 and len(document.all("style")) == 1
    known = {element.tag for element in built.document.all()}
    assert {element.tag for element in document.all()} <= known | {"math", "mrow", "mi", "mn", "mo", "mtext"}
    for element in document.all():
        assert not any(name.startswith("on") for name in element.attributes)
        assert not element.attributes.get("href", "#").startswith(("javascript:", "http"))
    assert len(document.all("article", "claim")) == len(built.document.all("article", "claim"))


def test_what_was_written_is_shown(hostile: str) -> None:
    section = next(e for e in html_document.parse(hostile).all("section") if e.attributes.get("id") == "examples")
    shown = section.raw
    for text in (HOSTILE["script"], HOSTILE["image"], HOSTILE["closing"], "{{ 7 * 7 }} {% raw %}", "before␀after"):
        assert text in shown
    assert "⟨U+202E⟩reversed⟨U+202C⟩" in shown
    assert not set("\x00\x07\x1b\x85\ufeff\u202e\u2066\u200f") & set(hostile)


def test_a_megabyte_in_one_line_is_cut_and_said_to_be(hostile: str) -> None:
    assert len(hostile.encode()) < 4e6
    section = next(e for e in html_document.parse(hostile).all("section") if e.attributes.get("id") == "examples")
    lines = [text for text in section.all("p", "text") if text.raw.startswith("AAAA")]
    assert lines and all("more characters)" in text.raw and len(text.raw) < 5000 for text in lines)


@needs_browser
def test_nothing_runs_and_nothing_is_asked_for(chromium: Any, path: Path) -> None:
    with opening(chromium, path) as opened:
        opened.unfold()
        opened.page.wait_for_load_state("networkidle")
        for index in range(min(5, opened.page.locator(".example").count())):
            opened.page.locator(".example").nth(index).hover()
        assert opened.page.evaluate("window.hacked") is None
        assert opened.said == [] and opened.asked == [path.as_uri()]
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 1280
        assert opened.page.locator("article.claim").count() > 20


@needs_browser
def test_text_that_runs_the_other_way_stays_in_its_place(chromium: Any, path: Path) -> None:
    with opening(chromium, path) as opened:
        styles = opened.page.locator(".turns .text").evaluate_all(
            "all => all.map((n) => getComputedStyle(n).unicodeBidi)"
        )
        assert set(styles) <= {"isolate", "plaintext", "isolate-override"}
