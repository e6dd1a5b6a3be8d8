"""Overlap on real text: the MATH training problems against MATH-500, with planted copies.

The data are not ours to ship; the tests are skipped where they are absent.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from overlap_texts import SETTINGS, numbers_in, renumbered, rephrased, respaced

from piretry.data.overlap import OverlapReport, find_overlap
from piretry.data.schema import Problem
from piretry.data.sources import load_dataset
from piretry.settings.data import FieldMapping, FileDataset

DATA = Path(__file__).parents[2].parent / "shared" / "data"
TRAIN, EVAL = DATA / "math_train_answers.json", DATA / "math500_test.jsonl"
pytestmark = pytest.mark.skipif(
    not (TRAIN.is_file() and EVAL.is_file()),
    reason="the MATH texts are not here: put math_train_answers.json and math500_test.jsonl into ../shared/data",
)
CHANGES = {"exact": 10, "respaced": 10, "rephrased": 10, "renumbered": 10}


@pytest.fixture(scope="module")
def searched() -> tuple[OverlapReport, dict[str, str]]:
    """The report, and the held-out problem that each planted copy was made from."""
    names = FieldMapping(problem="problem", gold="final_answer", solution=None, problem_id=None, source=None)
    train = load_dataset(
        FileDataset(name="math", format="fields", split="train", kind="file", path=str(TRAIN), rows=7500, fields=names)
    )
    held_out = load_dataset(
        FileDataset(name="math-500", format="math-500", split="test", kind="file", path=str(EVAL), rows=500)
    ).problems
    rng = random.Random(2024)
    change = {
        "exact": lambda text: text,
        "rephrased": rephrased,
        "respaced": lambda t: respaced(t, rng),
        "renumbered": lambda t: renumbered(t, rng),
    }
    copies, origin = [], {}
    left = rng.sample(held_out, len(held_out))
    for name, number in CHANGES.items():
        for _ in range(number):
            source = next(p for p in left if name != "renumbered" or numbers_in(p.problem) >= 2)
            left.remove(source)
            gold = "another" if name == "renumbered" else source.gold
            copy = Problem(f"{name}-{len(copies)}", change[name](source.problem), gold, None, "planted", "train")
            copies.append(copy)
            origin[copy.problem_id] = source.problem_id
    return find_overlap(train.problems + copies, held_out, SETTINGS), origin


def test_planted_copies_are_found(searched: tuple[OverlapReport, dict[str, str]]) -> None:
    report, origin = searched
    found = defaultdict(set)
    for pair in report.pairs:
        if origin.get(pair.train_id) == pair.eval_id:
            found[pair.train_id].add(pair.kind)
    by_change: dict[str, Counter[str]] = {name: Counter() for name in CHANGES}
    for planted in origin:
        by_change[planted.partition("-")[0]].update(found[planted])
    assert by_change["exact"]["exact"] == by_change["exact"]["normalised"] == 10
    assert by_change["respaced"]["normalised"] == 10
    assert by_change["rephrased"]["reworded"] >= 8
    assert by_change["renumbered"]["renumbered"] == 10


def test_few_of_the_other_problems_match(searched: tuple[OverlapReport, dict[str, str]]) -> None:
    report, origin = searched
    others = [pair for pair in report.pairs if pair.train_id not in origin]
    counts = Counter(pair.kind for pair in others)
    # All 136 pairs were read: 3 are the same problem, 107 are the same with other numbers or ask another
    # question about the same figure, 26 have only phrases in common. Bounds, because planted copies can make a
    # phrase common.
    assert counts["exact"] == counts["normalised"] == 0
    assert 40 <= counts["renumbered"] <= 55
    assert 40 <= counts["ngram"] <= 60
    assert 70 <= counts["near_duplicate"] <= 85
    assert 8 <= counts["reworded"] <= 14
