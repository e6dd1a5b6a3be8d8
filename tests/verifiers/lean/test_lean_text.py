"""Lean as text, without any Lean: comments, completions, statements, the rules of refusal, miniF2F's statements."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piretry.verifiers.base import Verdict
from piretry.verifiers.lean import words
from piretry.verifiers.lean.candidate import Kind, file_candidate, term_candidate
from piretry.verifiers.lean.refusal import Way, judge_term, prelude_names, refuse_text
from piretry.verifiers.lean.sheet import Entry, candidate_module, ground, sheet
from piretry.verifiers.lean.statement import Statement, parse_statement
from piretry.verifiers.lean.text import answer_text, depth, odd_character, tokens, without_comments

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
MINIF2F, FEW_SHOT = SHARED / "minif2f_lean4.jsonl", SHARED / "minif2f_few_shot_proofs.jsonl"
HEADER = (
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat\n\n"
)
SWAP = parse_statement("theorem t (p q : Prop) (h : And p q) : And q p")
assert SWAP is not None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a -- b\nc", "a     \nc"),
        ("a /- b /- c -/ d -/ e", "a                   e"),
        ("a /- b\nc -/ d", "a     \n     d"),
        ('"-- no comment" -- b', '"-- no comment"     '),
        ('"\\" -- " -- c', '"\\" -- "     '),
        ("'\"' -- c", "'\"'     "),
        ("/- open", "       "),
        ("/-- doc -/theorem", "          theorem"),
    ],
)
def test_comments_become_blanks(text: str, kept: str) -> None:
    assert without_comments(text) == kept


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab-/\n \"\\'", max_size=30))
def test_without_comments_keeps_lines_and_length_and_is_settled(text: str) -> None:
    once = without_comments(text)
    assert len(once) == len(text) and once.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("completion", "finish", "answer"),
    [
        ("exact h", "stop", "exact h"),
        ("exact h", "length", None),
        ("<think>x</think> y", "stop", " y"),
        ("```lean4\na\n```\nand\n```lean\nb\n```\n```python\nc\n```", "stop", "b"),
        ("```\na\n```", "stop", "a"),
        ("```lean4\nopen block", "stop", None),
        (" \n", "stop", None),
    ],
)
def test_the_answer_of_a_completion(completion: str, finish: str, answer: str | None) -> None:
    assert answer_text(completion, finish) == answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("theorem t : p", Statement("", "t", " : p")),
        ("theorem t : p :=", Statement("", "t", " : p")),
        ("theorem t : p := by\n  sorry", Statement("", "t", " : p", True)),
        ("lemma a.b (x : Nat) : p := by", Statement("", "a.b", " (x : Nat) : p", True)),
        ("import A\nopen B in\ntheorem t : p", Statement("import A\nopen B", "t", " : p")),
        ("theorem u : q := h\ntheorem t : p", Statement("theorem u : q := h", "t", " : p")),
        ("/- theorem x : y -/ theorem t : p -- := by", Statement("", "t", " : p")),
    ],
)
def test_statements(text: str, expected: Statement) -> None:
    assert parse_statement(text) == expected


@pytest.mark.parametrize("text", ["", "def t := 1", "theorem t", "theorem t :=", "theorem «t» : p", "-- theorem t : p"])
def test_texts_without_a_statement(text: str) -> None:
    assert parse_statement(text) is None


def test_the_vocabulary_is_in_the_library_and_hides_what_must_stay_hidden() -> None:
    text = re.sub(r"\s+", " ", Path(words.__file__).with_name("prelude.lean").read_text(encoding="utf-8"))
    for name in words.VOCABULARY:
        head, _, last = name.partition(".")
        assert name in prelude_names() or (head in prelude_names() and re.search(rf"[ |]{last}\b", text)), name
    hidden = {"sorryAx", "lcProof", "lcErased", "lcAny", "lcVoid", "cast", "Lean"}
    assert hidden <= prelude_names() and not hidden & words.VOCABULARY


@pytest.mark.parametrize("word", sorted(words.KEYWORDS | {"lcProof", "cast", "Lean.Name", "Lean"}))
def test_no_reserved_word_passes_even_where_a_name_is_bound(word: str) -> None:
    for term in (
        word,
        f"fun {word} => {word}",
        f"h {word} : And q p",
        f"have {word} : q := h.2; h",
        f"(fun ({word} : p) => h)",
    ):
        assert judge_term(SWAP, term)[0] is not Way.accept


def test_a_reserved_word_of_the_statement_is_not_lent_to_the_proof() -> None:
    statement = parse_statement("theorem t (p : Prop) (h : if True then p else by exact p) : p")
    assert statement is not None
    assert judge_term(statement, "h")[0] is Way.accept
    for term in ("by exact h", "if h then h else h"):
        assert judge_term(statement, term)[0] is Way.refuse


@pytest.mark.parametrize(
    "term", ["hx", "And.rec h", "h.foo", "Nat.rec", "foo.left", "h.left.foo", "id' h", "12345", "this'", "Eq.rec"]
)
def test_an_unlisted_name_is_shown_to_lean_but_not_accepted(term: str) -> None:
    assert judge_term(SWAP, term)[0] in (Way.show, Way.refuse)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_can_be_judged(text: str) -> None:
    for read in (term_candidate, file_candidate):
        candidate = read(SWAP, text)
        assert (candidate.refusal is not None) is (candidate.kind is Kind.refused)
        if candidate.kind is not Kind.refused:
            assert odd_character(candidate.text) is None and depth(candidate.text) <= 200


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*sorted(words.COMMANDS), "h", "(", ")", ":", "fun", "=>", "p", "have", "\n", "|", "let"]),
        max_size=12,
    )
)
def test_no_accepted_term_has_a_command_in_it(parts: list[str]) -> None:
    way, _ = judge_term(SWAP, " ".join(parts))
    assert way is not Way.accept or not words.COMMANDS & set(tokens(" ".join(parts)))


@pytest.mark.parametrize(
    "text",
    [
        "by\n  norm_num [h]\n  nlinarith [sq_nonneg (a - b), mul_pos h.1 h.2]",
        "by\n  set_option maxHeartbeats 400000 in\n  simp_all",
        "by\n  open Real in\n  positivity",
        "by\n  rcases h with ⟨x, hx⟩ | h₂\n  · exact hx.instance\n  · simpa using h₂.local",
        "by decide",
    ],
)
def test_what_honest_tactics_look_like_is_not_refused(text: str) -> None:
    assert refuse_text(SWAP, text, body=True) is None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("by\n  sorry", Verdict.sorry),
        ("by\n  native_decide", Verdict.banned),
        ("by\n  decide +native", Verdict.banned),
        ("by\n  simp (config := {decide := true}); run_tac skip", Verdict.banned),
        ("by\n  open private foo from Bar in\n  simp", Verdict.banned),
        ("by\n  open Nat hiding succ in\n  simp", Verdict.banned),
        ("by\n  set_option pp.all true in\n  simp", Verdict.banned),
        ("by\n  set_option maxHeartbeats 1 set_option warn.sorry false in\n  simp", Verdict.banned),
        ('by\n  exact "set_option"', Verdict.banned),
        ("by\n  simp [Lean.Name]", Verdict.banned),
        ("by\n  exact (IO.getStdout)", Verdict.banned),
        ("by\n  exact `h", Verdict.banned),
        ("by simp\n#eval 1", Verdict.banned),
        ("by simp\n@[simp] theorem u : True := trivial", Verdict.banned),
        ("by simp\ntheorem u : True := trivial", Verdict.banned),
        ("by\n  x" + " " * 100_000, Verdict.banned),
    ],
)
def test_what_is_refused_in_tactics(text: str, verdict: Verdict) -> None:
    refusal = refuse_text(SWAP, text, body=True)
    assert refusal is not None and refusal.verdict is verdict and refusal.reason.endswith(".")


@pytest.mark.parametrize(
    "command", ["library_note", "assert_not_exists Foo", "suppress_compilation", "@[simp]", "run_cmd skip"]
)
def test_a_file_may_only_begin_lines_with_known_commands(command: str) -> None:
    refusal = refuse_text(SWAP, f"{command}\ntheorem t : True := trivial", body=False)
    assert refusal is not None and refusal.verdict is Verdict.banned


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        pytest.skip(f"{path.name} is not here: it is in ../shared/data of the development tree only")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_statement_of_minif2f_survives_into_a_check_file() -> None:
    rows = _rows(MINIF2F)
    assert len(rows) == 488
    for row in rows:
        statement = parse_statement(row["header"] + row["formal_statement"])
        assert statement is not None and statement.name == row["name"] and statement.tactics
        original = row["formal_statement"].partition(row["name"])[2].rpartition(":=")[0].rstrip()
        assert statement.signature == original and statement.imports == ("Mathlib", "Aesop") and not statement.defines
        made = sheet([Entry(statement.header, statement.signature, "by\n  sorry")])
        part = made.parts[0]
        lines = made.text.split("\n")
        assert "\n".join(lines[part.first - 1 : part.proof - 1]) == f"theorem {part.name}{original} :="
        assert made.text.startswith(row["header"].rstrip()) and lines[part.last - 1] == f"#print axioms {part.name}"
        own = ground(statement)
        assert f"theorem {own.statement.part.name}{original} :=" in own.statement.text and own.base is None
        assert original not in candidate_module(own, statement.opens, "text").text
        again = file_candidate(statement, row["header"] + row["formal_statement"] + "  simp")
        assert again.kind is Kind.tactics and again.text.split() == ["by", "simp"]


def test_known_proofs_in_the_style_of_minif2f_are_not_refused() -> None:
    rows = _rows(FEW_SHOT)
    for row in rows:
        statement = parse_statement(HEADER + row["formal_statement"])
        assert statement is not None
        for answer in (row["formal_proof"], HEADER + row["formal_statement"] + row["formal_proof"]):
            candidate = file_candidate(statement, answer)
            assert candidate.kind is Kind.tactics, (row["name"], candidate.refusal)
