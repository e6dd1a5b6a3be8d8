"""Arms and states: names, paths and Snakemake's wildcard pattern say the same thing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.errors import PiretryError
from piretry.grid import paths
from piretry.grid.names import (
    DISTILLED,
    DISTILLED_PATTERN,
    METHODS,
    NO_PROMPT,
    PROMPTED_METHODS,
    PROVER_METHODS,
    ROLES,
    STATE_PATTERN,
    TUNED_PATTERN,
    Arm,
    State,
    prompts_of,
)


@st.composite
def arms(draw: st.DrawFn) -> Arm:
    role = draw(st.sampled_from(ROLES))
    method = draw(st.sampled_from([m for m in METHODS if role == "prover" or m not in PROVER_METHODS]))
    prompt = draw(st.sampled_from(prompts_of(role))) if method in PROMPTED_METHODS else NO_PROMPT
    tuning = draw(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True))
    counts = st.integers(min_value=1, max_value=99)
    return Arm(role, method, tuning, 1 if method == DISTILLED else draw(counts), prompt, draw(counts))


seeds = st.integers(min_value=0, max_value=10**6)
states = st.one_of(
    st.builds(lambda arm, seed: State(arm.role, seed, arm), arms(), seeds),
    st.builds(State, st.sampled_from(ROLES), seeds),
)


@given(arms())
def test_an_arm_is_read_back_from_its_name(arm: Arm) -> None:
    assert Arm.parse(arm.name) == arm


@given(states)
def test_a_state_is_read_back_from_its_name_and_matches_the_wildcard(state: State) -> None:
    assert State.parse(state.name) == state
    assert State.of(state.series, state.seed) == state
    assert re.fullmatch(STATE_PATTERN, state.name)
    distilled = state.arm is not None and state.arm.method == DISTILLED
    assert bool(re.fullmatch(DISTILLED_PATTERN, state.name)) is distilled
    assert bool(re.fullmatch(TUNED_PATTERN, state.name)) is not distilled


@given(states, states)
def test_two_states_never_share_a_folder(first: State, second: State) -> None:
    assert (first == second) == (first.name == second.name)
    if first != second and not (first.is_base and second.is_base and first.role == second.role):
        assert paths.model(first) != paths.model(second)


@given(arms(), seeds)
def test_a_round_learns_from_the_round_before(arm: Arm, seed: int) -> None:
    source = State(arm.role, seed, arm).sampled_from()
    assert source.seed == seed
    if arm.round == 1:
        assert source.is_base
    else:
        assert source.arm is not None
        assert source.arm.round == arm.round - 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small/retry-full/k0/bare/r1", "k=0 is not possible"),
        ("smal/retry-full/k1/bare/r1", "Did you mean 'small'"),
        ("small/retri-full/k1/bare/r1", "Did you mean 'retry'"),
        ("small/retry-full/k1/bear/r1", "Did you mean 'bare'"),
        ("small/rejection-full/k3/bare/r1", "shows no retry prompt"),
        ("small/skeleton-full/k1/none/r1", "it is for role 'prover' alone"),
        ("small/retry-full/k1/error/r1", "Role 'small' has no retry prompt 'error'"),
        ("prover/retry-full/k1/gold/r1", "Role 'prover' has no retry prompt 'gold'"),
        ("prover/skeleton-full/k2/none/r1", "samples no retries, but k=2"),
        ("small/retry/k1/bare/r1", "Expected role/method-tuning"),
        ("small/retry-FULL/k1/bare/r1", "is not a name"),
    ],
)
def test_a_wrong_name_is_a_sentence(name: str, message: str) -> None:
    with pytest.raises(PiretryError, match=re.escape(message)):
        Arm.parse(name)


def test_a_state_needs_its_seed() -> None:
    with pytest.raises(PiretryError, match="must end with its seed"):
        State.parse("small/base")
