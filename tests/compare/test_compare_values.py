"""Which claims differ by more than noise: identical files, paired and unpaired differences, Holm, one seed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs_to_compare import CLAIMS, DRAWS, HEADLINE, Build, edit_claim, edit_records

from piretry.claims.model import Quantity
from piretry.compare.comparing import compare_runs
from piretry.compare.measured import Measured, Number, difference
from piretry.compare.model import EXACT, IDENTICAL, NOT_COMPARED, PAIRED, UNPAIRED, ClaimDiff, Comparison
from piretry.compare.pairs import pair_seeds
from piretry.completions import read_completions
from piretry.provenance.model import record_path
from piretry.stats.estimate import mean_estimate
from synthetic_results import Draws

TESTED = {"headline", "rejection", "retry-vs-rejection", "round-3", "k-3", "k-lucky", "prompt-gold", "round-yield"}


def claim(found: Comparison, name: str) -> ClaimDiff:
    return next(row for row in found.claims if row.id == name)


@pytest.fixture(scope="session")
def other_seeds(build: Build) -> Path:
    """The same configuration with other seeds and other luck."""
    draws = Draws(DRAWS.problems, DRAWS.samples, salt="again")
    return build(draws, {"config.yaml": lambda config: config["seeds"].update(all=[7, 8, 9])})


def test_the_same_run_twice_is_identical(first: Path, build: Build) -> None:
    again = build()
    found = compare_runs(first, again)
    assert {row.id: row.kind for row in found.claims} == dict.fromkeys(CLAIMS, IDENTICAL) | {
        "lean-skeleton": NOT_COMPARED
    }
    assert claim(found, "headline").says == "measured on identical files: nothing to test"
    assert claim(found, "lean-skeleton").says == "not run in either"
    assert (found.differing, found.status, found.troubles) == ((), 0, ())
    assert found.a.run != found.b.run
    assert sum(stage.different for stage in found.changes.files) == 0
    assert sum(stage.identical for stage in found.changes.files) == found.a.artifacts == found.b.artifacts


def test_other_seeds_are_noise(first: Path, other_seeds: Path) -> None:
    found = compare_runs(first, other_seeds)
    assert found.differing == ()
    assert {row.id for row in found.claims if row.p is not None} == TESTED
    headline = claim(found, "headline")
    (part,) = headline.parts
    assert headline.kind == PAIRED
    assert part.seeds == ((42, 7), (123, 8), (456, 9))
    assert part.low < part.difference < part.high
    assert claim(found, "train-size").kind == IDENTICAL
    assert claim(found, "k-lucky").kind == UNPAIRED, "each run has retained retries of its own"


def test_a_real_shift_is_found_where_it_is(first: Path, shifted: Path) -> None:
    found = compare_runs(first, shifted)
    assert {row.id for row in found.differing} == {"headline", "k-3", "retry-vs-rejection"}
    assert found.status == 1
    (part,) = claim(found, "headline").parts
    assert part.low < 25 < part.high
    assert claim(found, "headline").differs and not claim(found, "rejection").differs
    opposite = claim(compare_runs(shifted, first), "headline")
    assert opposite.parts[0].difference == pytest.approx(-part.difference)
    assert opposite.p == pytest.approx(claim(found, "headline").p)


def test_the_difference_is_that_of_the_gains_by_problem_and_seed(first: Path, shifted: Path) -> None:
    def correct(root: Path, state: str) -> dict[str, float]:
        sums: dict[str, list[bool]] = {}
        for row in read_completions(root / state / "eval.parquet"):
            if row.decoding == "sampled":
                sums.setdefault(row.problem_id, []).append(row.correct)
        return {name: float(np.mean(values)) for name, values in sorted(sums.items())}

    rows = []
    for seed in (42, 123, 456):
        gains = []
        for root in (first, shifted):
            after, before = correct(root, f"{HEADLINE}/s{seed}"), correct(root, f"small/base/s{seed}")
            gains.append(np.array([after[name] - before[name] for name in after]))
        rows.append(gains[1] - gains[0])
    by_hand = mean_estimate(np.array(rows), bounds=(-2.0, 2.0), bootstrap=0)
    (part,) = claim(compare_runs(first, shifted), "headline").parts
    assert part.difference == pytest.approx(100 * by_hand.value)
    assert (part.low, part.high) == pytest.approx((100 * by_hand.low, 100 * by_hand.high))
    assert part.p == pytest.approx(by_hand.p_value)
    assert part.n_problems == DRAWS.problems


def test_claims_that_state_one_number_count_once_in_holm(first: Path, other_seeds: Path) -> None:
    found = compare_runs(first, other_seeds)
    one, two = claim(found, "headline"), claim(found, "k-3")
    assert one.parts == two.parts
    assert one.p_holm == two.p_holm
    numbers = {tuple(part.label for part in row.parts): row.p for row in found.claims if row.p is not None}
    smallest = min(numbers.values())
    row = next(row for row in found.claims if row.p == smallest)
    assert row.p_holm == pytest.approx(min(1.0, len(numbers) * smallest))
    assert len(numbers) == len(TESTED) - 1


def test_a_claim_with_several_parts_has_the_smallest_p_times_their_number(first: Path, shifted: Path) -> None:
    ratio = claim(compare_runs(first, shifted), "retry-vs-rejection")
    assert [part.label for part in ratio.parts] == [
        "gain small/retry-full/k3/bare/r1",
        "gain small/rejection-full/k3/none/r1",
    ]
    assert ratio.p == pytest.approx(2 * min(part.p for part in ratio.parts))


def test_other_problems_are_compared_unpaired(first: Path, other_problems: Path) -> None:
    found = compare_runs(first, other_problems)
    headline = claim(found, "headline")
    assert headline.kind == UNPAIRED
    assert headline.parts[0].seeds == ()
    assert headline.parts[0].method == "Welch's t over independent means"
    size = claim(found, "train-size")
    assert (size.kind, size.differs) == (EXACT, True), "a count has no noise"
    assert found.status == 1


def test_one_seed_borrows_the_assumed_seed_variance(first: Path, build: Build) -> None:
    def one(config: dict[str, Any]) -> None:
        config["seeds"]["all"] = [42]

    def uncontrolled(claims: dict[str, Any]) -> None:
        claims["controls"] = []
        claims["tables"].pop("controls")

    edits = {"config.yaml": one, "report/claims.yaml": uncontrolled}
    alone = build(Draws(DRAWS.problems, DRAWS.samples, salt="alone"), edits)
    found = compare_runs(first, alone)
    (part,) = claim(found, "headline").parts
    assert part.seeds == ((42, 42),)
    assert "assumed: SD" in part.method
    assert "run A has no partner for seed 123, 456: left out of the difference" in part.notes
    (yields,) = claim(found, "round-yield").parts
    assert "assumed" not in yields.method, "that variance is of accuracies"
    assert [(control.verdict_a is None, control.verdict_b) for control in found.controls] == [(False, None)] * 2


def test_an_interval_of_noise_covers_zero_in_most_pairs() -> None:
    """A/A pairs of arrays with seeds, problems and single draws: at most 5% rejected, within three standard errors."""
    draws, pairs, n_problems = np.random.default_rng(3), 400, 120
    quantity = Quantity(measure="accuracy", series=HEADLINE)

    def measured() -> Measured:
        skill = np.clip(0.5 + hard[None, :] + draws.normal(0, 0.02, (3, 1)), 0, 1)
        values = (draws.random((3, n_problems)) < skill).astype(float)
        estimate = mean_estimate(values, bounds=(0.0, 1.0), bootstrap=0)
        return Measured(Number("x", (quantity,)), estimate, values, (1, 2, 3), (0.0, 1.0), "%", 100.0, 1)

    rejected = {True: 0, False: 0}
    widths: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(pairs):
        hard = draws.uniform(-0.4, 0.4, n_problems)
        one, two = measured(), measured()
        for same in (True, False):
            part, paired = difference(one, two, same)
            assert paired is same
            rejected[same] += part.p < 0.05
            widths[same].append(part.high - part.low)
    limit = 0.05 * pairs + 3 * np.sqrt(0.05 * 0.95 * pairs)
    assert rejected[True] <= limit
    assert rejected[False] <= limit
    assert np.median(widths[True]) < np.median(widths[False]), "pairing must have gained something"


def test_seeds_are_paired_one_to_one() -> None:
    assert pair_seeds([42, 123, 456], [456, 42, 123]) == ((42, 42), (123, 123), (456, 456))
    assert pair_seeds([42, 123, 456], [7, 8]) == ((42, 7), (123, 8))
    assert pair_seeds([42, 123], [123, 7, 9]) == ((42, 7), (123, 123))
    assert pair_seeds([1], []) == ()


def test_a_claim_of_one_run_alone_is_named(first: Path, copy: Path) -> None:
    path = copy / "claims/rejection.json"
    path.unlink()
    record_path(path).unlink()
    found = compare_runs(first, copy)
    row = claim(found, "rejection")
    assert (row.only, row.kind, row.verdict_b, row.differs) == ("A", NOT_COMPARED, None, False)
    assert row.says == "only run A has this claim"
    assert claim(compare_runs(copy, first), "rejection").only == "B"
    assert found.status == 0


def test_a_verdict_that_changed_is_said(first: Path, copy: Path) -> None:
    edit_claim(copy, "headline", lambda value: value.update(verdict="opposite direction"))
    found = compare_runs(first, copy)
    assert [row.id for row in found.claims if row.verdict_changed] == ["headline"]


def test_claims_that_state_other_numbers_are_not_compared(first: Path, copy: Path) -> None:
    def other_cell(value: dict[str, Any]) -> None:
        if value["target"] == "rejection":
            value["settings"]["claim"]["tests"][0]["of"]["series"] = HEADLINE

    edit_records(copy, "judge", other_cell)
    row = claim(compare_runs(first, copy), "rejection")
    assert row.kind == NOT_COMPARED
    assert row.says.startswith("the claim is declared differently in the two runs: run A measures gain small/rejection")


def test_identical_files_with_two_numbers_are_a_difference(first: Path, copy: Path) -> None:
    edit_claim(copy, "headline", lambda value: value["measured"].update(value=99.0))
    row = claim(compare_runs(first, copy), "headline")
    assert (row.kind, row.differs) == (EXACT, True)
    assert "not in the same way" in row.says


def test_a_table_that_is_gone_or_changed_is_said(first: Path, copy: Path) -> None:
    gone = copy / HEADLINE / "s42/eval.parquet"
    gone.unlink()
    row = claim(compare_runs(first, copy), "headline")
    assert row.kind == NOT_COMPARED
    assert row.says == f"it cannot be measured again: {gone} is not there."
    shutil.copy(first / HEADLINE / "s123/eval.parquet", gone)
    found = compare_runs(first, copy)
    assert claim(found, "headline").kind == PAIRED
    assert found.troubles == (f"{gone} was changed after it was made: `piretry audit {copy}` says more.",)


def test_a_claim_judged_by_another_version_is_said(first: Path, copy: Path) -> None:
    edit_records(copy, "judge", lambda value: value["settings"].pop("primary"))
    row = claim(compare_runs(first, copy), "headline")
    assert "are of another version ('primary')" in row.says
