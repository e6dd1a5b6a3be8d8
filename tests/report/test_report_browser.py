"""The page in a real Chromium, opened from disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_page import Built

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="pytest-playwright is not installed: browser tests are skipped"
)

CHROMIUM = next(
    (p for p in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")) if p.exists()),
    None,
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page was not opened in Chromium (apt-get install chromium runs these tests)",
)


class Opened:
    """A page with everything that it said and asked for."""

    def __init__(self, browser: sync_api.Browser, path: Path, width: int, scheme: str, script: bool) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            java_script_enabled=script,
            accept_downloads=True,
        )
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield found
        found.close()


@pytest.fixture
def opened(chromium: sync_api.Browser, built: Built) -> Iterator[Opened]:
    page = Opened(chromium, built.path, 1280, "light", True)
    yield page
    page.page.context.close()


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


def test_a_link_to_a_record_unfolds_it(opened: Opened) -> None:
    details = opened.page.locator("#claim-headline details.provenance")
    details.locator("summary").first.click()
    link = details.locator("a").nth(1)
    target = opened.page.locator(str(link.get_attribute("href")))
    assert not target.is_visible()
    link.click()
    opened.page.wait_for_timeout(100)
    assert target.is_visible()


def test_verdicts_can_be_chosen(opened: Opened) -> None:
    shown = opened.page.locator("main .faq article.claim:visible")
    everything = shown.count()
    opened.page.get_by_role("button", name="not run").click()
    left = shown.count()
    assert 0 < left < everything
    assert set(shown.evaluate_all("nodes => nodes.map(node => node.dataset.verdict)")) == {"not run"}
    opened.page.get_by_role("button", name="All claims").click()
    assert shown.count() == everything


def test_the_csv_of_a_chart_is_downloaded(opened: Opened) -> None:
    with opened.page.expect_download() as waiting:
        opened.page.locator("#fig-overview a.download").click()
    assert waiting.value.suggested_filename == "fig-overview.csv"
    assert Path(waiting.value.path()).read_text().startswith("label,series,unit,value")


def test_a_command_is_copied(opened: Opened, built: Built) -> None:
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.locator("#claim-headline .command button").click()
    opened.page.get_by_text("Copied").wait_for()
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"snakemake --cores 2 {built.project.results}/claims/headline.json")


@pytest.mark.parametrize("width", [1280, 360])
def test_dark_and_light_differ_and_are_readable(chromium: sync_api.Browser, built: Built, width: int) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        opened = Opened(chromium, built.path, width, scheme, True)
        colours = opened.page.evaluate(
            """() => {
              const of = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
              return {page: of("body", "backgroundColor"), card: of(".plot", "backgroundColor"),
                texts: [of("body", "color"), of(".label", "color"), of(".chart text", "fill"), of("summary", "color"),
                  of(".badge.none", "color")],
                marks: [of('.chart [fill="#0a6ebd"]', "fill"), of('.chart [fill="#c2500a"]', "fill")]};
            }"""
        )
        for text in colours["texts"]:
            assert min(contrast(text, colours["page"]), contrast(text, colours["card"])) >= 4.5, (scheme, text)
        for mark in colours["marks"]:
            assert contrast(mark, colours["card"]) >= 3, (scheme, mark)
        for badge in ("agree", "disagree", "open"):
            pair = opened.page.evaluate(
                """(tone) => {
                  const node = document.createElement("span");
                  node.className = "badge " + tone;
                  document.body.append(node);
                  return [getComputedStyle(node).color, getComputedStyle(node).backgroundColor];
                }""",
                badge,
            )
            assert contrast(*pair) >= 4.5, (scheme, badge)
        grounds[scheme] = colours["page"]
        opened.page.context.close()
    assert luminance(grounds["light"]) > 0.8 and luminance(grounds["dark"]) < 0.05


def test_only_what_scrolls_is_a_stop_for_the_keyboard(opened: Opened) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    opened.page.wait_for_timeout(300)
    wrong = opened.page.evaluate(
        """() => [...document.querySelectorAll(".scroller")]
          .filter((node) => (node.scrollWidth > node.clientWidth) !== node.hasAttribute("tabindex")).length"""
    )
    assert wrong == 0


@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_nothing_is_wider_than_the_screen(chromium: sync_api.Browser, built: Built, width: int) -> None:
    opened = Opened(chromium, built.path, width, "light", True)
    opened.page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.page.context.close()


def test_text_and_tables_are_there_without_javascript(chromium: sync_api.Browser, built: Built) -> None:
    opened = Opened(chromium, built.path, 1280, "light", False)
    assert opened.page.locator("article.claim:visible").count() == len(built.project.claims.ids) + 2
    details = opened.page.locator("#claim-headline details.provenance")
    details.locator("summary").first.click()
    assert details.locator("a").first.is_visible()
    assert opened.page.locator("button").count() == 0
    opened.page.context.close()


def test_it_prints(chromium: sync_api.Browser, built: Built) -> None:
    opened = Opened(chromium, built.path, 1280, "dark", True)
    pdf = opened.page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pdf.startswith(b"%PDF") and 10 < pages < 120
    opened.page.emulate_media(media="print")
    assert luminance(opened.page.evaluate("getComputedStyle(document.body).backgroundColor")) == 1
    assert not opened.page.locator("section.records").is_visible()
    opened.page.context.close()


def luminance(colour: str) -> float:
    """Relative luminance of a CSS rgb() colour, by WCAG 2."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, by WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
