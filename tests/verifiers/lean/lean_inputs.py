"""Random theorems with proofs, mutations of the proofs, and a check of one proof that shares no code with the verifier.

Used by the tests of this folder and by benchmarks/lean.py.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import tempfile
from pathlib import Path

from piretry.verifiers.lean import Toolchain

ATOMS = ("p", "q", "r", "s")


def _formula(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.4:
        return rng.choice(ATOMS)
    left, right = _formula(rng, depth - 1), _formula(rng, depth - 1)
    return rng.choice((f"(And {left} {right})", f"(Or {left} {right})", f"({left} → {right})"))


def _prove(rng: random.Random, facts: list[tuple[str, str]], depth: int) -> tuple[str, str]:
    """Return a formula and a proof of it from `facts` (formula, term)."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(facts)
    rule = rng.choice(("pair", "left", "right", "inl", "inr", "intro", "have", "show", "apply", "cases"))
    if rule == "pair":
        (a, s), (b, t) = _prove(rng, facts, depth - 1), _prove(rng, facts, depth - 1)
        return f"(And {a} {b})", f"(And.intro {s} {t})"
    if rule in ("left", "right"):
        (a, s), (b, t) = _prove(rng, facts, depth - 1), _prove(rng, facts, depth - 1)
        pair = f"(And.intro {s} {t})"
        return (a, f"{pair}.left") if rule == "left" else (b, f"{pair}.2")
    if rule in ("inl", "inr"):
        a, s = _prove(rng, facts, depth - 1)
        b = _formula(rng, 1)
        return (
            (f"(Or {a} {b})", f"(@Or.inl {a} {b} {s})")
            if rule == "inl"
            else (f"(Or {b} {a})", f"(@Or.inr {b} {a} {s})")
        )
    name = f"x{rng.randrange(1000)}"
    if rule == "intro":
        a = _formula(rng, 1)
        b, t = _prove(rng, [*facts, (a, name)], depth - 1)
        return f"({a} → {b})", f"(fun ({name} : {a}) => {t})"
    if rule == "apply":
        a, s = _prove(rng, facts, depth - 1)
        b, t = _prove(rng, [*facts, (a, name)], depth - 1)
        return b, f"((fun ({name} : {a}) => {t}) {s})"
    if rule == "cases":
        a, s = _prove(rng, facts, depth - 1)
        b = _formula(rng, 1)
        return (
            f"({b} → {a})",
            f"(fun (_ : {b}) => Or.elim (@Or.inl {a} {a} {s}) (fun {name} => {name}) (fun {name} => {name}))",
        )
    a, s = _prove(rng, facts, depth - 1)
    if rule == "show":
        return a, f"(show {a} from {s})"
    b, t = _prove(rng, [*facts, (a, name)], depth - 1)
    return b, f"(have {name} : {a} := {s}; {t})"


def theorem(seed: int) -> tuple[str, str]:
    """Return a random statement and a right proof of it."""
    rng = random.Random(seed)
    facts = [(_formula(rng, 2), f"h{number}") for number in range(rng.randint(1, 4))]
    goal, proof = _prove(rng, facts, rng.randint(1, 4))
    binders = " ".join(f"({name} : {formula})" for formula, name in facts)
    return f"theorem t ({' '.join(ATOMS)} : Prop) {binders} : {goal}", proof


_NASTY = (
    *(
        "sorry",
        "sorryAx",
        "axiom",
        "theorem u : False :=",
        "#print axioms",
        "#exit",
        "/-",
        "-/",
        "--",
        "\n",
        "\n\n",
        '"',
    ),
    *(
        "«",
        "»",
        "set_option",
        "unsafe",
        "open",
        "end",
        "by",
        "lcProof",
        "namespace X",
        "trivial",
        "@",
        "_",
        "fun",
        "=>",
    ),
    *("⟨", "⟩", "(", ")", ",", ";", ":", ":=", ".", ".left", ".1", "have", "show", "from", "let", "match", "with", "|"),
    *(
        "And.intro",
        "Or.inl",
        "Or.elim",
        "And.left",
        "Or.inr",
        "False.elim",
        "rfl",
        "id",
        "absurd",
        "h0",
        "h1",
        "h2",
        "p",
    ),
    *(
        "q",
        "And",
        "Or",
        "→",
        "True",
        "False",
        "\u200b",
        "\u202e",
        "ѕorry",
        "t",
        "Nat",
        "0",
        "theorem",
        "private",
        "instance",
    ),
)
_PIECE = re.compile(r"[A-Za-z_][\w.']*|\s+|:=|=>|.", re.S)


def mutate(statement: str, proof: str, seed: int) -> str:
    """Return `proof` with one to three random changes: tokens swapped, dropped, doubled, put in, replaced; cut off."""
    rng = random.Random(seed)
    names = re.findall(r"[A-Za-z_][\w.']*", statement) + re.findall(r"[A-Za-z_][\w.']*", proof)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        pieces = _PIECE.findall(proof) or [""]
        solid = [position for position, piece in enumerate(pieces) if piece.strip()] or [0]
        at = rng.choice(solid)
        change = rng.choice(
            ("drop", "double", "swap", "nasty", "insert", "rename", "rename", "rename", "cut", "wrap", "case")
        )
        if change == "drop":
            pieces[at] = ""
        elif change == "double":
            pieces[at] += " " + pieces[at]
        elif change == "swap":
            other = rng.choice(solid)
            pieces[at], pieces[other] = pieces[other], pieces[at]
        elif change == "nasty":
            pieces[at] = rng.choice(_NASTY)
        elif change == "insert":
            pieces.insert(at, f" {rng.choice(_NASTY)} ")
        elif change == "rename":
            words = [position for position in solid if pieces[position][:1].isalpha()] or [at]
            pieces[rng.choice(words)] = rng.choice(names)
        elif change == "cut":
            pieces = pieces[:at]
        elif change == "wrap":
            pieces = [
                rng.choice(("id (", "(fun x => x) (", "show _ from (", "@id _ (", "absurd (", "And.left (")),
                *pieces,
                ")",
            ]
        else:
            pieces[at] = pieces[at].swapcase()
        proof = "".join(pieces)
    return proof


def confirm(toolchain: Toolchain, library: Path, statement: str, proof: str) -> bool:
    """Whether Lean alone, in a process of its own, accepts the proof without any message but "no axioms".

    A completion may begin with ``:=``, as what follows a statement does.
    """
    proof = re.sub(r"^\s*:=", "", proof)
    with tempfile.TemporaryDirectory() as folder:
        name = "confirm_" + os.urandom(8).hex()
        text = statement.replace("theorem t ", f"theorem {name} ", 1) + f" := {proof}\n#print axioms {name}\n"
        Path(folder, "One.lean").write_text(text, encoding="utf-8")
        environment = {**toolchain.environment, "LEAN_PATH": str(library)}
        options = ["--json", "-Dlinter.unusedVariables=false"]
        done = subprocess.run(
            [*toolchain.command, *options, "One.lean"], cwd=folder, env=environment, capture_output=True
        )
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return done.returncode == 0 and [row["data"] for row in rows] == [f"'{name}' does not depend on any axioms"]


def mutated(number: int, seed: int) -> list[tuple[str, str]]:
    """Return `number` statements with mutated proofs; about one in ten keeps its right proof."""
    rng = random.Random(seed)
    pairs = []
    for index in range(number):
        statement, proof = theorem(rng.randrange(1 << 30))
        changed = proof if rng.random() < 0.1 else mutate(statement, proof, rng.randrange(1 << 30))
        pairs.append((statement, changed if index % 50 else ""))
    return pairs
