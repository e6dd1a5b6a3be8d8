"""MATH-500 (hub id HuggingFaceH4/MATH-500): 500 held-out problems of the MATH test set.

Its columns are problem, solution, answer, subject, level and unique_id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from piretry.data.schema import Problem
from piretry.data.sources import Row
from piretry.settings.data import FileDataset, HubDataset


def problems(rows: Iterable[Row], settings: HubDataset | FileDataset, dropped: Counter[str]) -> Iterator[Problem]:
    """Problems of MATH-500's rows, with the dataset's own ids and the subject as source; none is left out."""
    for row in rows:
        yield Problem(
            row.text("unique_id"),
            row.text("problem"),
            row.text("answer"),
            row.text("solution"),
            row.text("subject"),
            settings.split,
        )
