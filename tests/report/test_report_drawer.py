"""The provenance drawer in a real Chromium: reachable from every number, complete, and its command exact."""

from __future__ import annotations

import json
import shlex

import pytest
from built_page import Built
from opened_page import Opened, needs_browser

from piretry.report.parts import anchors

pytestmark = needs_browser


def test_the_drawer_of_each_claim_opens_and_shows_the_exact_command(opened: Opened, built: Built) -> None:
    drawer = opened.page.locator("dialog.side")
    for name in built.project.claims.ids:
        number = opened.page.locator(f"#claim-{name} a.num[href='#prov-{name}']").first
        opener = number if number.count() else opened.page.locator(f"#summary a.num[href='#prov-{name}']")
        opener.focus()
        opener.press("Enter")
        shown = drawer.locator(f"#prov-{name}")
        assert shown.is_visible()
        assert drawer.locator(".side-title").inner_text() == f"Where {name} comes from"
        command = shown.locator(".command code").inner_text()
        assert command == f"snakemake --cores 2 {built.project.results}/claims/{name}.json"
        opened.page.keyboard.press("Escape")
        assert not drawer.is_visible()
        assert opener.evaluate("node => node === document.activeElement")
        assert opened.page.locator(f"#claim-{name} #prov-{name}").count() == 1  # put back where it came from
    assert opened.said == []


def test_every_number_of_a_claim_leads_to_its_place_in_the_drawer(opened: Opened, built: Built) -> None:
    for name in built.project.claims.ids:
        result = json.loads((built.root / "claims" / f"{name}.json").read_text())
        numbers = opened.page.locator(f"#claim-{name} .quantities a.num")
        assert numbers.count() == len(result["quantities"])
    claim = opened.page.locator("#claim-retry-vs-rejection")
    claim.locator(".quantities a.num").nth(1).click()
    here = opened.page.locator("dialog.side .here")
    assert here.get_attribute("id") == "prov-retry-vs-rejection-1"
    assert "gain small/retry-full/k3/bare/r1" in here.inner_text()


def test_records_open_in_the_drawer_and_back_leads_back(opened: Opened, built: Built) -> None:
    page = opened.page
    page.locator("#claim-headline a.num").first.click()
    path = "small/retry-full/k3/bare/r1/s42/eval.parquet"
    page.locator(f"dialog.side a[href='#{anchors.record(path)}']").first.click()
    assert page.locator("dialog.side .side-title").inner_text() == path
    record = page.locator(f"dialog.side #{anchors.record(path)}")
    assert json.loads((built.root / f"{path}.prov.json").read_text())["artifact"]["sha256"] in record.inner_text()
    assert record.locator(".again code").inner_text() == f"snakemake --cores 2 {built.project.results}/{path}"
    page.get_by_role("link", name="code, image and machine").click()
    assert "code digest" in page.locator("dialog.side pre").inner_text()
    page.get_by_role("button", name="Back").click()
    assert record.is_visible()
    page.get_by_role("button", name="Back").click()
    assert page.locator("dialog.side #prov-headline").is_visible()
    assert not page.get_by_role("button", name="Back").is_visible()
    page.get_by_role("button", name="Close").click()
    assert not page.locator("dialog.side").is_visible()
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


def test_the_graph_names_every_level_from_the_claim_down_to_data_and_base_model(opened: Opened) -> None:
    opened.page.locator("#claim-headline a.num").first.click()
    graph = opened.page.locator("dialog.side .chain-graph")
    levels = graph.locator(".g-level").all_text_contents()
    assert levels == [
        "Verdict", "Numbers", "Evaluations on the held-out problems", "Trained models", "Training examples (SFT sets)",
        "Retries, their repeats, and fresh attempts", "First attempts", "Base models", "Problems", "From outside",
    ]  # fmt: skip
    texts = graph.locator("text").all_text_contents()
    assert "small/base/…/attempts.parquet  × 2 seeds" in texts and "data/train.parquet" in texts
    assert graph.locator("path").count() >= len(texts) - len(levels) - 1  # every place but the first hangs on another


def test_a_command_is_copied(opened: Opened, built: Built) -> None:
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.locator("#claim-headline a.num").first.click()
    opened.page.locator("dialog.side .command button").click()
    opened.page.get_by_text("Copied").wait_for()
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert shlex.split(copied) == ["snakemake", "--cores", "2", f"{built.project.results}/claims/headline.json"]


@pytest.mark.parametrize("click", [(20, 450), None])
def test_the_drawer_closes_by_a_click_beside_it_or_on_a_link_elsewhere(
    opened: Opened, click: tuple[int, int] | None
) -> None:
    opened.page.locator("#claim-headline a.num").first.click()
    assert opened.page.locator("dialog.side").is_visible()
    if click:
        opened.page.mouse.click(*click)
    else:
        opened.page.goto(opened.page.url.partition("#")[0] + "#summary")
        opened.page.evaluate("document.querySelector('dialog.side').close()")
    assert not opened.page.locator("dialog.side").is_visible()
    assert opened.page.locator("#claim-headline #prov-headline").count() == 1
