"""How much of the training pool is in the held-out problems: by kind, with and without removal, with examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from piretry.report.parts import anchors
from piretry.report.results import Results

_RULES = {
    "exact": "the same text",
    "normalised": "the same but for case, white space, punctuation and TeX layout",
    "renumbered": "the same once numbers are left out",
    "ngram": "shared word n-grams",
    "near_duplicate": "similar texts by MinHash and Jaccard similarity",
    "reworded": "the same answer and much the same rare words",
}


@dataclass(frozen=True)
class Kind:
    """One kind of overlap: matches in the pool, in a draw from the whole pool, and in what was trained on."""

    name: str
    rule: str
    pool: dict[str, int]
    as_drawn: int
    trained_on: int
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
            found["as_drawn"]["matched"][name],
            found["trained_on"]["matched"][name],
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
        "as_drawn": found["as_drawn"]["problems"],
        "trained_on": found["trained_on"]["problems"],
        "seed": found["draw"]["seed"],
        "fingerprint": found["trained_on"]["fingerprint"],
        "record": anchors.record(results.inputs["overlap"]),
        "path": results.inputs["overlap"],
    }
