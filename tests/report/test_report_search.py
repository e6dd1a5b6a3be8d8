"""Filters and search in a real Chromium: claims by verdict and words, dialogues by cell, problem and words."""

from __future__ import annotations

from built_page import Built
from opened_page import Opened, needs_browser

pytestmark = needs_browser


def test_verdicts_can_be_chosen(opened: Opened) -> None:
    shown = opened.page.locator("main .faq article.claim:visible")
    everything = shown.count()
    opened.page.get_by_role("button", name="not run").click()
    left = shown.count()
    assert 0 < left < everything
    assert set(shown.evaluate_all("nodes => nodes.map(node => node.dataset.verdict)")) == {"not run"}
    assert opened.page.locator("#summary [role=status]").inner_text() == f"{left} of {everything} claims"
    opened.page.get_by_role("button", name="All claims").click()
    assert shown.count() == everything


def test_claims_are_found_by_words(opened: Opened) -> None:
    field = opened.page.get_by_label("Search claims")
    shown = opened.page.locator("main .faq article.claim:visible")
    field.fill("Gibberish SAME")
    ids = set(shown.evaluate_all("nodes => nodes.map(node => node.id)"))
    assert "claim-prompt-gibberish" in ids and "claim-headline" not in ids
    rows = opened.page.locator("#summary .all-claims tbody tr[data-verdict]:visible")
    assert rows.count() == len(ids)
    assert opened.page.locator(".question:visible").count() == 1
    field.fill("no such words anywhere")
    assert shown.count() == 0 and rows.count() == 0
    field.fill("")
    assert opened.page.locator(".question:visible").count() == opened.page.locator(".question").count()


def test_dialogues_are_found_by_problem_id(opened: Opened) -> None:
    examples = opened.page.locator(".example")
    problem = examples.nth(4).get_attribute("data-problem")
    opened.page.get_by_label("Search problem, cell or text").fill(str(problem))
    found = opened.page.locator(".example:visible")
    assert 0 < found.count() < examples.count()
    assert all(str(problem) in text for text in found.all_inner_texts())
    assert opened.page.locator("#examples [role=status]").inner_text() == f"{found.count()} dialogues"


def test_dialogues_are_chosen_by_cell(opened: Opened, built: Built) -> None:
    cells = {cell.arm.name for cell in built.project.cells}
    choices = opened.page.locator("#examples select")
    offered = set(choices.locator("option").evaluate_all("nodes => nodes.map(node => node.value)")) - {""}
    assert cells <= offered  # every cell has some
    for cell in ("small/retry-full/k5/bare/r1", "small/rejection-full/k3/none/r1"):
        choices.select_option(cell)
        groups = opened.page.locator(".dialogues:visible")
        assert groups.count() >= 2
        assert all(cell in str(text).split() for text in groups.evaluate_all("all => all.map((n) => n.dataset.cells)"))
    choices.select_option("")
    assert opened.page.locator(".dialogues:visible").count() == opened.page.locator(".dialogues").count()
