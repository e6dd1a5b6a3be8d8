"""The page in a real Chromium, opened from disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from built_page import Built
from opened_page import Opened, needs_browser, opening

from piretry.report.parts import anchors

pytestmark = needs_browser


def test_it_opens_silently_and_asks_for_nothing(opened: Opened, built: Built) -> None:
    opened.page.wait_for_load_state("networkidle")
    assert opened.said == []
    assert opened.asked == [built.path.as_uri()]
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("article.claim").count() == len(built.project.claims.ids) + 2


def test_details_open_by_mouse_and_keyboard(opened: Opened) -> None:
    details = opened.page.locator("#claim-headline details.provenance")
    link = details.locator("a").first
    assert not link.is_visible()
    details.locator("summary").first.click()
    assert link.is_visible()
    details.locator("summary").first.press("Enter")
    assert not link.is_visible()


def test_a_link_from_outside_to_a_record_unfolds_it(chromium: Any, built: Built) -> None:
    anchor = anchors.record("small/base/model")
    with opening(chromium, built.path) as opened:
        opened.page.goto(f"{built.path.as_uri()}#{anchor}")
        assert opened.page.locator(f"#{anchor}").is_visible()


@pytest.mark.parametrize(("name", "start"), [("csv", "label,series,unit,value"), ("svg", "<svg ")])
def test_the_data_and_the_picture_of_a_chart_are_downloaded(opened: Opened, name: str, start: str) -> None:
    with opened.page.expect_download() as waiting:
        opened.page.locator(f"#fig-overview a[download$='.{name}']").click()
    assert waiting.value.suggested_filename == f"fig-overview.{name}"
    assert Path(waiting.value.path()).read_text(encoding="utf-8").startswith(start)


_BADGE = """(tone) => {
  const node = document.createElement("span");
  node.className = "badge " + tone;
  document.body.append(node);
  return [getComputedStyle(node).color, getComputedStyle(node).backgroundColor];
}"""


@pytest.mark.parametrize("width", [1280, 360])
def test_dark_and_light_differ_and_are_readable(chromium: Any, built: Built, width: int) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with opening(chromium, built.path, width, scheme) as opened:
            colours = opened.page.evaluate(
                """() => {
                  const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
                  return {page: of("body", "backgroundColor"), card: of(".plot", "backgroundColor"),
                    texts: [of("body", "color"), of(".label", "color"), of(".chart text", "fill"),
                      of("summary", "color"), of(".badge.none", "color"), of("a.num", "color")],
                    marks: [of('.chart [fill="#0a6ebd"]', "fill"), of('.chart [fill="#c2500a"]', "fill"),
                      of(".chain-graph circle", "fill")]};
                }"""
            )
            pairs = [opened.page.evaluate(_BADGE, tone) for tone in ("agree", "disagree", "open")]
        for text in colours["texts"]:
            assert min(contrast(text, colours["page"]), contrast(text, colours["card"])) >= 4.5, (scheme, text)
        for mark in colours["marks"]:
            assert contrast(mark, colours["card"]) >= 3, (scheme, mark)
        for pair in pairs:
            assert contrast(*pair) >= 4.5, (scheme, pair)
        grounds[scheme] = colours["page"]
    assert luminance(grounds["light"]) > 0.8 and luminance(grounds["dark"]) < 0.05


def test_only_what_scrolls_is_a_stop_for_the_keyboard(opened: Opened) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    opened.page.wait_for_timeout(300)
    wrong = opened.page.evaluate(
        """() => [...document.querySelectorAll(".scroller")]
          .filter((node) => (node.scrollWidth > node.clientWidth) !== node.hasAttribute("tabindex")).length"""
    )
    assert wrong == 0


def test_text_and_tables_are_there_without_javascript(chromium: Any, built: Built) -> None:
    with opening(chromium, built.path, script=False) as opened:
        assert opened.page.locator("article.claim:visible").count() == len(built.project.claims.ids) + 2
        opened.page.locator("#claim-headline a.num").first.click()  # the browser itself unfolds what a link leads to
        drawer = opened.page.locator("#prov-headline")
        assert drawer.is_visible() and drawer.locator(".command code").is_visible()
        assert drawer.locator(".chain-graph").is_visible() and drawer.locator("a").first.is_visible()
        assert opened.page.locator("button, input, select, dialog").count() == 0


def test_it_prints_with_everything_unfolded(chromium: Any, built: Built) -> None:
    with opening(chromium, built.path, scheme="dark") as opened:
        pdf = opened.page.pdf(format="A4")
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
        assert pdf.startswith(b"%PDF") and 40 < pages < 400
        opened.page.emulate_media(media="print")
        assert luminance(opened.page.evaluate("getComputedStyle(document.body).backgroundColor")) == 1
        for inside in ("#prov-headline .command", "#prov-headline .chain-graph", "section.records .target", ".example"):
            assert opened.page.locator(inside).last.evaluate("node => node.checkVisibility()"), inside
        opened.page.emulate_media(media="screen")
        assert not opened.page.locator("#prov-headline .command").is_visible()  # folded again


def luminance(colour: str) -> float:
    """Relative luminance of a CSS rgb() colour, by WCAG 2."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, by WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
