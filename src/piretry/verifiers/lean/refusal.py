"""What is refused by its text, before Lean sees it, and what a term may consist of to be accepted.

There are two regimes (docs/lean.md gives the reasons):

* A *term* is accepted only if every token is on a list: names of the library that proofs need, names of the
  statement, names that the term binds itself, and a few words and symbols. What is not on the list but does no
  harm, such as an unknown name, is still shown to Lean, for its error message, but apart from the others and never
  accepted.
* A *text*, that is tactics or a whole file, must not contain any of the words and symbols that can change what the
  checker's own lines mean, switch off a check, or run code while Lean elaborates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from importlib.resources import files

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean import words
from piretry.verifiers.lean.statement import Statement
from piretry.verifiers.lean.text import depth, is_identifier, odd_character, tokens

#: Longer candidates are refused unread: a term for one of the mini prover's theorems has some 100 characters, and the
#: longest proof that the authors of Kimina-Prover sampled for miniF2F some 20,000.
MAX_TERM_CHARS, MAX_TEXT_CHARS = 10_000, 100_000
#: Brackets nested deeper than this can exhaust the stack of Lean's parser, which ends the process.
MAX_DEPTH = 200


class Way(Enum):
    """What may be done with a term."""

    accept = "accept"  # every token is on the list
    show = "show"  # may be shown to Lean for its error message, never accepted
    refuse = "refuse"


@dataclass(frozen=True)
class Refusal:
    """A verdict without elaboration (`banned`, `sorry`) and the sentence that says why."""

    verdict: Verdict
    reason: str


@cache
def prelude_names() -> frozenset[str]:
    """Return every name that our own library declares, with the heads of dotted ones."""
    text = files("piretry.verifiers.lean").joinpath("prelude.lean").read_text(encoding="utf-8")
    pattern = (
        r"^(?:noncomputable )?(?:unsafe )?(?:axiom|inductive|structure|class|instance|def|abbrev|theorem) ([\w.]+)"
    )
    found = re.findall(pattern, text, re.M)
    return frozenset(found) | {name.partition(".")[0] for name in found} | {"Lean"}


def _size(text: str, most: int) -> Refusal | None:
    if len(text) > most:
        return Refusal(Verdict.banned, f"The proof has {len(text)} characters; at most {most} are read.")
    if (name := odd_character(text)) is not None:
        return Refusal(Verdict.banned, f"The proof contains the character {name}.")
    if depth(text) > MAX_DEPTH:
        return Refusal(Verdict.banned, f"The proof nests brackets deeper than {MAX_DEPTH}.")
    return None


def _bound(found: list[str]) -> set[str]:
    """Names in the places where a term can bind them; a type that stands there may add names that do no harm.

    Lean's own words are not among them, nor names of the library, nor what follows only from a colon somewhere.
    """
    bound: set[str] = set()
    for position, token in enumerate(found):
        if token == "(":  # (x y : T) → ...
            ends: tuple[str, ...] = (":",)
        elif (ends := words.BINDERS.get(token, ())) == ():
            continue
        run: list[str] = []
        for other in found[position + 1 : position + 200]:
            if other in ends:
                bound.update(run)
                break
            if token == "(" and not is_identifier(other):
                break
            run.append(other)
    taken = prelude_names() | words.KEYWORDS | words.WORDS
    return {name for name in bound if is_identifier(name) and "." not in name and name not in taken}


@lru_cache(maxsize=1024)
def _own_names(signature: str) -> frozenset[str]:
    return frozenset(token for token in tokens(signature) if is_identifier(token) and token not in words.KEYWORDS)


def _listed(token: str, own: frozenset[str], bound: set[str]) -> bool:
    if not is_identifier(token):
        return token in words.SYMBOLS or (token.isdigit() and len(token) <= 4)
    if token in words.VOCABULARY or token in own or token in bound or token in words.WORDS:
        return True
    head, _, fields = token.partition(".")
    local = head in bound or head == "this" or (head in own and head not in words.VOCABULARY)
    return local and all(field.isdigit() or field in words.FIELDS for field in fields.split(".") if fields)


def judge_term(statement: Statement, term: str) -> tuple[Way, Refusal | None]:
    """Return what may be done with `term` (without comments) as a proof of `statement`, and the refusal if nothing.

    A name of the statement counts as listed: what the statement cites is the problem's choice.
    """
    refusal = _size(term, MAX_TERM_CHARS)
    if refusal is None and words.SORRY.search(term):
        refusal = Refusal(Verdict.sorry, "The proof contains sorry.")
    if refusal is not None:
        return Way.refuse, refusal
    found = tokens(term)
    own, bound = _own_names(statement.signature), _bound(found)
    after_dot = [before == "." for before in ["", *found][: len(found)]]
    odd = [
        token
        for token, dotted in zip(found, after_dot, strict=True)
        if not (_listed(token, own, bound) or (dotted and token in words.FIELDS))
    ]
    if not odd:
        return Way.accept, None
    for token in odd:
        if _dangerous(token):
            return Way.refuse, Refusal(Verdict.banned, f"A proof term may not contain `{token[:40]}`.")
    return Way.show, None


def _dangerous(token: str) -> bool:
    if is_identifier(token):
        hidden = token in prelude_names() and token not in words.VOCABULARY
        return (
            token in words.KEYWORDS or hidden or words.ANYWHERE.search(token) is not None or token.startswith("Lean.")
        )
    return not token.isdigit()


def refuse_text(statement: Statement, text: str, *, body: bool) -> Refusal | None:
    """Return why `text` (without comments) is refused, or None: tactics when `body`, else a whole file.

    Allowed beside the rules: ``set_option maxHeartbeats N`` and ``maxRecDepth N`` (they bound work), ``open`` with
    plain names, and in a file the imports of the statement.
    """
    if (refusal := _size(text, MAX_TEXT_CHARS)) is not None:
        return refusal
    rest = words.LIMITS.sub(lambda found: " " * len(found.group()), text + "\n")
    for found in words.OPEN.finditer(rest):
        if not words.OPENED.fullmatch(found["rest"]) or words.RENAMES.search(found["rest"]):
            return Refusal(Verdict.banned, "Only `open` with plain names is allowed in a proof.")
    if not body:
        if foreign := [name for name in words.IMPORT.findall(rest) if name not in statement.imports]:
            return Refusal(Verdict.banned, f"The proof imports {foreign[0][:60]}, which the problem does not.")
        rest = words.IMPORT.sub("", rest)
        if "import" in tokens(rest):
            return Refusal(Verdict.banned, "An `import` stands where none can be.")
    for pattern in (words.ANYWHERE, words.WORD):
        if found_word := pattern.search(rest):
            return Refusal(Verdict.banned, f"A proof may not contain `{found_word.group()[:40].strip()}`.")
    if not body:
        for word in words.COLUMN_0.findall(rest):
            if not _may_begin(word):
                return Refusal(Verdict.banned, f"A line of a proof may not begin with `{word[:40]}`.")
    elif (declares := words.DECLARES.search(rest)) is not None:
        return Refusal(Verdict.banned, f"A proof in tactics may not contain `{declares.group()}`.")
    if words.SORRY.search(rest):
        return Refusal(Verdict.sorry, "The proof contains sorry.")
    return None


def _may_begin(word: str) -> bool:
    return word in words.FILE_COMMANDS or not re.match(r"[A-Za-z_@]", word)


def declares(text: str) -> bool:
    """Whether `text` (without comments) holds commands of its own, so that it is a file and no block of tactics."""
    return words.DECLARES.search(text) is not None
