"""``piretry diff``: two results folders side by side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `diff`."""
    parser = verbs.add_parser("diff", help="compare two results folders: what changed, and which claims differ")
    parser.add_argument("first", metavar="RUN_A", type=Path, help="folder of one scale, e.g. results/mini")
    parser.add_argument("second", metavar="RUN_B", type=Path, help="folder of the other run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write a self-contained page")
    parser.set_defaults(run=_diff)


def _diff(options: argparse.Namespace) -> int:
    from piretry.compare.comparing import compare_runs
    from piretry.compare.text import comparison_text

    found = compare_runs(options.first, options.second)
    if options.html is not None:
        from piretry.report.parts.compare import write_page

        write_page(found, options.html)
    print(json.dumps(found.plain(), indent=1, ensure_ascii=False) if options.json else comparison_text(found))
    return found.status
