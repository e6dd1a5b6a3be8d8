"""The commands that the report shows, run as they are shown, make the same bytes again."""

from __future__ import annotations

import hashlib
import html
import re
import shlex
from pathlib import Path

import pytest
from tiny_project import Project

from piretry.report.parts import anchors

pytestmark = pytest.mark.slow


def shown_command(page: str, anchor: str) -> str:
    """The first command in the part of the page with this id."""
    part = page[page.index(f'id="{anchor}"') :]
    found = re.search(r'class="(?:command|again)"><code>(.*?)</code>', part)
    assert found is not None
    return html.unescape(found[1])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "path",
    [
        "claims/headline.json",
        "claims/k-lucky.json",
        "small/retry-full/k1/bare/r1/s42/eval.parquet",
        "small/retry-full/k1/bare/r1/s42/sft.parquet",
    ],
)
def test_the_command_on_the_page_makes_the_same_file_again(finished: Project, path: str) -> None:
    file = finished.results / path
    page = (finished.results / "report/index.html").read_text(encoding="utf-8")
    is_claim = path.startswith("claims/")
    command = shown_command(page, anchors.drawer(file.stem) if is_claim else anchors.record(path))
    before = digest(file)
    assert before in page
    file.unlink()
    file.with_name(f"{file.name}.prov.json").unlink()
    finished.run(*shlex.split(command))
    assert digest(file) == before
    finished.snakemake("all")  # what lies below has another time now: leave a finished project
