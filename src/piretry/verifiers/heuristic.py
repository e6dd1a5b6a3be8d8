"""The heuristic verifier of Lean proofs: what people use when no checker is at hand, and how often it errs.

It looks at the text alone: is there a proof, is it finished, are its brackets balanced, does it avoid sorry and the
words of cheating, does it speak of this theorem? It knows nothing of types, so a proof that applies the wrong
hypothesis passes. `disagreement` counts this against the verdicts of a type checker.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from piretry.verifiers.base import Grade, GradeRequest, Verdict
from piretry.verifiers.lean import shape
from piretry.verifiers.lean.shape import judge_by_shape
from piretry.verifiers.lean.text import answer_text

_UNDECIDED = (Verdict.timeout, Verdict.error, Verdict.gold_unparseable)


@cache
def _digest() -> str:
    return hashlib.sha256(Path(shape.__file__).read_bytes()).hexdigest()[:8]


class HeuristicVerifier:
    """Grade completions by their shape alone; the `second_opinion` repeats the verdict, since there is no other."""

    @property
    def version(self) -> str:
        """The digest of the rules."""
        return f"shape {_digest()}"

    def grade(self, requests: Sequence[GradeRequest]) -> list[Grade]:
        """Grade all `requests`; the result has one grade for each, in the same order."""
        grades = []
        for request in requests:
            answer = answer_text(request.completion, request.finish_reason)
            opinion = judge_by_shape(request.gold, answer)
            message = f"The proof is not {', '.join(opinion.broken)}." if opinion.verdict is Verdict.wrong else ""
            grades.append(Grade(request.id, answer, opinion.verdict, self.version, opinion.verdict, message))
        return grades

    def close(self) -> None:
        """Nothing to end: there are no processes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Disagreement:
    """The heuristic verifier against the type checker, proof by proof.

    `counts` has the number of proofs for each (heuristic verdict, checker's verdict). The four cells and the rates
    leave out what the checker did not decide (`undecided`: timeout, error, faulty statement).
    """

    counts: Mapping[tuple[Verdict, Verdict], int]

    def _sum(self, heuristic: bool, checker: bool) -> int:
        return sum(
            number
            for (first, second), number in self.counts.items()
            if second not in _UNDECIDED
            and (first is Verdict.correct) is heuristic
            and (second is Verdict.correct) is checker
        )

    @property
    def both(self) -> int:
        """Proofs that both accept."""
        return self._sum(True, True)

    @property
    def heuristic_only(self) -> int:
        """Proofs that only the heuristic accepts: its false acceptances."""
        return self._sum(True, False)

    @property
    def checker_only(self) -> int:
        """Proofs that only the checker accepts: the heuristic's false refusals."""
        return self._sum(False, True)

    @property
    def neither(self) -> int:
        """Proofs that both refuse."""
        return self._sum(False, False)

    @property
    def decided(self) -> int:
        """Proofs that the checker decided."""
        return self.both + self.heuristic_only + self.checker_only + self.neither

    @property
    def undecided(self) -> int:
        """Proofs that the checker did not decide."""
        return sum(self.counts.values()) - self.decided

    @property
    def agreement(self) -> float | None:
        """Share of the decided proofs on which the two agree; None without any."""
        return _share(self.both + self.neither, self.decided)

    @property
    def false_accept_rate(self) -> float | None:
        """Share of the proofs that the checker refuses that the heuristic accepts."""
        return _share(self.heuristic_only, self.heuristic_only + self.neither)

    @property
    def false_reject_rate(self) -> float | None:
        """Share of the proofs that the checker accepts that the heuristic refuses."""
        return _share(self.checker_only, self.checker_only + self.both)

    @property
    def precision(self) -> float | None:
        """Share of the proofs that the heuristic accepts that are proofs: what a model trained on them would see."""
        return _share(self.both, self.both + self.heuristic_only)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond what the two acceptance rates alone would give; None where undefined."""
        n = self.decided
        if not n:
            return None
        first, second = (self.both + self.heuristic_only) / n, (self.both + self.checker_only) / n
        chance = first * second + (1 - first) * (1 - second)
        observed = (self.both + self.neither) / n
        return (observed - chance) / (1 - chance) if chance < 1 else None

    def rows(self) -> list[dict[str, str | int]]:
        """Return the full table, one row for each pair of verdicts that occurs, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            {"heuristic": str(first), "checker": str(second), "proofs": number} for (first, second), number in ordered
        ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def disagreement(pairs: Iterable[tuple[Verdict, Verdict]]) -> Disagreement:
    """Count pairs (heuristic verdict, checker's verdict)."""
    return Disagreement(dict(Counter(pairs)))


def disagreement_of(grades: Iterable[Grade]) -> Disagreement:
    """Count the grades of a LeanVerifier, whose `second_opinion` is the heuristic's."""
    return disagreement((grade.second_opinion, grade.verdict) for grade in grades)
