"""Proof terms and blocks of tactics, each placed in the checker's own theorem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from piretry.errors import PiretryError
from piretry.verifiers.base import Verdict
from piretry.verifiers.lean.batch import Bench, Checked, check_entries
from piretry.verifiers.lean.messages import ALLOWED_AXIOMS, SORRY_AXIOM
from piretry.verifiers.lean.sheet import Entry


@dataclass(frozen=True)
class Finding:
    """A verdict and the text that goes with it: the compiler's errors or the reason of a refusal."""

    verdict: Verdict
    message: str = ""


def check_statements(bench: Bench, entries: Sequence[Entry], most: int) -> list[Finding]:
    """Say of each statement, given with the proof ``sorry``, whether it elaborates: `correct` or `gold_unparseable`.

    Raises PiretryError when Lean cannot load the modules of a header: nothing can be checked then.
    """
    found = []
    for entry, checked in zip(entries, check_entries(bench, entries, most), strict=True):
        if checked.failed == "header":
            raise PiretryError(
                f"Lean does not get as far as the first theorem: {checked.text or 'it says nothing'}. Either a module "
                f"of the header is missing ({entry.header.strip()[:200]!r}): build the project that has it, and name "
                f"that. Or `memory_mb` ({bench.limits.memory_mb}) is too little address space for Lean and the modules."
            )
        if checked.failed is not None:
            found.append(failure(checked))
        elif not checked.errors and checked.sorry and checked.axioms == (SORRY_AXIOM,):
            found.append(Finding(Verdict.correct))
        else:
            found.append(Finding(Verdict.gold_unparseable, checked.text))
    return found


def check_proofs(bench: Bench, entries: Sequence[Entry], most: int) -> list[Finding]:
    """Decide on each proof.

    A proof is accepted only out of a file in which nothing at all went wrong. So those that look right beside wrong
    ones are checked again among themselves, and, should something go wrong there, one at a time.
    """
    findings: dict[int, Finding] = {}
    open_ = list(range(len(entries)))
    for size in (most, most, 1):
        checks = check_entries(bench, [entries[index] for index in open_], size)
        unsettled = []
        for index, checked in zip(open_, checks, strict=True):
            finding = _settle(checked, alone=size == 1)
            if finding is None:
                unsettled.append(index)
            else:
                findings[index] = finding
        open_ = unsettled
        if not open_:
            break
    return [findings[index] for index in range(len(entries))]


def _settle(checked: Checked, *, alone: bool) -> Finding | None:
    """The finding, or None when the proof must be checked again in better company."""
    if checked.failed is not None:
        return failure(checked)
    if checked.errors:
        return Finding(Verdict.wrong, checked.text)
    if checked.axioms is None:
        return Finding(Verdict.wrong, checked.text or "The proof does not end where it should.") if alone else None
    if checked.sorry or SORRY_AXIOM in checked.axioms:
        return Finding(Verdict.sorry, "The proof depends on sorry.")
    if foreign := sorted(set(checked.axioms) - ALLOWED_AXIOMS):
        return Finding(Verdict.axiom, f"The proof depends on the axioms {', '.join(foreign)}.")
    if checked.clean:
        return Finding(Verdict.correct)
    return Finding(Verdict.error, "Lean reported a problem outside the proof.") if alone else None


def failure(checked: Checked) -> Finding:
    """The finding on a theorem that could not be checked to the end."""
    if checked.failed == "timeout":
        return Finding(Verdict.timeout, checked.text or "Lean did not finish within the time limit.")
    return Finding(Verdict.error, checked.text or "Lean ended before it had read the file (memory or stack).")
