"""What every verifier shares: the verdicts, the request, the grade and the interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self


class Verdict(StrEnum):
    """What a verifier says about one completion; never a bare boolean.

    Only `correct` counts as a success. `gold_unparseable` is a fault of the data and `timeout` and `error`
    are faults of the grading: they are kept apart from `wrong`, so that they can be counted. The last three are
    those of proofs: one that leaves a gap, one that is refused by its text, one that rests on an axiom of its own.
    """

    correct = "correct"
    wrong = "wrong"
    no_answer = "no_answer"
    gold_unparseable = "gold_unparseable"
    timeout = "timeout"
    error = "error"
    sorry = "sorry"
    banned = "banned"
    axiom = "axiom"


@dataclass(frozen=True)
class GradeRequest:
    """One completion to grade.

    `gold` is the reference answer without delimiters (`\\frac{1}{2}`); `completion` is the whole text that
    the model wrote; `finish_reason` is the engine's word for why it ended, and only ``"stop"`` is a normal
    end.
    """

    id: str
    gold: str
    completion: str
    finish_reason: str = "stop"


@dataclass(frozen=True)
class Grade:
    """The verdict on one request.

    `answer` is the text that was compared (None when the completion has none), `verifier` names the versions
    that decided, and `second_opinion` is the verdict of an independent, simpler comparison. `message` is what the
    verifier has to say about a failure, bounded and fit for a prompt; empty where there is nothing to say.
    """

    id: str
    answer: str | None
    verdict: Verdict
    verifier: str
    second_opinion: Verdict
    message: str = ""

    @property
    def disagreement(self) -> bool:
        """Whether exactly one of the two opinions calls the answer correct."""
        return (self.verdict is Verdict.correct) != (self.second_opinion is Verdict.correct)


class Verifier(Protocol):
    """A grader of completions; a context manager, because it may own processes."""

    @property
    def version(self) -> str:
        """The versions of everything that can change a verdict, as stored beside each verdict."""
        ...

    def grade(self, requests: Sequence[GradeRequest]) -> list[Grade]:
        """Grade all `requests`; the result has one grade for each, in the same order."""
        ...

    def close(self) -> None:
        """End every process that the verifier started; calling it twice is harmless."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
