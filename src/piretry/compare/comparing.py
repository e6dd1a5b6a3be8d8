"""Two results folders compared: `compare_runs` is the whole of it; the command is ``piretry diff``."""

from __future__ import annotations

from pathlib import Path

from piretry.compare.changes import changes_between
from piretry.compare.model import Comparison
from piretry.compare.pairs import Pairs
from piretry.compare.runs import read_run
from piretry.compare.values import compare_claims


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the results folders of two scales or of two runs of one; PiretryError when one cannot be read."""
    one, two = read_run(first), read_run(second)
    pairs = Pairs(one, two)
    changes = changes_between(pairs)
    claims, controls = compare_claims(pairs)
    return Comparison(one.header, two.header, claims, controls, changes, (*one.troubles, *two.troubles))
