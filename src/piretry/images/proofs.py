"""Whether a Lake project's Lean tells proofs from what is none: `piretry image proofs`, the test of the Lean image.

A Lean that refuses everything (a module that is missing, an option that it does not know) would look like a prover
that proves nothing. So a proof, a text that is none, and a gap are checked as a job would check them, and with Mathlib,
where the project has it, one of each in its own tactics.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from piretry.errors import PiretryError
from piretry.verifiers.base import GradeRequest, Verdict
from piretry.verifiers.lean.toolchain import Toolchain, lake_toolchain
from piretry.verifiers.lean.verifier import LeanVerifier

_TIMEOUT_S = 300.0
_SWAP = "theorem swap (p q : Prop) (h : And p q) : And q p"
_SQUARE = "import Mathlib\n\nopen Real\n\ntheorem square (x : ℝ) (h : 0 < x) : 0 < x ^ 2 := by"


@dataclass(frozen=True)
class Case:
    """A completion for a statement, and the verdict that it must get."""

    statement: str
    completion: str
    verdict: Verdict


PLAIN = (
    Case(_SWAP, ":= ⟨h.2, h.1⟩", Verdict.correct),
    Case(_SWAP, ":= ⟨h.1, h.2⟩", Verdict.wrong),
    Case(_SWAP, ":= sorry", Verdict.sorry),
)
MATHLIB = (
    Case(_SQUARE, "  positivity", Verdict.correct),
    Case(_SQUARE, "  exact h", Verdict.wrong),
    Case(_SQUARE, "  sorry", Verdict.sorry),
)


def try_proofs(project: Path) -> Iterator[str]:
    """Check the cases with the Lean of `project`, and say what it is, how it is caged and what it found.

    Raises PiretryError where a verdict is another than it must be: with such a Lean no proof may be judged.
    """
    toolchain = lake_toolchain(project)
    cases = (*PLAIN, *(MATHLIB if has_mathlib(toolchain) else ()))
    yield f"{toolchain.identity}; {'with' if len(cases) > len(PLAIN) else 'without'} Mathlib"
    requests = [GradeRequest(str(number), case.statement, case.completion) for number, case in enumerate(cases)]
    with LeanVerifier(toolchain, proofs="file", timeout_s=_TIMEOUT_S) as verifier:
        yield f"sandbox: {verifier.sandbox}"
        grades = verifier.grade(requests)
    for case, grade in zip(cases, grades, strict=True):
        if grade.verdict is not case.verdict:
            raise PiretryError(
                f"The Lean of {project} judges wrongly: {case.completion.strip()!r} as a proof of "
                f"{case.statement.splitlines()[-1]!r} is {grade.verdict.value}, but must be {case.verdict.value} "
                f"({grade.message or 'no message'}). The project is not built, or its Lean does not fit this verifier."
            )
    yield f"{len(cases)} of {len(cases)} verdicts as they must be"


def has_mathlib(toolchain: Toolchain) -> bool:
    """Whether a compiled Mathlib lies where the project's Lean looks for modules."""
    places = toolchain.environment.get("LEAN_PATH", "").split(os.pathsep)
    return any((Path(place) / "Mathlib.olean").is_file() for place in places if place)
