"""The grader: its verdicts on all completions, where a second, simpler opinion differs, and its labelled trap table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from piretry.grid.names import PROVER
from piretry.report.completions import CompletionsFile, Group
from piretry.report.results import Results

VERDICTS = ("correct", "wrong", "no_answer", "gold_unparseable", "timeout", "error")
OF_PROOFS = ("sorry", "banned", "axiom")  # shown where a run has proofs
_KINDS = {
    "attempts": "First attempts",
    "retries": "Retries",
    "repeats": "Repeats of successful retries",
    "resamples": "Fresh attempts",
    "eval": "Evaluations",
}


@dataclass(frozen=True)
class Line:
    """Completions of one kind of table: their number, verdicts, and disputes in either direction."""

    name: str
    total: int
    verdicts: dict[str, int]
    only_first: int
    only_second: int

    @property
    def disputed(self) -> int:
        """Completions that exactly one of the two opinions calls correct."""
        return self.only_first + self.only_second


def view(results: Results) -> dict[str, Any]:
    """A line for each kind of table and one for all of them; the tables with the most disputes; the trap table."""
    kinds: dict[str, list[CompletionsFile]] = {}
    proofs = [file for file in results.files.values() if file.name.state.role == PROVER]
    answers = [file for file in results.files.values() if file.name.state.role != PROVER]
    for file in answers:
        kinds.setdefault(file.name.kind, []).append(file)
    lines = [_line(title, kinds[kind]) for kind, title in _KINDS.items() if kind in kinds]
    # The second opinion on proofs is the heuristic verifier, which is meant to be worse: a claim is about that.
    worst = sorted(answers, key=lambda file: (-_disputed(file), file.path))
    return {
        "verdicts": (*VERDICTS, *(OF_PROOFS if proofs else ())),
        "lines": lines,
        "all": _line("All answers", answers),
        "proofs": _line("Proofs, by the type checker and the heuristic verifier", proofs) if proofs else None,
        "worst": [(file.path, _disputed(file), file.rows()) for file in worst[:5] if _disputed(file)],
        "verifiers": sorted({version for file in results.files.values() for version in file.verifiers}),
        "traps": _traps(),
    }


def _traps() -> dict[str, Any]:
    """The grader of this environment on the labelled traps: its error rates and the cases that it gets wrong."""
    from piretry.verifiers.math import MathVerifier
    from piretry.verifiers.traps import grade_traps, load_traps, rate

    traps = load_traps()
    with MathVerifier() as verifier:
        grades = grade_traps(verifier)
        version = verifier.version
    mistaken = [
        (trap, grade)
        for trap, grade in zip(traps, grades, strict=True)
        if (trap.label == "correct") != (grade.verdict == "correct")
    ]
    return {"rate": rate(traps, [grade.verdict for grade in grades]), "mistaken": mistaken, "version": version}


def _disputed(file: CompletionsFile) -> int:
    return file.rows(lambda group: group.disputed)


def _line(name: str, files: Iterable[CompletionsFile]) -> Line:
    groups: list[Group] = [group for file in files for group in file.groups]
    verdicts: Counter[str] = Counter()
    for group in groups:
        verdicts[group.verdict] += group.rows
    return Line(
        name,
        sum(group.rows for group in groups),
        dict(verdicts),
        sum(group.rows for group in groups if group.disputed and group.correct),
        sum(group.rows for group in groups if group.disputed and not group.correct),
    )
