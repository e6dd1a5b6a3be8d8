"""The heuristic verifier, by text alone, and its table of disagreement with the type checker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lean_inputs import mutated

from piretry.verifiers.base import GradeRequest, Verdict
from piretry.verifiers.heuristic import HeuristicVerifier, disagreement, disagreement_of
from piretry.verifiers.lean import LeanVerifier
from piretry.verifiers.lean.shape import hypotheses, judge_by_shape

SWAP = "theorem t (p q : Prop) (h : And p q) : And q p"
FEW_SHOT = Path(__file__).resolve().parents[4] / "shared" / "data" / "minif2f_few_shot_proofs.jsonl"


@pytest.mark.parametrize(
    ("answer", "verdict", "broken"),
    [
        ("And.intro h.right h.left", Verdict.correct, ()),
        ("And.intro h.left h.right", Verdict.correct, ()),  # it knows no types
        ("And.intro hq hp", Verdict.wrong, ("on-topic",)),
        ("(And.intro h.right h.left", Verdict.wrong, ("balanced",)),
        ("⟨h.2, h.1)", Verdict.wrong, ("balanced",)),
        ("have hq : q := h.right; And.intro hq h.left :=", Verdict.wrong, ("finished",)),
        ("I do not know", Verdict.wrong, ("proof-like", "on-topic")),
        ("sorry", Verdict.sorry, ("sorry",)),
        ("⟨h.2, h.1⟩ -- sorry", Verdict.correct, ()),
        ("axiom bad : False", Verdict.banned, ("cheat",)),
        ("theorem t (p q : Prop) (h : And p q) : And q p := by exact ⟨h.2, h.1⟩", Verdict.correct, ()),
        ("theorem t (p q : Prop) (h : And p q) : And p q := h", Verdict.wrong, ("on-topic",)),
        ("by simp_all", Verdict.correct, ()),
        ("", Verdict.no_answer, ()),
        (None, Verdict.no_answer, ()),
    ],
)
def test_opinions(answer: str | None, verdict: Verdict, broken: tuple[str, ...]) -> None:
    opinion = judge_by_shape(SWAP, answer)
    assert (opinion.verdict, opinion.broken) == (verdict, broken)


@pytest.mark.parametrize(
    ("signature", "names"),
    [
        (" (p q : Prop) (h : And p q) : And q p", ("h",)),
        (" (p : Prop) (h : p) : p", ("h",)),
        (" (x y : ℝ) (f : ℝ → ℝ) (h₀ : ∀ x, f (x + (1 + 2)) = 3) : f 1 = 2", ("f", "h₀")),
        (" : True", ()),
        (" (x : ℕ) : x = (x : ℕ)", ()),
    ],
)
def test_hypotheses_of_a_signature(signature: str, names: tuple[str, ...]) -> None:
    assert hypotheses(signature) == names


def test_it_is_a_verifier_like_the_others() -> None:
    requests = [
        GradeRequest("a", SWAP, "⟨h.2, h.1⟩"),
        GradeRequest("b", SWAP, "(h"),
        GradeRequest("c", SWAP, "h", "length"),
    ]
    with HeuristicVerifier() as verifier:
        grades = verifier.grade([*requests, GradeRequest("d", "no theorem", "h")])
        assert [grade.verdict for grade in grades] == ["correct", "wrong", "no_answer", "gold_unparseable"]
        assert grades[1].message == "The proof is not balanced." and grades[0].verifier == verifier.version


def test_the_table_counts_what_was_put_in() -> None:
    right, wrong, sorry, timeout = Verdict.correct, Verdict.wrong, Verdict.sorry, Verdict.timeout
    pairs = [(right, right)] * 30 + [(right, wrong)] * 20 + [(wrong, right)] * 5 + [(wrong, wrong)] * 40
    found = disagreement([*pairs, *[(sorry, sorry)] * 5, (right, timeout), (wrong, Verdict.error)])
    assert (found.both, found.heuristic_only, found.checker_only, found.neither) == (30, 20, 5, 45)
    assert (found.decided, found.undecided) == (100, 2)
    assert found.agreement == 0.75 and found.precision == 0.6
    assert found.false_accept_rate == pytest.approx(20 / 65) and found.false_reject_rate == pytest.approx(5 / 35)
    assert found.kappa == pytest.approx((0.75 - (0.5 * 0.35 + 0.5 * 0.65)) / 0.5)
    assert found.rows()[0] == {"heuristic": "wrong", "checker": "wrong", "proofs": 40}
    assert sum(row["proofs"] for row in found.rows()) == 102


def test_an_empty_table_has_no_rates() -> None:
    found = disagreement([])
    assert found.decided == 0 and found.rows() == []
    rates = (found.agreement, found.precision, found.false_accept_rate, found.false_reject_rate, found.kappa)
    assert rates == (None,) * 5


def test_it_is_noisy_where_names_are_right_and_types_are_not(terms: LeanVerifier) -> None:
    pairs = mutated(200, seed=3)
    grades = terms.grade([GradeRequest(str(number), *pair) for number, pair in enumerate(pairs)])
    found = disagreement_of(grades)
    assert found.decided == 200 and found.heuristic_only > 20 and found.both > 20
    alone = HeuristicVerifier().grade([GradeRequest("x", *pair) for pair in pairs])
    assert [grade.verdict for grade in alone] == [grade.second_opinion for grade in grades]


def test_it_accepts_proofs_as_people_write_them() -> None:
    if not FEW_SHOT.exists():
        pytest.skip(f"{FEW_SHOT.name} is not here: it is in ../shared/data of the development tree only")
    rows = [json.loads(line) for line in FEW_SHOT.read_text(encoding="utf-8").splitlines()]
    opinions = [judge_by_shape(row["formal_statement"], row["formal_proof"]) for row in rows]
    assert sum(opinion.verdict is Verdict.correct for opinion in opinions) >= 0.9 * len(rows)
