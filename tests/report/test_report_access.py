"""Accessibility in a real Chromium: axe-core's rules, a phone's width, and the text at 200%."""

from __future__ import annotations

from typing import Any

import pytest
from built_page import Built
from opened_page import Opened, needs_browser, opening

pytestmark = needs_browser


# axe looks at every element many times: of what there is by the hundred a few stay.
_FEW = """() => {
  for (const many of [".record", ".example", ".claim", ".protocol", ".data-table"]) {
    document.querySelectorAll(many).forEach((node, index) => { if (index > 2) node.remove(); });
  }
}"""


@pytest.mark.parametrize("part", ["folded", pytest.param("unfolded", marks=pytest.mark.slow), "drawer"])
def test_axe_finds_nothing_serious(chromium: Any, built: Built, part: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed: axe-core was not run"
    )
    with opening(chromium, built.path) as opened:
        opened.page.evaluate(_FEW)
        if part == "unfolded":
            opened.unfold()
        elif part == "drawer":
            opened.page.locator("#claim-headline a.num").first.click()
        for scheme in ("light", "dark"):
            opened.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = axe.Axe().run(opened.page, options={"resultTypes": ["violations"]}).response
            grave = {
                violation["id"]: [node["html"][:200] for node in violation["nodes"][:3]]
                for violation in found["violations"]
                if violation["impact"] in ("serious", "critical")
            }
            assert grave == {}, scheme
            assert len(found["passes"]) > 15


def test_only_what_scrolls_is_a_stop_for_the_keyboard(opened: Opened) -> None:
    opened.unfold()
    opened.page.wait_for_timeout(300)
    wrong = opened.page.evaluate(
        """() => [...document.querySelectorAll(".scroller, .turns .text")].filter((node) =>
          (node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight + 1)
          !== node.hasAttribute("tabindex")).length"""
    )
    assert wrong == 0


# 640 pixels at twice the size are a screen of 1,280 at 200% zoom.
@pytest.mark.parametrize(("width", "zoom"), [(320, 1.0), (360, 3.0), (640, 2.0), (800, 1.0), (1280, 1.0)])
def test_nothing_is_wider_than_the_screen_and_nothing_is_cut_off(
    chromium: Any, built: Built, width: int, zoom: float
) -> None:
    with opening(chromium, built.path, width, zoom=zoom) as opened:
        opened.unfold()
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.evaluate(_CUT_OFF) == []
        opened.page.locator("#claim-headline a.num").first.click()
        side = opened.page.locator("dialog.side")
        box = side.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 0.5
        assert opened.page.evaluate(_CUT_OFF) == []


# Text that reaches beyond the screen and stands in nothing that scrolls; or that a box without scroll bars cuts off.
_CUT_OFF = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (node) => /auto|scroll/.test(getComputedStyle(node).overflowX);
  const found = [];
  for (const node of document.querySelectorAll("main *, dialog *")) {
    if (node.closest("svg") && node.tagName !== "svg") continue;
    if (node.closest(".vh, thead, [hidden], math") || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const hides = /hidden|clip/.test(style.overflowX) && node.scrollWidth > node.clientWidth + 1;
    if (hides) found.push(node.outerHTML.slice(0, 90));
    if (!node.textContent.trim()) continue;
    const box = node.getBoundingClientRect();
    if (box.width && (box.right > width + 1 || box.left < -1)) {
      let around = node.parentElement;
      while (around && !scrolls(around)) around = around.parentElement;
      if (!around) found.push(node.outerHTML.slice(0, 90));
    }
  }
  return found.slice(0, 5);
}"""
