"""Snakemake's own report: made offline, with categories, captions and the verdicts; the marks for it rerun nothing.

The files are those of the synthetic results; `snakemake --touch` enters them into Snakemake's records as made.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_results import REPOSITORY, Made

# A Snakefile in which the marks do nothing, as it was before there were any.
UNMARKED = "def report(value, **options):\n    return value\n\n\n"


def snakemake(home: Path, *arguments: str) -> str:
    """Run Snakemake on the checkout with this repository's sources, and without a network."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY / "src"), os.environ.get("PYTHONPATH")])),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    }
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--workflow-profile", "none", *arguments]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def marked(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished checkout whose files Snakemake knows as made by rules without marks."""
    home = tmp_path_factory.mktemp("marked") / "checkout"
    shutil.copytree(made.home, home)
    snakefile = home / "Snakefile"
    text = snakefile.read_text()
    snakefile.write_text(UNMARKED + text)
    snakemake(home, "--touch", "all")
    assert "Nothing to be done" in snakemake(home, "-n", "all")
    snakefile.write_text(text)
    return home


def test_marks_rerun_nothing(marked: Path) -> None:
    assert "Nothing to be done" in snakemake(marked, "-n", "all")


@pytest.fixture(scope="module")
def written(marked: Path) -> str:
    output = marked / "report.html"
    snakemake(marked, "--report", str(output))
    return output.read_text(encoding="utf-8")


def test_every_claim_is_there_with_its_verdict(marked: Path, written: str) -> None:
    claims = [json.loads(path.read_text()) for path in (marked / "results/mini/claims").glob("*[!v].json")]
    claims = [claim for claim in claims if "verdict" in claim]
    assert len(claims) == 10
    results = results_of(written)
    for claim in claims:
        [shown] = [result for name, result in results.items() if name.endswith(f"claims/{claim['id']}.json")]
        assert shown["labels"]["verdict"] == claim["verdict"]
        assert shown["labels"]["published"] == claim["published"]
        assert claim["id"] in shown["caption"]
        assert f"piretry judge {claim['id']}" in re.sub("<[^>]+>", "", str(shown["caption"]))
    sections = {claim["section"] for claim in claims}
    assert sections <= set(categories_of(written)["Claims"])


def test_tables_and_the_page_are_there(marked: Path, written: str) -> None:
    categories = categories_of(written)
    assert set(categories) == {"Claims", "Tables", "Report"}
    results = results_of(written)
    tables = {path.name for path in (marked / "results/mini/tables").glob("*.csv")}
    assert tables
    for name in (*tables, "cost.json", "index.html"):
        [shown] = [result for path, result in results.items() if path.endswith(f"/{name}")]
        assert len(shown["caption"]) > 60, name
    assert "piretry audit" in written


def test_the_page_needs_no_network(written: str) -> None:
    loads = re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)\s*=\s*["'](?!data:)([^"']+)""", written)
    assert loads == []


def results_of(page: str) -> dict[str, dict[str, Any]]:
    """Path -> caption, labels and more, as the page's own script holds them."""
    return _embedded(page, "results")


def categories_of(page: str) -> dict[str, dict[str, Any]]:
    """Category -> subcategory -> results."""
    return _embedded(page, "categories")


def _embedded(page: str, name: str) -> dict[str, dict[str, Any]]:
    match = re.search(rf"var {name} = (\{{.*)", page)
    assert match, f"the page holds no {name}"
    value: dict[str, dict[str, Any]] = json.JSONDecoder().raw_decode(match[1])[0]
    return value
