"""The theorem generator: the search against a decision procedure, normal forms, splits, rendering, and the kernel."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations, product
from typing import Any

import pytest

from piretry.data.theorems.formula import And, Equal, Formula, Implies, Or, Variable, lean, polish
from piretry.data.theorems.generate import _draw, draw_theorem, generate_theorems
from piretry.data.theorems.proof import STYLES, Node, reachable, render, sound, steps
from piretry.data.theorems.search import Search
from piretry.data.theorems.theorem import Theorem, split_of, typed_name
from piretry.errors import PiretryError
from piretry.settings.prover import TheoremSettings

P, Q, R, S = (Variable(name) for name in "pqrs")
SETTINGS = TheoremSettings(
    hypotheses={3: 1.0, 4: 1.0, 5: 1.0},
    steps={1: 1.0, 2: 2.0, 3: 2.0, 4: 1.0, 5: 1.0},
    nested=0.25,
    equations=0.2,
    numbered=0.2,
    train_share=0.2,
    eval_share=0.2,
    seed=7,
)


def changed(**values: Any) -> TheoremSettings:
    return TheoremSettings.model_validate({**SETTINGS.model_dump(), **values})


def theorem(hypotheses: list[Formula], goal: Formula) -> Theorem:
    return Theorem(tuple((typed_name(formula), formula) for formula in hypotheses), goal)


def proved(hypotheses: list[Formula], goal: Formula) -> Node:
    node = Search(theorem(hypotheses, goal).hypotheses).prove(goal)
    assert node is not None
    return node


# The search


def provable(context: frozenset[Formula], goal: Formula) -> bool:
    """G4ip, the contraction-free sequent calculus of Dyckhoff (1992), which terminates without a bound."""
    for fact in context:
        rest = context - {fact}
        if isinstance(fact, And):
            return provable(rest | {fact.left, fact.right}, goal)
        if isinstance(fact, Or):
            return provable(rest | {fact.left}, goal) and provable(rest | {fact.right}, goal)
        if isinstance(fact, Implies):
            left, right = fact.left, fact.right
            if isinstance(left, Variable | Equal) and left in rest:
                return provable(rest | {right}, goal)
            if isinstance(left, And):
                return provable(rest | {Implies(left.left, Implies(left.right, right))}, goal)
            if isinstance(left, Or):
                return provable(rest | {Implies(left.left, right), Implies(left.right, right)}, goal)
    if isinstance(goal, And):
        return provable(context, goal.left) and provable(context, goal.right)
    if isinstance(goal, Implies):
        return provable(context | {goal.left}, goal.right)
    if goal in context or (isinstance(goal, Or) and (provable(context, goal.left) or provable(context, goal.right))):
        return True
    for fact in context:
        if isinstance(fact, Implies) and isinstance(fact.left, Implies):
            rest, inner = context - {fact}, fact.left
            if provable(rest | {Implies(inner.right, fact.right), inner.left}, inner.right) and provable(
                rest | {fact.right}, goal
            ):
                return True
    return False


def test_the_search_proves_exactly_what_a_decision_procedure_says_is_provable() -> None:
    rng = random.Random(1)
    verdicts: Counter[bool] = Counter()
    for _ in range(600):
        hypotheses, goals, _numbered = _draw(rng, changed(equations=0.0, nested=0.5), rng.randint(0, 6))
        search = Search(hypotheses, rng)
        context = frozenset(formula for _, formula in hypotheses)
        for goal in goals[:3]:
            node = search.prove(goal)
            assert (node is not None) == provable(context, goal), (hypotheses, goal)
            assert node is None or (sound(node) and node.formula == goal)
            verdicts[node is not None] += 1
    assert min(verdicts.values()) > 200


@pytest.mark.parametrize(
    ("hypotheses", "goal"),
    [
        ([], Implies(Implies(Implies(P, Q), P), P)),  # Peirce
        ([Implies(P, Q), Implies(Implies(P, R), Q)], Q),
        ([Or(P, Q)], P),
        ([Implies(P, Or(Q, R))], Or(Implies(P, Q), Implies(P, R))),
        ([Equal("x", "y"), Equal("z", "w")], Equal("x", "w")),
    ],
)
def test_what_does_not_follow_is_not_proved(hypotheses: list[Formula], goal: Formula) -> None:
    assert Search(theorem(hypotheses, goal).hypotheses).prove(goal) is None


def test_equations_are_chained_in_either_direction() -> None:
    for facts in product(*([(Equal(a, b), Equal(b, a)) for a, b in ("xy", "yz", "zw")])):
        node = proved(list(facts), Equal("x", "w"))
        assert sound(node)
        assert steps(node) == 2 + sum(fact.left > fact.right for fact in facts if fact.right != "w") + (
            facts[2] == Equal("w", "z")
        )


def test_a_broken_proof_is_not_sound() -> None:
    given = Node(P, "given", name="hp")
    assert sound(Node(Or(P, Q), "inl", (given,)))
    assert not sound(Node(Or(P, Q), "inr", (given,)))
    assert not sound(Node(Q, "apply", (Node(Implies(P, Q), "given", name="h"), Node(R, "given", name="hr"))))
    assumption = Node(P, "assumed")
    assert sound(Node(Implies(P, P), "intro", (assumption, assumption)))
    assert not sound(assumption), "an assumption that nothing introduces"


# Text


@pytest.mark.parametrize(
    ("formula", "text", "name"),
    [
        (Implies(P, Implies(Q, R)), "p → q → r", "hipiqr"),
        (Implies(Implies(P, Q), R), "(p → q) → r", "hiipqr"),
        (And(P, Or(Q, Implies(R, S))), "And p (Or q (r → s))", "hapoqirs"),
        (Implies(And(P, Q), Equal("x", "y")), "And p q → Eq x y", "hiapqexy"),
    ],
)
def test_formulas_in_lean_and_as_names(formula: Formula, text: str, name: str) -> None:
    assert lean(formula) == text
    assert typed_name(formula) == name


def test_polish_names_tell_formulas_apart() -> None:
    atoms: list[Formula] = [P, Q, Equal("x", "y")]
    one = [kind(a, b) for kind in (Implies, And, Or) for a in atoms for b in atoms]
    two = [kind(a, b) for kind in (Implies, And, Or) for a, b in [*product(atoms, one), *product(one, atoms)]]
    every = [*atoms, *one, *two]
    assert len({polish(formula) for formula in every}) == len({lean(formula) for formula in every}) == len(every)


def test_the_statement_binds_what_occurs() -> None:
    stated = theorem([Implies(Q, Equal("y", "x")), Q], Equal("x", "y")).statement
    assert stated == "theorem t (q : Prop) (x y : Nat) (hiqeyx : q → Eq y x) (hq : q) : Eq x y"


@pytest.mark.parametrize(
    ("hypotheses", "goal", "flat", "nested", "direct"),
    [
        ([Implies(P, Q), P], Q, "hipq hp", "hipq hp", "hipq hp"),
        (
            [Implies(P, Q), Implies(Q, R), And(P, S)],
            R,
            "have hp : p := haps.left; have hq : q := hipq hp; hiqr hq",
            "have hq : q := (have hp : p := haps.left; hipq hp); hiqr hq",
            "hiqr (hipq haps.left)",
        ),
        (
            [Implies(P, Implies(Q, R)), And(P, Q)],
            R,
            "have hp : p := hapq.left; have hiqr : q → r := hipiqr hp; have hq : q := hapq.right; hiqr hq",
            "have hiqr : q → r := (have hp : p := hapq.left; hipiqr hp); have hq : q := hapq.right; hiqr hq",
            "hipiqr hapq.left hapq.right",
        ),
        (
            [Or(P, Q), Implies(P, R), Implies(R, S)],
            Or(S, Q),
            "Or.elim hopq (fun hp => have hr : r := hipr hp; have hs : s := hirs hr; Or.inl hs) (fun hq => Or.inr hq)",
            "Or.elim hopq (fun hp => have hs : s := (have hr : r := hipr hp; hirs hr); Or.inl hs) "
            "(fun hq => Or.inr hq)",
            "Or.elim hopq (fun hp => Or.inl (hirs (hipr hp))) (fun hq => Or.inr hq)",
        ),
        (
            [Implies(And(P, Q), R), P],
            Implies(Q, R),
            "fun hq => hiapqr (And.intro hp hq)",
            "fun hq => hiapqr (And.intro hp hq)",
            "fun hq => hiapqr (And.intro hp hq)",
        ),
    ],
)
def test_proofs_in_every_style(hypotheses: list[Formula], goal: Formula, flat: str, nested: str, direct: str) -> None:
    node = proved(hypotheses, goal)
    assert [render(node, style) for style in ("flat", "nested", "direct")] == [flat, nested, direct]  # type: ignore[arg-type]


def test_a_fact_is_stated_once_and_outside_the_cases_that_share_it() -> None:
    node = proved([And(P, S), Implies(P, R), Or(Q, S), Implies(Q, R)], And(R, P))
    assert render(node, "flat").count("have hp : p") == 1
    shared = proved([Implies(P, R), P, Or(Q, S), Implies(And(R, Q), Equal("x", "y")), Implies(S, Equal("x", "y"))],
                    Equal("x", "y"))  # fmt: skip
    assert render(shared, "flat") == (
        "have hr : r := hipr hp; Or.elim hoqs (fun hq => hiarqexy (And.intro hr hq)) (fun hs => hisexy hs)"
    )


def test_numbers_go_on_after_the_hypotheses_and_are_never_reused() -> None:
    node = proved([Or(P, Q), Implies(P, R), Implies(Q, R), Implies(R, S)], S)
    text = render(node, "nested", "numbered", 5)
    bound = [word for word in text.replace("(", " ").split() if word in {f"h{number}" for number in range(5, 20)}]
    assert "fun h5 =>" in text
    introduced = [after for before, after in zip(text.split(), text.split()[1:], strict=False)
                  if before.strip("(") in ("fun", "have")]  # fmt: skip
    assert len(introduced) == len(set(introduced)) == len(set(bound))


# Normal forms and splits


def test_the_normal_form_forgets_names_and_order_and_nothing_else() -> None:
    rng = random.Random(3)
    seen: dict[str, set[str]] = {}
    for _ in range(150):
        one = draw_theorem(rng, SETTINGS, "pretrain").theorem
        formulas = [formula for _, formula in one.hypotheses]
        renaming = dict(zip("pqrsxyzw", [*rng.sample("pqrs", 4), *rng.sample("xyzw", 4)], strict=True))
        other = [_flipped(rng, _renamed(formula, renaming)) for formula in [*formulas, one.goal]]
        hypotheses = rng.sample(other[:-1], len(formulas))
        assert theorem(hypotheses, other[-1]).normal_form == one.normal_form
        swapped = theorem([one.goal, *formulas[1:]], formulas[0])
        seen.setdefault(one.normal_form, set()).add("one")
        seen.setdefault(swapped.normal_form, set()).add("swapped")
    assert sum(kinds == {"one"} for kinds in seen.values()) > 100
    assert theorem([Implies(P, Q)], R).normal_form != theorem([Implies(P, Q)], Q).normal_form
    assert theorem([Implies(P, Q), P], Q).normal_form == theorem([Q, Implies(Q, S)], S).normal_form
    assert theorem([And(P, Q)], P).normal_form == theorem([And(P, Q)], Q).normal_form
    assert theorem([Implies(P, Q)], P).normal_form != theorem([Implies(Q, P)], P).normal_form


def _renamed(formula: Formula, names: dict[str, str]) -> Formula:
    if isinstance(formula, Variable):
        return Variable(names[formula.name])
    if isinstance(formula, Equal):
        return Equal(names[formula.left], names[formula.right])
    return type(formula)(_renamed(formula.left, names), _renamed(formula.right, names))


def _flipped(rng: random.Random, formula: Formula) -> Formula:
    if isinstance(formula, Variable):
        return formula
    if isinstance(formula, Equal):
        return Equal(formula.right, formula.left) if rng.random() < 0.5 else formula
    left, right = _flipped(rng, formula.left), _flipped(rng, formula.right)
    if isinstance(formula, Implies) or rng.random() < 0.5:
        return type(formula)(left, right)
    return type(formula)(right, left)


def test_the_normal_form_is_the_least_of_all_renamings() -> None:
    """Against the definition, on formulas of all kinds."""
    formulas = [Implies(R, And(S, P)), Or(P, R), S]
    texts = {
        theorem([_renamed(formula, dict(zip("prs", order, strict=True))) for formula in formulas[:2]], P).normal_form
        for order in permutations("pqr")
    }
    assert len({theorem(formulas, goal).normal_form for goal in (P, R, S)}) == 3
    assert len(texts) == 3  # the goal is P of the renamed theorem: one of the three variables each time


def test_splits_are_disjoint_whatever_draws_them_and_have_their_shares() -> None:
    forms: dict[str, set[str]] = {}
    for split, count in (("pretrain", 60), ("train", 25), ("eval", 25)):
        for seed in (1, 2):
            rng = random.Random(seed)
            for _ in range(count):
                forms.setdefault(split, set()).add(draw_theorem(rng, SETTINGS, split).theorem.normal_form)  # type: ignore[arg-type]
    for one, other in (("pretrain", "train"), ("pretrain", "eval"), ("train", "eval")):
        assert not forms[one] & forms[other]
    names = Counter(split_of(f"form {number}", 0.2, 0.1) for number in range(4000))
    assert abs(names["train"] / 4000 - 0.2) < 0.03
    assert abs(names["eval"] / 4000 - 0.1) < 0.02


# Problem tables


def test_problems_are_different_repeat_by_seed_and_fewer_are_a_prefix_of_more() -> None:
    problems = generate_theorems(SETTINGS, "train", 60, "theorems")
    assert generate_theorems(SETTINGS, "train", 20, "theorems") == problems[:20]
    assert generate_theorems(changed(seed=8), "train", 20, "theorems") != problems[:20]
    assert len({problem.problem_id for problem in problems}) == 60
    for problem in problems:
        assert problem.problem == problem.gold
        assert problem.gold.startswith("theorem t (")
        assert problem.solution and "\n" not in problem.solution
    numbered = sum("(h1 : " in problem.problem for problem in problems)
    equations = sum("Nat" in problem.problem for problem in problems)
    assert 2 <= numbered <= 30
    assert 2 <= equations <= 30


def test_difficulty_follows_the_weights() -> None:
    rng = random.Random(9)
    drawn = Counter(steps(draw_theorem(rng, changed(steps={1: 1.0, 4: 3.0}), "pretrain").proof) for _ in range(120))
    assert set(drawn) == {1, 4}
    assert 70 < drawn[4] < 110


def test_settings_that_ask_for_too_much_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import piretry.data.theorems.generate as generate

    monkeypatch.setattr(generate, "_PATIENCE", 200)
    with pytest.raises(PiretryError, match="proof takes 12 steps"):
        generate_theorems(changed(hypotheses={1: 1.0}, steps={12: 1.0}, equations=0.0), "eval", 1, "t")
    few = changed(hypotheses={2: 1.0}, steps={1: 1.0}, nested=0.0, equations=0.0)
    monkeypatch.setattr(generate, "_PATIENCE", 20_000)
    with pytest.raises(PiretryError, match=r"only \d+ of 500 different theorems"):
        generate_theorems(few, "pretrain", 500, "t")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"train_share": 0.6, "eval_share": 0.4}, "must be below 1"),
        ({"steps": {1: 0.0}}, "steps gives every number the weight 0"),
        ({"nested": 1.5}, "less than or equal to 1"),
    ],
)
def test_settings_are_checked(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        changed(**values)


# The kernel's word


def test_the_kernel_accepts_every_generated_proof_and_refuses_that_of_another_theorem(lean_verifier: Any) -> None:
    from piretry.verifiers.base import GradeRequest

    rng = random.Random(11)
    drawn = [draw_theorem(rng, changed(numbered=0.3, equations=0.3), "pretrain") for _ in range(100)]
    rules = Counter(node.rule for each in drawn for node in reachable(each.proof))
    assert set(rules) == {
        *("given", "assumed", "apply", "left", "right", "pair", "inl", "inr", "cases", "intro", "symm", "trans")
    }
    requests = [
        GradeRequest(f"{number}-{style}", each.theorem.statement, each.text(style))
        for number, each in enumerate(drawn)
        for style in STYLES
    ]
    grades = lean_verifier.grade(requests)
    failed = [
        (r.gold, r.completion, g.message) for r, g in zip(requests, grades, strict=True) if g.verdict != "correct"
    ]
    assert not failed
    false = [
        GradeRequest(
            f"{number}", theorem([formula for _, formula in each.theorem.hypotheses], goal).statement, each.text()
        )
        for number, each in enumerate(drawn)
        if not each.numbered
        for goal in (P, Q, R, S)
        if each.theorem.goal != goal and Search(each.theorem.hypotheses).prove(goal) is None
    ]
    assert len(false) > 60
    assert not [grade for grade in lean_verifier.grade(false) if grade.verdict == "correct"]
