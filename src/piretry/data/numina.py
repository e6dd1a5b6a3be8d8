"""NuminaMath-CoT (hub id AI-MO/NuminaMath-CoT): 859,494 training problems with worked solutions.

Its columns are source, problem, solution and messages. It has no answer column: the answer is the last boxed
expression of the solution. Proofs have none; they are left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from piretry.data.schema import Problem, content_id
from piretry.data.sources import Row
from piretry.settings.data import FileDataset, HubDataset
from piretry.verifiers.extract import last_box


def problems(rows: Iterable[Row], settings: HubDataset | FileDataset, dropped: Counter[str]) -> Iterator[Problem]:
    """Problems of NuminaMath-CoT's rows; `dropped` counts those without a boxed answer.

    The dataset has no ids: they are made from source, problem and solution, so that equal rows have equal
    ids.
    """
    for row in rows:
        source, problem, solution = row.text("source"), row.text("problem"), row.text("solution")
        box = last_box(solution)
        gold = box and box.strip()
        if not gold:
            dropped["no_boxed_answer" if box is None else "empty_gold"] += 1
            continue
        yield Problem(content_id("numina", source, problem, solution), problem, gold, solution, source, settings.split)
