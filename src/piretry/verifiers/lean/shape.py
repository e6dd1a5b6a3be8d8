"""What a text shows of a proof without any type check: the rules of the heuristic verifier (heuristic.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean.statement import Statement, parse_statement
from piretry.verifiers.lean.text import is_identifier, tokens, without_comments

_PAIRS = {")": "(", "]": "[", "}": "{", "⟩": "⟨"}
_SORRY = ("sorry", "admit", "sorryAx")
_CHEATS = ("axiom", "native_decide", "unsafe", "set_option", "macro", "notation", "opaque", "#eval", "#print")
_UNFINISHED = (":=", "=>", "↦", ",", "from", "have", "let", "show", "by", "fun", "λ", "→", "->", ":", "with", "|")
_PROOF_WORDS = (
    *("by", "exact", "intro", "apply", "have", "show", "fun", "λ", "rfl", "cases", "constructor", "rw"),
    *("simp", "ring", "linarith", "nlinarith", "norm_num", "omega", "decide", "field_simp", "subst", "rintro"),
)
#: Tactics that use hypotheses without naming them.
_CONTEXT = ("linarith", "nlinarith", "omega", "simp_all", "assumption", "aesop", "tauto", "norm_num", "positivity")


@dataclass(frozen=True)
class Opinion:
    """A verdict by shape, and the names of the rules that the proof breaks."""

    verdict: Verdict
    broken: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def hypotheses(signature: str) -> tuple[str, ...]:
    """Return the names that a signature binds to more than a bare type: ``h`` of ``(p : Prop) (h : p)``.

    A binder counts when its type has several words, or is itself a name that was bound before.
    """
    bound: list[str] = []
    found: list[str] = []
    for group in re.findall(r"[(\[{⦃]((?:[^()\[\]{}⦃⦄]|\([^()]*(?:\([^()]*\)[^()]*)*\))*)[)\]}⦄]", _binders(signature)):
        names, colon, type_ = group.partition(":")
        words = tokens(type_)
        if colon and (len(words) > 1 or (words and words[0] in bound)):
            found += names.split()
        bound += names.split()
    return tuple(found)


def _binders(signature: str) -> str:
    """The signature up to the colon that stands outside all brackets."""
    level = 0
    for position, character in enumerate(signature):
        level += (character in "([{⦃⟨") - (character in ")]}⦄⟩")
        if character == ":" and level == 0:
            return signature[:position]
    return signature


def _balanced(_: Statement, words: Sequence[str]) -> bool:
    stack: list[str] = []
    for word in words:
        if word in _PAIRS.values():
            stack.append(word)
        elif word in _PAIRS and (not stack or stack.pop() != _PAIRS[word]):
            return False
    return not stack


def _finished(_: Statement, words: Sequence[str]) -> bool:
    return words[-1] not in _UNFINISHED


def _proof_like(statement: Statement, words: Sequence[str]) -> bool:
    """A word that proofs are made of, a constructor, or a hypothesis."""
    return any(word in (*_PROOF_WORDS, *_CONTEXT, "⟨", "@") or "." in word for word in words) or any(
        word in hypotheses(statement.signature) for word in words
    )


def _on_topic(statement: Statement, words: Sequence[str]) -> bool:
    """Repeats the statement if it states any theorem, and mentions a hypothesis if there is one."""
    text = "".join(words)
    if ("theorem" in words or "lemma" in words) and "".join(tokens(statement.signature)) not in text:
        return False
    known = hypotheses(statement.signature)
    heads = {word.partition(".")[0] for word in words if is_identifier(word)}
    return not known or not heads.isdisjoint((*known, *_CONTEXT))


#: The rules by name; all must hold.
RULES: Mapping[str, Callable[[Statement, Sequence[str]], bool]] = {
    "balanced": _balanced,
    "finished": _finished,
    "proof-like": _proof_like,
    "on-topic": _on_topic,
}


def judge_by_shape(gold: str, answer: str | None) -> Opinion:
    """Return the opinion on `answer` (None when the completion has none) as a proof of the statement `gold`.

    Verdicts: `correct`, `wrong`, `no_answer`, `sorry`, `banned`, and `gold_unparseable` for a text without theorem.
    """
    statement = parse_statement(gold)
    if statement is None:
        return Opinion(Verdict.gold_unparseable)
    if answer is None:
        return Opinion(Verdict.no_answer)
    code = without_comments(answer[:20_000])
    words = tokens(code)
    if not words:
        return Opinion(Verdict.no_answer)
    if any(word in _SORRY for word in words):
        return Opinion(Verdict.sorry, ("sorry",))
    own = code.partition(statement.header)[2] if statement.header and statement.header in code else code
    if any(re.search(rf"(?<![\w.]){re.escape(cheat)}(?!\w)", own) for cheat in _CHEATS):
        return Opinion(Verdict.banned, ("cheat",))
    broken = tuple(name for name, holds in RULES.items() if not holds(statement, words))
    return Opinion(Verdict.wrong if broken else Verdict.correct, broken)
