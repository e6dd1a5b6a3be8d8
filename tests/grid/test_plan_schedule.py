"""The wall-clock estimate: list scheduling and the critical path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piretry.errors import PiretryError
from piretry.grid.schedule import Load, critical_path, peak, schedule

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
LOADS = {"a": Load(10, 0, 1), "b": Load(5, 1, 1), "c": Load(20, 1, 1), "d": Load(1, 2, 1)}


def test_by_hand() -> None:
    one = schedule(LOADS, DIAMOND, gpus=2)
    assert one.starts == {"a": 0, "b": 10, "c": 10, "d": 30}
    assert (one.seconds, one.peak, one.busy) == (31, 2, 5 + 20 + 2)
    assert one.used == pytest.approx(27 / 62)
    assert critical_path(LOADS, DIAMOND) == ("a", "c", "d")


def test_the_longest_way_first() -> None:
    loads = {"short": Load(1, 1, 1), "long": Load(1, 1, 1), "behind": Load(9, 1, 1)}
    done = schedule(loads, {"short": [], "long": [], "behind": ["long"]}, gpus=1)
    assert done.starts == {"long": 0, "behind": 1, "short": 10}


def test_cores_are_for_jobs_without_gpu() -> None:
    loads = {"cpu": Load(4, 0, 8), "other": Load(4, 0, 1), "gpu": Load(4, 1, 8)}
    done = schedule(loads, {name: [] for name in loads}, gpus=1, cores=2)
    assert done.starts["gpu"] == 0
    assert sorted([done.starts["cpu"], done.starts["other"]]) == [0, 4]


def test_a_job_that_asks_for_more_gpus_than_there_are() -> None:
    with pytest.raises(PiretryError, match=r"job of d asks for 2 GPUs, more than the 1 of this plan.*at least 2"):
        schedule(LOADS, DIAMOND, gpus=1)


def test_peak_counts_what_is_there_together() -> None:
    sizes = {"a": 3.0, "b": 4.0, "c": 5.0}
    assert peak({"a": (0, 2), "b": (1, 3), "c": (2, 4)}, sizes) == 9  # a is gone when c comes
    assert peak({}, {}) == 0


@st.composite
def grids(draw: st.DrawFn) -> tuple[dict[str, Load], dict[str, list[str]]]:
    size = draw(st.integers(1, 14))
    loads = {
        f"j{n}": Load(draw(st.integers(1, 20)), draw(st.integers(0, 3)), draw(st.integers(1, 3))) for n in range(size)
    }
    before = {f"j{n}": [f"j{m}" for m in range(n) if draw(st.integers(0, 3)) == 0] for n in range(size)}
    return loads, before


@given(grids(), st.integers(3, 6), st.none() | st.integers(1, 4))
def test_a_schedule_keeps_to_what_there_is(
    grid: tuple[dict[str, Load], dict[str, list[str]]], gpus: int, cores: int | None
) -> None:
    loads, before = grid
    done = schedule(loads, before, gpus, cores)
    assert set(done.starts) == set(loads)
    for name, others in before.items():
        assert done.ends[name] - done.starts[name] == pytest.approx(loads[name].seconds)
        assert all(done.ends[other] <= done.starts[name] for other in others)
    spans = {name: (done.starts[name], done.ends[name]) for name in loads}
    assert peak(spans, {name: load.gpus for name, load in loads.items()}) == done.peak <= gpus
    if cores is not None:
        used = {name: min(load.cores, cores) for name, load in loads.items() if not load.gpus}
        assert peak({name: spans[name] for name in used}, used) <= cores
    longest = sum(loads[name].seconds for name in critical_path(loads, before))
    assert done.seconds >= max(longest, done.busy / gpus) - 1e-9
    assert schedule(loads, before).seconds == pytest.approx(longest)


@given(grids(), st.integers(1, 4))
def test_no_worse_than_what_list_scheduling_promises(
    grid: tuple[dict[str, Load], dict[str, list[str]]], gpus: int
) -> None:
    """Jobs of one GPU each: the bound of Graham, "Bounds on multiprocessing timing anomalies" (1969)."""
    loads = {name: Load(load.seconds, 1, 1) for name, load in grid[0].items()}
    longest = sum(loads[name].seconds for name in critical_path(loads, grid[1]))
    work = sum(load.seconds for load in loads.values())
    assert schedule(loads, grid[1], gpus).seconds <= work / gpus + (1 - 1 / gpus) * longest + 1e-9
