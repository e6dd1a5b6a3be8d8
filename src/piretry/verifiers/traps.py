"""The trap table, labelled answers that graders get wrong, and the grader's error rate on it.

traps.jsonl has one case a line: `id`, `kind`, `gold`, `answer` (or a whole `completion`, with its
`finish_reason`), `label` (the right verdict), `source` and perhaps a `note`. A case that the grader gets
wrong carries in `graded` the verdict that it gives: a known error, which stays in the table and counts. The
rates are those of a collection of hard cases, not of what a model writes: they bound what is known about the
grader, they do not estimate its effect on a score.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from piretry.errors import PiretryError
from piretry.verifiers.base import Grade, GradeRequest, Verdict, Verifier

_KEYS = {"id", "kind", "gold", "label", "source"}


@dataclass(frozen=True)
class Trap:
    """One labelled case; `graded` is the verdict of a known error, None where the grader is right."""

    request: GradeRequest
    label: Verdict
    kind: str
    source: str
    note: str = ""
    graded: Verdict | None = None


@dataclass(frozen=True)
class ErrorRate:
    """Errors on the trap table: a false positive is `correct` on a case whose label is another verdict.

    `wrong_kind` holds the ids of cases that are refused rightly but under another name (`wrong` for
    `timeout`).
    """

    cases: int
    positives: int
    false_positives: tuple[str, ...]
    false_negatives: tuple[str, ...]
    wrong_kind: tuple[str, ...]

    @property
    def negatives(self) -> int:
        """How many cases must not be called correct."""
        return self.cases - self.positives

    @property
    def false_positive_rate(self) -> float:
        """False positives as a share of the cases that must not be called correct."""
        return len(self.false_positives) / self.negatives if self.negatives else 0.0

    @property
    def false_negative_rate(self) -> float:
        """False negatives as a share of the cases that are correct."""
        return len(self.false_negatives) / self.positives if self.positives else 0.0

    def __str__(self) -> str:
        return (
            f"{self.cases} cases: {len(self.false_positives)} of {self.negatives} wrong ones pass "
            f"({self.false_positive_rate:.1%}), {len(self.false_negatives)} of {self.positives} correct ones fail "
            f"({self.false_negative_rate:.1%})"
        )


def load_traps() -> tuple[Trap, ...]:
    """Return the cases of traps.jsonl, which is part of the package."""
    text = files("piretry.verifiers").joinpath("traps.jsonl").read_text(encoding="utf-8")
    return tuple(_trap(line, number) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _trap(line: str, number: int) -> Trap:
    row = json.loads(line)
    missing = _KEYS - row.keys()
    if missing or ("answer" in row) == ("completion" in row):
        raise PiretryError(
            f"traps.jsonl, line {number}: a case needs {', '.join(sorted(_KEYS))} and either `answer` or `completion`; "
            f"missing: {', '.join(sorted(missing)) or 'none'}."
        )
    completion = row.get("completion", f"The answer is \\boxed{{{row.get('answer')}}}.")
    request = GradeRequest(row["id"], row["gold"], completion, row.get("finish_reason", "stop"))
    graded = Verdict(row["graded"]) if "graded" in row else None
    return Trap(request, Verdict(row["label"]), row["kind"], row["source"], row.get("note", ""), graded)


def rate(traps: Sequence[Trap], verdicts: Sequence[Verdict]) -> ErrorRate:
    """Count the errors of `verdicts`, one for each of `traps`."""
    pairs = [(trap, verdict) for trap, verdict in zip(traps, verdicts, strict=True) if trap.label != verdict]
    return ErrorRate(
        cases=len(traps),
        positives=sum(trap.label is Verdict.correct for trap in traps),
        false_positives=tuple(trap.request.id for trap, verdict in pairs if verdict is Verdict.correct),
        false_negatives=tuple(trap.request.id for trap, _ in pairs if trap.label is Verdict.correct),
        wrong_kind=tuple(trap.request.id for trap, verdict in pairs if Verdict.correct not in (trap.label, verdict)),
    )


def grade_traps(verifier: Verifier) -> list[Grade]:
    """Grade the trap table, in its order."""
    return verifier.grade([trap.request for trap in load_traps()])


def error_rate(verifier: Verifier | None = None) -> ErrorRate:
    """Return the error rate of `verifier` (a new MathVerifier by default) on the trap table."""
    if verifier is not None:
        return rate(load_traps(), [grade.verdict for grade in grade_traps(verifier)])
    from piretry.verifiers.math import MathVerifier

    with MathVerifier() as own:
        return error_rate(own)
