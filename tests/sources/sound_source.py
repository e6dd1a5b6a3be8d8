"""A made-up source in which nothing is wrong; tests change one thing and look for the finding."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from piretry.sources.audit import audit_sources
from piretry.sources.finding import Finding
from piretry.sources.model import Published

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = {"role": "small", "method": "retry", "tuning": "lora", "k": 1, "prompt": "bare"}
CONTROL = {"role": "small", "method": "resample", "tuning": "lora", "samples": 4}
ROWS = (
    ("a-1", KEY, 1, "40.2", "50.6", "+10.4"),
    ("a-2", KEY, 2, "40.2", "51.0", "+10.8"),
    ("a-3", KEY, 3, "40.2", "50.8", "+10.6"),
    ("b-1", CONTROL, 1, "40.2", "45.4", "+5.2"),
    ("b-2", CONTROL, 2, "40.2", "45.8", "+5.6"),
    ("b-3", CONTROL, 3, "40.2", "45.6", "+5.4"),
)
SETTINGS = {
    "train_data": ("Training problems", "Other problems"),
    "overlap": ("Check for overlap", "exact and normalised matches"),
    "retry_prompt": ("Retry prompt", "That was incorrect. Try again."),
    "tuning": ("Training", "lora"),
    "learning_rate": ("Learning rate", 2e-5),
}


def plain() -> dict[str, Any]:
    """The sound source as plain values."""
    rows: list[dict[str, Any]] = [
        {"id": name, "page": "runs", "at": "table", "of": key, "seed": seed, "base": base, "after": after, "gain": gain}
        for name, key, seed, base, after, gain in ROWS
    ]
    # Standard deviation 0.2 of three gains: ±0.5 is the t-interval, and it is called one.
    means = {"a": ("50.8", "+10.6", KEY), "b": ("45.6", "+5.4", CONTROL)}
    for arm, (after, gain, key) in means.items():
        row = {"id": f"{arm}-mean", "page": "runs", "at": "means", "of": key, "base": "40.2", "after": after}
        spread = {"mean_of": [f"{arm}-{seed}" for seed in (1, 2, 3)], "runs": 3, "plus_minus": "0.5"}
        rows.append({**row, "gain": gain, **spread, "plus_minus_is": "95% CI", "claims": ["k-1"]})
    rows.append({"id": "answer", "page": "faq", "at": "answer", "of": KEY, "gain": "+10.6", "claims": ["k-1"]})
    statement = {"page": "faq", "at": "answer"}
    return {
        "name": "A made-up source",
        "site": "nowhere",
        "pages": [
            {"id": "faq", "file": "faq.html", "kind": "faq", "read": "whole"},
            {"id": "runs", "file": "runs.html", "kind": "experiment", "read": "whole"},
        ],
        "benchmarks": [{"id": "bench", "name": "Bench", "problems": 500, "splits": ["train", "test"]}],
        "models": [{"role": "small", "name": "Model-1B", "billions": 1, "benchmark": "bench"}],
        "rows": rows,
        "counts": [
            {
                "id": "count-a",
                "page": "runs",
                "at": "text",
                "of": KEY,
                "retry_success": "50",
                "correct_retries": "1,100",
            },
            {"id": "count-b", "page": "runs", "at": "text", "of": KEY, "retry_success": "25", "correct_retries": "550"},
        ],
        "ratios": [
            {"id": "twice", **statement, "times": "2.0", "numerator": "a-mean", "denominator": "b-mean"},
        ],
        "statements": [
            {"id": "data", **statement, "kind": "disjoint", "says": "no overlap"},
            {"id": "signal", **statement, "kind": "signal", "says": "the signal helps", "rows": ["a-mean"]},
            {
                "id": "cause",
                **statement,
                "kind": "cause",
                "says": "retry helps",
                "rows": ["a-mean", "b-mean"],
                "factor": ["retry_prompt"],
            },
        ],
        "protocol": [
            {"setting": name, "label": label, "stated": [{"value": value, "page": "runs", "at": "configuration"}]}
            for name, (label, value) in SETTINGS.items()
        ],
    }


def changed(**changes: dict[str, Any]) -> Published:
    """The sound source with fields of entries changed, by the entry's id: ``changed(a_1={"after": "50.7"})``."""
    value = copy.deepcopy(plain())
    for name, fields in changes.items():
        (entry,) = [
            one
            for group in ("rows", "counts", "ratios", "statements", "models")
            for one in value[group]
            if one.get("id", one.get("role")) == name.replace("_", "-")
        ]
        entry.update(fields)
    return Published.model_validate(value)


def added(group: str, *entries: dict[str, Any]) -> Published:
    """The sound source with more entries in a group."""
    value = plain()
    value[group] = [*value[group], *entries]
    return Published.model_validate(value)


def faults(published: Published) -> list[Finding]:
    """The findings that call something wrong: not those that are in order, or only say how much a run can tell."""
    return [finding for finding in audit_sources(published) if finding.severity not in ("consistent", "limit")]
