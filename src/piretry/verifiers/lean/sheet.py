"""The check file: theorems under names that no candidate can guess, each followed by the question for its axioms.

Every theorem has its own range of lines, and Lean's messages are attributed to theorems by line alone. The first and
the last theorem are the checker's own: when the first answers, Lean has loaded its imports; when the last does, it has
read the whole file.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from piretry.verifiers.lean.messages import Message, parse_axioms
from piretry.verifiers.lean.statement import Statement
from piretry.verifiers.lean.text import indented


def random_name(prefix: str) -> str:
    """Return a new name: `prefix` and 96 random bits, always of one length, so that messages wrap alike."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(frozen=True)
class Entry:
    """A theorem to check: the header that it needs, its signature, and its proof (after ``:=``)."""

    header: str
    signature: str
    proof: str


@dataclass(frozen=True)
class Part:
    """One theorem of a check file: its name and its lines; the question for its axioms stands on `last`."""

    name: str
    first: int
    proof: int
    last: int

    def holds(self, message: Message) -> bool:
        """Whether the message is about a line of this theorem."""
        return self.first <= message.line <= self.last

    def axioms(self, messages: Sequence[Message]) -> tuple[str, ...] | None:
        """Return the axioms from the answer at the question's own place, or None when there is no such answer."""
        for message in messages:
            if message.line == self.last and message.column == 0:
                found = parse_axioms(message, self.name)
                if found is not None:
                    return found
        return None


@dataclass(frozen=True)
class Sheet:
    """A check file: its text, the checker's first theorem, those of the entries, and the checker's last."""

    text: str
    begin: Part
    parts: tuple[Part, ...]
    end: Part


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def add(self, text: str) -> int:
        """Append lines; return the number of the first of them."""
        first = len(self.lines) + 1
        self.lines += text.split("\n")
        return first

    def theorem(self, name: str, signature: str, proof: str) -> Part:
        first = self.add(f"theorem {name}{signature if signature[:1].isspace() else ' ' + signature} :=")
        start = self.add(indented(proof))
        return Part(name, first, start, self.add(f"#print axioms {name}"))

    def guard(self, prefix: str) -> Part:
        return self.theorem(random_name(prefix), "(p : Prop) (h : p) : p", "h")


def sheet(entries: Sequence[Entry]) -> Sheet:
    """Return the check file of `entries`, which share their header."""
    assert len({entry.header for entry in entries}) == 1
    writer = _Writer()
    if entries[0].header.strip():
        writer.add(entries[0].header)
    begin = writer.guard("begin")
    parts = tuple(writer.theorem(random_name("t"), entry.signature, entry.proof) for entry in entries)
    end = writer.guard("end")
    return Sheet(writer.text, begin, parts, end)


@dataclass(frozen=True)
class Module:
    """A module of a file that is checked in several: its random name, its text, and the theorem that is asked about.

    `offset` is the line before the candidate's first.
    """

    name: str
    text: str
    part: Part
    offset: int = 0


@dataclass(frozen=True)
class Ground:
    """What a statement's candidates stand on.

    `loads` are the imports that they begin with; `base` is the (name, text) of the module that holds the header where
    that defines something; `statement` holds the problem's theorem, unproved, elaborated where no candidate can reach
    it. Candidates do not import it: a search through the library must not find the unproved theorem.
    """

    loads: str
    base: tuple[str, str] | None
    statement: Module


def ground(statement: Statement) -> Ground:
    """Return the modules that belong to the statement alone."""
    loads = "\n".join(f"import {module}" for module in statement.imports)
    base = None
    if statement.defines:
        base = (random_name("Base"), statement.header + "\n")
        loads = f"import {base[0]}"
    writer = _Writer()
    writer.add(f"{loads}\n{statement.opens}")
    target = writer.theorem(random_name("target"), statement.signature, "sorry")
    return Ground(loads, base, Module(random_name("Statement"), writer.text, target))


def candidate_module(own: Ground, opens: str, text: str) -> Module:
    """Return the module with the candidate's file `text`, behind the lines that set the scene."""
    writer = _Writer()
    writer.add(own.loads)
    begin = writer.guard("begin")
    writer.add(opens)
    offset = writer.add(text) - 1
    return Module(random_name("Candidate"), writer.text, begin, offset)


def check_module(own: Ground, candidate: Module, theorem: str) -> Module:
    """Return the module that asks whether the candidate's `theorem` has the type of the statement."""
    writer = _Writer()
    writer.add(f"import {own.statement.name}\nimport {candidate.name}")
    verdict = writer.theorem(random_name("verdict"), f": type_of% @{own.statement.part.name}", f"@{theorem}")
    return Module(random_name("Check"), writer.text, verdict)
