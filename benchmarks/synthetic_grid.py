"""How large the report gets, how long it takes to build and to open, with 400 cells at 3 seeds of SYNTHETIC results.

    python benchmarks/synthetic_grid.py --root build/synthetic               # generate (minutes), build, measure
    python benchmarks/synthetic_grid.py --root build/synthetic --reuse       # build and measure again
    python benchmarks/synthetic_grid.py --pages results/mini/report/index.html

The verdicts are drawn at random by tests/synthetic_results.py: no model is run. Every record says so under
``facts.synthetic``, and so does the top of the page. Times are of this machine at this moment; run it alone.
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import json
import os
import pstats
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

import synthetic_results  # noqa: E402
from piretry.grid.project import Project, load_project  # noqa: E402
from piretry.grid.tasks import all_tasks  # noqa: E402
from piretry.provenance import environment  # noqa: E402
from piretry.report.page import build_page  # noqa: E402

CELLS, SEEDS = 400, (42, 123, 456)
GOAL_MB, GOAL_BUILD_S, GOAL_OPEN_S = 10.0, 30.0, 1.0
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def grid() -> list[dict[str, Any]]:
    """Blocks of config.yaml that cross everything the mini scale has models for: 396 cells of mathematics."""
    every = {"tunings": ["full", "lora"], "k": [1, 3, 5], "rounds": 3, "seeds": "all"}
    roles = ["small", "medium", "large"]
    prompts = ["bare", "gold", "gibberish", "wrong"]
    return [
        {**every, "roles": roles, "methods": ["retry"], "prompts": prompts},
        {**every, "roles": roles, "methods": ["rejection", "resample"], "prompts": ["none"]},
        {**every, "roles": ["small", "medium"], "methods": ["cross"], "prompts": ["bare", "gold"]},
    ]


def project() -> Project:
    """The mini scale with that grid beside the prover's own cells."""
    plain = load_project(REPOSITORY, {"scale": "mini"})
    prover = [block.model_dump(mode="json") for block in plain.config.grid if "prover" in block.roles]
    overrides = {
        "scale": "mini",
        "results": "results",
        "seeds": {**plain.config.seeds, "all": list(SEEDS)},
        "teachers": {"small": "medium", "medium": "large"},
        "grid": [*grid(), *prover],
    }
    return load_project(REPOSITORY, overrides)


def generate(root: Path, problems: int, samples: int) -> None:
    """Make every artifact below the report, one after another, with a line of progress for each tenth."""
    tasks = synthetic_results.ordered(all_tasks(project()))
    draws = synthetic_results.Draws(problems, samples)
    shown = 0
    with without_waiting():
        for index, task in enumerate(tasks):
            if task.stage != "report" and not all((root / path).exists() for path in task.outputs.values()):
                synthetic_results.make(task, root, draws)
            if 10 * index // len(tasks) > shown:
                shown = 10 * index // len(tasks)
                print(f"  {index} of {len(tasks)} jobs", file=sys.stderr, flush=True)


@contextmanager
def without_waiting() -> Iterator[None]:
    """Git is asked once, and no file is flushed to the disk: with thousands of artifacts the rest would not show."""
    with (
        mock.patch.object(environment, "checkout", functools.cache(environment.checkout)),
        mock.patch.object(os, "fsync", lambda descriptor: None),
    ):
        yield


def marked(root: Path) -> tuple[int, int]:
    """(records that say that they are synthetic, records)."""
    records = [json.loads(path.read_text()) for path in root.rglob("*.prov.json")]
    return sum("synthetic" in record["facts"] for record in records), len(records)


def build(root: Path, profile: Path | None) -> tuple[Path, float, float]:
    """Build the page as stage report does; returns it, the seconds and the CPU seconds, without publication."""
    task = synthetic_results.report_task(all_tasks(project()))
    profiler = cProfile.Profile()
    start, cpu = time.perf_counter(), time.process_time()
    if profile is not None:
        profiler.enable()
    html = build_page(root, task.inputs, task.settings)
    if profile is not None:
        profiler.disable()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    page = root.with_name(f"{root.name}-page.html")  # beside the results: the audit knows no such file in them
    page.write_text(html, encoding="utf-8")
    if profile is not None:
        with profile.open("w") as stream:
            pstats.Stats(profiler, stream=stream).sort_stats("cumulative").print_stats("piretry", 45)
    return page, seconds, cpu


