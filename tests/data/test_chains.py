"""The mini problem generator: verified answers, disjoint splits, determinism."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from piretry.data.chains import Chain, draw_chain, evaluate, generate_problems, split_of
from piretry.data.schema import fingerprint
from piretry.errors import PiretryError
from piretry.settings.mini import ChainSettings

SETTINGS = ChainSettings(operations={2: 1.0, 3: 1.0, 4: 1.0}, train_share=0.1, eval_share=0.1, seed=42)
CHAINS = st.builds(
    Chain,
    st.integers(0, 9),
    st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 9)), min_size=1, max_size=8).map(tuple),
)


def test_the_text_of_a_problem_and_its_worked_answer() -> None:
    chain = Chain(3, (("+", 0), ("-", 8)))
    assert chain.text == "Start with 3, then +0, -8. Work modulo 10."
    assert chain.results() == [3, 5]
    assert chain.worked(chain.results()) == "3+0=3, 3-8=5. \\boxed{5}"
    assert chain.canonical == "3+0-8"


def test_an_error_in_a_worked_answer_is_carried_on() -> None:
    chain = Chain(3, (("+", 0), ("*", 8), ("-", 1)))
    assert chain.worked([4, 2, 1]) == "3+0=4, 4*8=2, 2-1=1. \\boxed{1}"


@given(CHAINS)
def test_step_by_step_and_independent_evaluation_agree(chain: Chain) -> None:
    # A third way, by Python itself: the chain as a parenthesised expression.
    expression = str(chain.start)
    for operator, operand in chain.steps:
        expression = f"({expression}{operator}{operand})"
    assert evaluate(chain.text) == chain.results()[-1] == eval(expression) % 10


@pytest.mark.parametrize("text", ["", "Start with 3. Work modulo 10.", "Start with 3, then /2. Work modulo 10."])
def test_evaluation_refuses_what_is_no_problem(text: str) -> None:
    with pytest.raises(ValueError, match="no chain problem"):
        evaluate(text)


def test_every_problem_has_one_split_and_the_shares_hold() -> None:
    steps = list(itertools.product("+-*", range(10)))
    chains = [Chain(start, pair) for start in range(10) for pair in itertools.product(steps, repeat=2)]
    assert len({chain.canonical for chain in chains}) == len({chain.text for chain in chains}) == 9000
    counts = Counter(split_of(chain, SETTINGS) for chain in chains)
    # 9,000 draws of a share of 0.1: standard deviation 28.
    assert abs(counts["eval"] - 900) < 150
    assert abs(counts["train"] - 900) < 150
    assert counts["pretrain"] == 9000 - counts["eval"] - counts["train"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_splits_are_disjoint_whatever_the_seed(seed: int) -> None:
    """Eval problems of one seed never meet training or pretraining problems of another."""
    drawn = {
        split: {
            problem.problem_id
            for number in (seed, seed + 100)
            for problem in generate_problems(
                SETTINGS.model_copy(update={"seed": number, "operations": {2: 1.0}}), split, 400, "chains"
            )
        }
        for split in ("pretrain", "train", "eval")
    }
    assert min(len(ids) for ids in drawn.values()) > 500
    for one, other in itertools.combinations(drawn.values(), 2):
        assert not one & other


def test_pretraining_draws_stay_in_their_split() -> None:
    rng = random.Random(0)
    held_out = {problem.problem_id for problem in generate_problems(SETTINGS, "eval", 500, "chains")}
    for _ in range(2000):
        chain = draw_chain(rng, SETTINGS, "pretrain")
        assert split_of(chain, SETTINGS) == "pretrain"
        assert f"chain-{chain.canonical}" not in held_out


def test_problems_are_complete_distinct_and_of_the_mixture() -> None:
    settings = SETTINGS.model_copy(update={"operations": {2: 1.0, 4: 3.0}})
    problems = generate_problems(settings, "train", 1000, "mini-chains")
    assert len({problem.problem_id for problem in problems}) == len({problem.problem for problem in problems}) == 1000
    for problem in problems:
        assert problem.source == "mini-chains"
        assert problem.split == "train"
        assert problem.gold == str(evaluate(problem.problem))
        assert problem.solution is not None
        assert problem.solution.endswith(f"\\boxed{{{problem.gold}}}")
    lengths = Counter(problem.problem.count(",") for problem in problems)
    assert set(lengths) == {2, 4}
    assert abs(lengths[2] - 250) < 60  # standard deviation 14


def test_fewer_problems_are_a_prefix_and_seeds_differ() -> None:
    many = generate_problems(SETTINGS, "eval", 300, "chains")
    assert generate_problems(SETTINGS, "eval", 100, "chains") == many[:100]
    other = generate_problems(SETTINGS.model_copy(update={"seed": 43}), "eval", 300, "chains")
    assert len({problem.problem_id for problem in many} & {problem.problem_id for problem in other}) < 100


def test_another_process_makes_the_same_problems() -> None:
    code = (
        "from piretry.data.chains import generate_problems; from piretry.data.schema import fingerprint;"
        "from piretry.settings.mini import ChainSettings;"
        f"s = ChainSettings.model_validate_json({SETTINGS.model_dump_json()!r});"
        "print(fingerprint(generate_problems(s, 'train', 200, 'chains')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "12345"}
    )
    assert result.stdout.strip() == fingerprint(generate_problems(SETTINGS, "train", 200, "chains"))


def test_too_many_problems_are_refused_with_the_number_there_are() -> None:
    settings = SETTINGS.model_copy(update={"operations": {2: 1.0}})
    with pytest.raises(PiretryError, match=r"5000 problems of the eval split.*only about 900"):
        generate_problems(settings, "eval", 5000, "chains")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": {}}, "operations"),
        ({"operations": {0: 1.0}}, "operations"),
        ({"operations": {2: 0.0}}, "weight 0"),
        ({"operations": {2: -1.0}}, "operations"),
        ({"train_share": 0.6, "eval_share": 0.5}, "leave no problem for pretraining"),
        ({"eval_share": 0.0}, "eval_share"),
        ({"seeds": 3}, "seeds"),
    ],
)
def test_settings_refuse_what_cannot_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ChainSettings.model_validate({**SETTINGS.model_dump(), **change})


def test_settings_survive_json() -> None:
    """The workflow hands them to stages as JSON, where keys are text."""
    assert ChainSettings.model_validate(SETTINGS.plain()) == SETTINGS
