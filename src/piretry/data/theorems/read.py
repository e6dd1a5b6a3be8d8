"""Theorems of published datasets: rows with Lean text become problems, with the known proof where there is one.

A problem's `gold` is what the checker reads, a header and the statement; `problem` is what the prover is asked, the
words of the problem and the same Lean text in a block; `solution` is the proof alone, as it follows the statement's
``:=``, or None. Skeletons are made of that proof, so that a theorem without one has no skeleton.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from piretry.data.schema import Problem, content_id
from piretry.data.sources import Loader, Row, mapped_problems
from piretry.settings.data import FileDataset, HubDataset
from piretry.verifiers.lean.statement import Statement, parse_statement
from piretry.verifiers.lean.text import without_comments

# Of a large collection: what a prompt has room for beside two answers of 4,096 tokens, or a question and a skeleton
# (Lean has some 2.5 characters a token). A longer question is left out; a longer proof counts as not known.
MAX_QUESTION, MAX_PROOF = 6_000, 12_000
_THEOREM = re.compile(r"^[ \t]*(?:theorem|lemma)\s+[^\s({\[⦃:]+", re.M)
_ASSIGN = re.compile(r"\s*:=")
_GAP = re.compile(r"(?<![\w.'])(?:sorry|admit)(?![\w'])")
_MARKS = re.compile(r"\A\s*/-[-!]?|-/\s*\Z")
_OPEN_END = re.compile(r"\s*:=\s*(?:by)?\s*(?:sorry)?\s*\Z")


def theorem_loaders() -> dict[str, Loader]:
    """Format -> loader, of the formats that hold theorems."""
    return {"minif2f": minif2f, "numina-lean": numina_lean, "fields": mapped_problems}


def minif2f(rows: Iterable[Row], settings: HubDataset | FileDataset, dropped: Counter[str]) -> Iterator[Problem]:
    """Theorems of miniF2F in Lean 4, in the columns of DeepSeek-Prover-V1.5's file; rows of other splits are left out.

    Its columns are name, split, informal_prefix, formal_statement, goal and header, and formal_proof where proofs are
    known. The names are the ids.
    """
    for row in rows:
        if row.text("split") != settings.split:
            dropped["other_split"] += 1
            continue
        header, informal = row.text("header").rstrip(), row.maybe_text("informal_prefix").strip()
        text = without_proof(f"{header}\n\n{row.text('formal_statement').strip()}")
        if text is None or parse_statement(text) is None:
            dropped["no_open_theorem"] += 1
            continue
        known = _optional(row, "formal_proof")
        proof = known if known and not _gap(known) else None
        shown = f"{header}\n\n{informal}\n{text.removeprefix(header).strip()}" if informal else text
        question = asked(_MARKS.sub("", informal), shown)
        yield Problem(row.text("name"), question, text, proof, settings.name, settings.split)


def numina_lean(rows: Iterable[Row], settings: HubDataset | FileDataset, dropped: Counter[str]) -> Iterator[Problem]:
    """Theorems of NuminaMath-LEAN (hub id AI-MO/NuminaMath-LEAN), with a proof by a person or by a prover, or none.

    Columns that are read: formal_statement (a whole file that ends in ``sorry``), formal_ground_truth with
    ground_truth_type (``complete`` for a proof by a person), formal_proof (found by a prover), problem and source. A
    statement that stands in several rows is one problem, with the first proof that is known and not too long; the ids
    are made of the text, as the names repeat.
    """
    found: dict[str, Problem] = {}
    for row in rows:
        text = without_proof(row.maybe_text("formal_statement"))
        statement = parse_statement(text) if text is not None else None
        if text is None or statement is None:
            dropped["no_open_theorem"] += 1
            continue
        question = asked(_optional(row, "problem"), text)
        if len(question) > MAX_QUESTION:
            dropped["long_question"] += 1
            continue
        person = row.maybe_text("formal_ground_truth")
        known = (person if _optional(row, "ground_truth_type") == "complete" else "", _optional(row, "formal_proof"))
        proofs = (proof_of(statement, proof) for proof in known if proof)
        proof = next((one for one in proofs if one is not None and len(one) <= MAX_PROOF), None)
        name = content_id("numina-lean", text)
        if name not in found:
            source = _optional(row, "source") or settings.name
            found[name] = Problem(name, question, text, proof, source, settings.split)
            continue
        dropped["same_statement"] += 1
        if found[name].solution is None and proof is not None:
            kept = found[name]
            found[name] = Problem(kept.problem_id, kept.problem, kept.gold, proof, kept.source, kept.split)
    yield from found.values()


def asked(words: str, text: str) -> str:
    """What a prover is asked: the problem in words, where it is known, and the Lean text that it should complete.

    In the layout of Kimina-Prover's model card.
    """
    said = f"# Problem: {words.strip()}\n" if words.strip() else ""
    return f"{said}# Formal statement:\n```lean4\n{text.strip()}\n```"


def without_proof(text: str) -> str | None:
    """`text` up to the ``:= by`` that it ends in, without a ``sorry`` behind it; None when it ends in anything else."""
    end = _OPEN_END.search(without_comments(text))
    return f"{text[: end.start()].rstrip()} := by" if end else None


def proof_of(statement: Statement, text: str) -> str | None:
    """The proof of `statement` in a file that repeats it; None when there is no such theorem in it, or a gap.

    What the file declares before the theorem is not part of its proof: a proof that needs such lemmas is none here.
    """
    code = without_comments(text)
    theorems = list(_THEOREM.finditer(code))
    if not theorems or _gap(code):
        return None
    last = theorems[-1]
    end = statement.after_signature(code, last.end())
    assign = _ASSIGN.match(code, end) if end is not None else None
    if assign is None:
        return None
    proof = text[assign.end() :].strip()
    return proof or None


def statement_key(problem: Problem) -> str:
    """The statement of a theorem without its name, comments and white space: equal for theorems that are one text.

    Definitions before it count, `open` and limits do not.
    """
    statement = parse_statement(problem.gold)
    if statement is None:
        return "".join(problem.gold.split())
    before = statement.context if statement.defines else ""
    return "".join(f"{before} {statement.signature}".split())


def proofs_known(problems: Iterable[Problem]) -> dict[str, int]:
    """How many of `problems` have a known proof and how many have not: counters of a record."""
    known = [problem.solution is not None for problem in problems]
    return {"with_proof": sum(known), "without_proof": len(known) - sum(known)}


def _gap(text: str) -> bool:
    return _GAP.search(without_comments(text)) is not None


def _optional(row: Row, field: str) -> str:
    """The text in a column that some versions of a dataset lack."""
    return row.maybe_text(field) if field in row.values else ""
