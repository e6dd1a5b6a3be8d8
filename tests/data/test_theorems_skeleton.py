"""Skeleton extraction from term proofs, tactic proofs and proofs that are cut off; slips."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from piretry.data.theorems.generate import draw_theorem, varied
from piretry.data.theorems.proof import sound
from piretry.data.theorems.skeleton import skeleton
from piretry.data.theorems.slips import slip
from piretry.settings.prover import TheoremSettings

SETTINGS = TheoremSettings(
    hypotheses={3: 1.0, 4: 1.0, 5: 1.0},
    steps={1: 1.0, 2: 2.0, 3: 2.0, 4: 1.0},
    nested=0.25,
    equations=0.2,
    numbered=0.3,
    train_share=0.2,
    eval_share=0.2,
    seed=7,
)
FEW_SHOT = Path(__file__).parents[3] / "shared/data/minif2f_few_shot_proofs.jsonl"


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        ("hipq hp", []),
        ("have hq : q := hipq hp; hiqr hq", ["have hq : q"]),
        ("Or.elim h (fun hp => have hr : r := f hp; Or.inl hr) g", ["have hr : r"]),
        ("have h₀ : x = 3 := by linarith\n  nlinarith [h₀]", ["have h₀ : x = 3"]),
        ("have : 0 < x := by positivity\nlinarith", ["have : 0 < x"]),
        ("have h := foo x\nlinarith", []),
        ("have := foo x\nhave h : p := by simp\nexact h", ["have h : p"]),
        ("have h1 (n : ℕ) (hn : 0 < n) : n ≠ 0 := by omega", ["have h1 (n : ℕ) (hn : 0 < n) : n ≠ 0"]),
        ("have h : ∀ x : ℕ, x = x := fun x => rfl", ["have h : ∀ x : ℕ, x = x"]),
        ("have h : f (n := 3) = 2 := rfl", ["have h : f (n := 3) = 2"]),
        ("have ⟨x, hx⟩ : ∃ x, p x := foo", ["have ⟨x, hx⟩ : ∃ x, p x"]),
        ("have h : a = b ∧\n      c = d := by\n    constructor", ["have h : a = b ∧ c = d"]),
        ("have h1 : p := by\n    have h2 : q := hq\n    exact f h2\n  exact h1", ["have h1 : p", "have h2 : q"]),
        ("have h : p from hp, h", ["have h : p"]),
        ("have h : ∀ n, P n\n  | 0 => a\n  | n + 1 => b\nexact h", ["have h : ∀ n, P n"]),
        ("have h : |x - 1| < 2 := by norm_num", ["have h : |x - 1| < 2"]),
        ("-- have no : x := y\n/- we have that: a := b -/\nexact h", []),
        ('have h : s = "have x : y := z" := rfl', ['have h : s = "have x : y := z"']),
        ("have h : p", []),
        ("have h : p have k : q := hq; k", ["have k : q"]),
        ("we_have : p := q; haveI : r := s; have' : t := u; foo.have : v := w", []),
        ("(have h : p) := x", []),
        ("", []),
    ],
)
def test_sub_goals(proof: str, expected: list[str]) -> None:
    assert [goal.text for goal in skeleton(proof)] == expected


@pytest.mark.skipif(not FEW_SHOT.is_file(), reason="shared/data/minif2f_few_shot_proofs.jsonl is not there")
def test_prose_in_comments_gives_no_sub_goals() -> None:
    """These proofs are explained in comments, with 'we have that ...', and state no `have` in Lean."""
    proofs = [json.loads(line)["formal_proof"] for line in FEW_SHOT.read_text(encoding="utf-8").splitlines()]
    assert sum("have " in proof for proof in proofs) > 10
    assert [goal for proof in proofs for goal in skeleton(proof)] == []


def test_generated_proofs_give_back_what_they_state() -> None:
    rng = random.Random(2)
    for _ in range(100):
        proved = draw_theorem(rng, SETTINGS, "pretrain")
        for style in ("flat", "nested"):
            assert len(skeleton(proved.text(style))) == proved.text(style).count("have ")
        assert skeleton(proved.text("direct")) == ()


def test_variations_keep_the_normal_form_and_a_proof() -> None:
    rng = random.Random(3)
    changed = 0
    for _ in range(60):
        proved = draw_theorem(rng, SETTINGS, "pretrain")
        other = varied(rng, proved)
        assert other.theorem.normal_form == proved.theorem.normal_form
        assert other.proof.formula == other.theorem.goal
        assert sound(other.proof)
        changed += other.theorem.statement != proved.theorem.statement
    assert changed > 50


def test_a_slip_changes_one_place_and_names_it() -> None:
    rng = random.Random(4)
    kinds: Counter[str] = Counter()
    for _ in range(200):
        proved = draw_theorem(rng, SETTINGS, "pretrain")
        made = slip(rng, proved)
        if made is None:
            kinds["none"] += 1
            continue
        assert made.proved.theorem == proved.theorem
        assert not sound(made.proved.proof) or made.message.startswith("Unknown identifier")
        assert made.proved.text() != proved.text()
        kinds[made.message.split(" mismatch")[0].split(" `")[0]] += 1
    assert min(kinds[kind] for kind in ("Application type", "Type", "Unknown identifier")) > 15
    assert kinds["none"] < 60


def test_the_kernel_refuses_every_slip_and_says_what_the_slip_says(lean_verifier: Any) -> None:
    from piretry.verifiers.base import GradeRequest

    rng = random.Random(5)
    drawn = [draw_theorem(rng, SETTINGS, "pretrain") for _ in range(200)]
    slips = [made for proved in drawn if (made := slip(rng, proved)) is not None]
    grades = lean_verifier.grade(
        [GradeRequest(str(n), made.proved.theorem.statement, made.proved.text()) for n, made in enumerate(slips)]
    )
    accepted = [made for made, grade in zip(slips, grades, strict=True) if grade.verdict == "correct"]
    assert not accepted
    same = [made.message in " ".join(grade.message.split()) for made, grade in zip(slips, grades, strict=True)]
    assert sum(same) / len(same) > 0.9