def parts_of(page: Path) -> list[tuple[str, int]]:
    """Bytes of the page by what holds them: each top-level section, style, script, and the rest."""
    import re

    text = page.read_text(encoding="utf-8")
    found: Counter[str] = Counter()
    for match in re.finditer(r"<section[^>]* id=\"([\w-]+)\".*?(?=<section[^>]* id=|</main>)", text, re.DOTALL):
        found[match[1]] += len(match[0].encode())
    for name in ("style", "script"):
        found[name] = sum(len(m[0].encode()) for m in re.finditer(rf"<{name}\b.*?</{name}>", text, re.DOTALL))
    found["elsewhere"] = len(text.encode()) - sum(found.values())
    return found.most_common()


def opening(page: Path, browser: str, repeats: int) -> dict[str, float]:
    """Median seconds from navigation to the load event and to the first contentful paint, by the browser's clock."""
    from playwright.sync_api import sync_playwright

    loads, paints, nodes = [], [], 0
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for _ in range(repeats):
            tab = chromium.new_page()
            tab.goto(page.resolve().as_uri(), wait_until="load")
            tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            times = tab.evaluate(
                "() => [performance.getEntriesByType('navigation')[0].loadEventEnd,"
                " performance.getEntriesByName('first-contentful-paint')[0].startTime,"
                " document.getElementsByTagName('*').length]"
            )
            loads.append(times[0] / 1000)
            paints.append(times[1] / 1000)
            nodes = times[2]
            tab.close()
        chromium.close()
    return {"load_s": statistics.median(loads), "paint_s": statistics.median(paints), "elements": nodes}


def show_opening(pages: Sequence[Path], repeats: int) -> None:
    browser = next((path for path in BROWSERS if Path(path).exists()), None)
    if browser is None:
        print(f"not opened: no Chromium at {', '.join(BROWSERS)}")
        return
    for page in pages:
        found = opening(page, browser, repeats)
        print(
            f"{page}: {page.stat().st_size / 1e6:.2f} MB, {found['elements']:,.0f} elements; loaded in "
            f"{found['load_s']:.2f} s, first paint {found['paint_s']:.2f} s, medians of {repeats} "
            f"(goal {GOAL_OPEN_S:g} s)"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="where the synthetic results lie or shall lie")
    parser.add_argument("--reuse", action="store_true", help="the results are there: only build and measure")
    parser.add_argument("--problems", type=int, default=100, help="held-out problems (default: 100)")
    parser.add_argument("--samples", type=int, default=2, help="samples of each in an evaluation (default: 2)")
    parser.add_argument("--profile", type=Path, help="build once more under the profiler and write where time goes")
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="also open these pages")
    parser.add_argument("--repeats", type=int, default=5, help="how often a page is opened (default: 5)")
    options = parser.parse_args(arguments)
    pages = list(options.pages)
    if options.root is not None:
        cells = project().cells
        arms = {cell.series for cell in cells}
        assert len(arms) >= CELLS, f"the grid has {len(arms)} cells, fewer than {CELLS}"
        print(f"{len(arms)} cells, {len(cells)} with their seeds")
        if not options.reuse:
            start = time.perf_counter()
            generate(options.root, options.problems, options.samples)
            print(f"generated in {time.perf_counter() - start:.0f} s")
        synthetic, records = marked(options.root)
        print(f"{synthetic} of {records} records are marked as synthetic")
        page, seconds, cpu = build(options.root, None)
        size = page.stat().st_size / 1e6
        print(
            f"built in {seconds:.1f} s, {cpu:.1f} s of CPU (goal {GOAL_BUILD_S:g} s), "
            f"{size:.2f} MB (goal {GOAL_MB:g} MB)"
        )
        for name, octets in parts_of(page):
            print(f"  {name:<16} {octets / 1e6:8.3f} MB")
        if options.profile is not None:
            print(f"under the profiler {build(options.root, options.profile)[1]:.1f} s: {options.profile}")
        pages.insert(0, page)
    show_opening(pages, options.repeats)


if __name__ == "__main__":
    main()
