"""How much of the training pool is in the held-out problems, by kind, before and after removal, with pairs to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.report.parts import anchors
from piretry.report.results import Results

_RULES = {
    "exact": "the same text",
    "normalised": "the same but for case, white space, punctuation and TeX layout",
    "ngram": "shared word n-grams",
    "near_duplicate": "similar texts by MinHash and Jaccard similarity",
    "reworded": "the same answer and much the same rare words",
}


@dataclass(frozen=True)
class Kind:
    """One kind of overlap: counts before and after removal, and whether it is removed."""

    name: str
    rule: str
    before: dict[str, int]
    after: dict[str, int]
    removed: bool
    examples: list[dict[str, Any]]


def view(results: Results) -> dict[str, Any]:
    """The kinds with their counts, and the sizes of both sides."""
    found = results.overlap
    kinds = [
        Kind(
            name,
            _RULES.get(name, ""),
            before,
            found["after"][name],
            name in found["removed_kinds"],
            found["examples"].get(name, []),
        )
        for name, before in found["before"].items()
    ]
    return {
        "kinds": kinds,
        "pool": found["train_problems"],
        "held_out": found["eval_problems"],
        "removed": found["removed_train_problems"],
        "left": found["train_problems_left"],
        "record": anchors.record(results.inputs["overlap"]),
        "path": results.inputs["overlap"],
    }
