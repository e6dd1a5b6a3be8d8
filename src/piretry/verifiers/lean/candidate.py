"""From a completion to what will be checked: a proof for the checker's own theorem, or a whole file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean.refusal import Refusal, Way, declares, judge_term, refuse_text
from piretry.verifiers.lean.statement import Statement
from piretry.verifiers.lean.text import indented, without_comments

_THEOREM = re.compile(r"^[ \t]*(?:theorem|lemma)\s+(?P<name>[^\s({\[⦃:]+)", re.M)
_ASSIGN = re.compile(r"\s*:=")
_BY = re.compile(r"\s*by(?![\w'])")


class Kind(Enum):
    """How a candidate is checked."""

    term = "term"  # in the checker's own theorem, with others in one process
    shown = "shown"  # the same, but apart, for the error message; never accepted
    tactics = "tactics"  # in the checker's own theorem, alone
    file = "file"  # in modules of its own
    refused = "refused"


@dataclass(frozen=True)
class Candidate:
    """What Lean will be given: a proof (after ``:=``) or a file, without comments; `refusal` when it will not."""

    kind: Kind
    text: str
    refusal: Refusal | None = None


def term_candidate(statement: Statement, answer: str) -> Candidate:
    """Read an answer that must be one proof term, alone or behind the statement and ``:=``."""
    code = without_comments(answer)
    own = _own_proof(statement, code)
    if own is None and _THEOREM.search(code):
        return _refused(Verdict.wrong, "The completion states something else than the theorem.")
    term = (own if own is not None else _ASSIGN.sub("", code, count=1) if _ASSIGN.match(code) else code).rstrip()
    if not term.strip():
        return _refused(Verdict.wrong, "The proof is empty.")
    way, refusal = judge_term(statement, term)
    if refusal is not None:
        return Candidate(Kind.refused, term, refusal)
    return Candidate(Kind.term if way is Way.accept else Kind.shown, term.strip("\n"))


def file_candidate(statement: Statement, answer: str) -> Candidate:
    """Read an answer in full Lean: a whole file, or what follows the statement.

    A file that has nothing but the statement, as it is given, and a proof without commands is placed in the checker's
    own theorem, too. An answer without a theorem is the proof itself: what follows the problem's ``by``, or ``:=``.
    """
    code = without_comments(answer)
    if statement.header.strip() and code.lstrip().startswith(statement.header.strip()):
        at = code.index(statement.header.strip())
        lines = statement.header.strip().count("\n")
        code = code[:at] + "\n" * lines + code[at + len(statement.header.strip()) :]
    proof = _own_proof(statement, code)
    if proof is None and not declares(code):
        assign = _ASSIGN.match(code)
        proof = code[assign.end() :] if assign else code
        if statement.tactics and not assign and not _BY.match(proof):
            proof = "by\n" + indented(proof.strip("\n"))
    if proof is not None and not declares(proof):
        if not _BY.sub("", proof, count=1).strip():
            return _refused(Verdict.wrong, "The proof is empty.")
        refusal = refuse_text(statement, proof, body=True)
        return Candidate(Kind.refused if refusal else Kind.tactics, proof.strip("\n"), refusal)
    refusal = refuse_text(statement, code, body=False)
    return Candidate(Kind.refused if refusal else Kind.file, code, refusal)


def _own_proof(statement: Statement, code: str) -> str | None:
    """The proof in `code` if that is nothing but the statement, ``:=`` and the proof; else None."""
    found = _THEOREM.search(code)
    if found is None or found["name"] != statement.name or _without_scene(code[: found.start()]).strip():
        return None
    end = statement.after_signature(code, found.end())
    assign = _ASSIGN.match(code, end) if end is not None else None
    return code[assign.end() :] if assign else None


_SCENE = re.compile(
    r"^[ \t]*(?:import[ \t]+\S+[ \t]*$|set_option[ \t]+(?:maxHeartbeats|maxRecDepth)[ \t]+\d+[ \t]*$)", re.M
)


def _without_scene(text: str) -> str:
    """`text` without imports and limits, which the checker's own header gives."""
    return _SCENE.sub("", text)


def _refused(verdict: Verdict, reason: str) -> Candidate:
    return Candidate(Kind.refused, "", Refusal(verdict, reason))
