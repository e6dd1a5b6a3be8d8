"""Labelled completions for the Lean verifier: proofs, failures and attacks, each with the verdict it must get.

cases.jsonl has one case a line: `id`, `kind`, `proofs` (``term`` or ``file``), `gold` (the problem's Lean text),
`completion`, perhaps its `finish_reason`, `label` and perhaps a `note`. All of them can be judged by the kernel
without a library. `generated_cases` adds cases that are too long or too many to write down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from piretry.errors import PiretryError
from piretry.verifiers.base import GradeRequest, Verdict

_KEYS = {"id", "kind", "proofs", "gold", "completion", "label"}


@dataclass(frozen=True)
class Case:
    """One labelled completion; `proofs` says how the verifier must read it."""

    request: GradeRequest
    label: Verdict
    kind: str
    proofs: str
    note: str = ""


def load_cases() -> tuple[Case, ...]:
    """Return the cases of cases.jsonl, which is part of the package, and those of `generated_cases`."""
    text = files("piretry.verifiers.lean").joinpath("cases.jsonl").read_text(encoding="utf-8")
    written = tuple(_case(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return (*written, *generated_cases())


def _case(line: str, number: int) -> Case:
    row = json.loads(line)
    if missing := _KEYS - row.keys():
        raise PiretryError(f"cases.jsonl, line {number}: the keys {', '.join(sorted(missing))} are missing.")
    request = GradeRequest(row["id"], row["gold"], row["completion"], row.get("finish_reason", "stop"))
    return Case(request, Verdict(row["label"]), row["kind"], row["proofs"], row.get("note", ""))


_SWAP = "theorem t (p q : Prop) (h : And p q) : And q p"


def generated_cases() -> Iterator[Case]:
    """Yield cases that are built: long and deep terms, chains of implications, an endless one, odd characters."""

    def case(name: str, kind: str, gold: str, completion: str, label: Verdict, proofs: str = "term") -> Case:
        return Case(GradeRequest(name, gold, completion), label, kind, proofs)

    pair = "And.intro h.right h.left"
    for depth, label in (
        (50, Verdict.correct),
        (150, Verdict.correct),
        (400, Verdict.banned),
        (50_000, Verdict.banned),
    ):
        yield case(f"deep-{depth}", "huge term", _SWAP, "(" * depth + pair + ")" * depth, label)
    for length, label in ((200, Verdict.correct), (1000, Verdict.banned)):
        steps = "".join(f"have x{number} : q := h.right\n" for number in range(length))
        yield case(f"long-{length}", "huge term", _SWAP, steps + pair, label)
    yield case("unfinished-deep", "huge term", _SWAP, "(" * 190, Verdict.wrong)
    for length in (2, 10, 40):
        binders = " ".join(f"(h{number} : p{number} → p{number + 1})" for number in range(length))
        names = " ".join(f"p{number}" for number in range(length + 1))
        gold = f"theorem chain ({names} : Prop) {binders} (start : p0) : p{length}"
        proof = "start"
        for number in range(length):
            proof = f"h{number} ({proof})"
        yield case(f"chain-{length}", "right", gold, proof, Verdict.correct)
        yield case(f"chain-short-{length}", "wrong", gold, proof.partition(" ")[2], Verdict.wrong)
    yield case("endless", "endless elaboration", "theorem t (p : Prop) (h : p) : p", endless_term(), Verdict.timeout)
    hidden = {"zero-width": "\u200b", "right-to-left": "\u202e", "no-break": "\u00a0", "bom": "\ufeff", "null": "\x00",
              "tag": "\U000e0073", "line-separator": "\u2028", "delete": "\x7f"}  # fmt: skip
    for name, character in hidden.items():
        yield case(f"character-{name}", "unicode", _SWAP, f"And.intro h.right{character} h.left", Verdict.banned)
        text = f"{_SWAP} := And.intro h.right{character} h.left"
        yield case(f"character-{name}-file", "unicode", _SWAP, text, Verdict.banned, "file")


def endless_term() -> str:
    """Return a short term whose type check needs more steps than any machine has.

    Nine (as a numeral of Church) applied to two is two to the power of two, nine times over, applied to six: so often
    would the identity have to be applied before the type is seen to be ``p``.
    """
    type_ = "Prop"
    for _ in range(4):
        type_ = f"({type_} → {type_})"

    def numeral(value: int) -> str:
        return "(fun f x => " + "f (" * value + "x" + ")" * value + ")"

    return f"show (fun n : {type_} => n {numeral(2)} {numeral(6)} (fun x => x) p) {numeral(9)} from h"
