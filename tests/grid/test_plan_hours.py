"""Hours of a plan, by hand on a tiny grid and by rule on the paper scale."""

from __future__ import annotations

from pathlib import Path

import pytest
from plan_projects import CELL, REPOSITORY, tiny_project, two_cells

from piretry.errors import PiretryError
from piretry.grid import estimates, tasks
from piretry.grid.estimates import retries_of
from piretry.grid.fits import model_shape
from piretry.grid.hours import Hours, portions
from piretry.grid.ledger import Ledger, retry_k
from piretry.grid.plan import make_plan
from piretry.grid.project import Project, load_project
from piretry.settings.compute import ThroughputSettings

# Seconds of one job of the tiny grid, by hand: 100 s to start, 50 tokens a completion, 1,000 tokens a second.
ATTEMPT = 100 + 1000 * 50 / 1000
RETRY = 100 + (500 + 250) * 50 / 1000  # 500 problems fail; half of them fail the first retry too
EVALUATE = 100 + 500 * (1 + 4) * 50 / 1000  # greedy and four samples of 500 problems
TRAIN = 100 + 100 * 10 / (10 * 4)  # 1,000 examples, 10 a second on each of 4 GPUs
LIGHT = 36.0


@pytest.fixture(scope="module")
def paper() -> Project:
    return load_project(REPOSITORY, {"scale": "paper"})


@pytest.fixture(scope="module")
def mini() -> Project:
    return load_project(REPOSITORY, {"scale": "mini"})


def test_hours_by_stage(tmp_path: Path) -> None:
    ledger = Ledger.of(tiny_project(tmp_path))
    seconds = {name: one.seconds for name, one in ledger.estimates.items()}
    assert seconds[f"{CELL}/s1/model"] == TRAIN
    expected = {"attempt": 2 * ATTEMPT, "retry": 2 * RETRY, "evaluate": 4 * EVALUATE, "train": 2 * 4 * TRAIN}
    found = {stage: total.hours.gpu for stage, total in ledger.stages.items() if total.hours.gpu}
    assert found == pytest.approx({stage: value / 3600 for stage, value in expected.items()})
    assert ledger.total.gpu == pytest.approx(2475 / 3600)
    # Fetch (a model, two datasets), prepare, overlap, 2 selections, 3 verdicts, table, cost, report: one core each.
    assert ledger.total.cpu == pytest.approx((3 + 10) * LIGHT / 3600)
    assert {stage: total.jobs for stage, total in ledger.stages.items() if stage in expected} == {
        "attempt": 2, "retry": 2, "evaluate": 4, "train": 2,
    }  # fmt: skip
    assert ledger.stages["retry"].tokens == 2 * 750 * 50


def test_hours_by_claim_add_up(tmp_path: Path) -> None:
    ledger = Ledger.of(tiny_project(tmp_path))
    found, rest = ledger.portions
    cell, base = 2 * (ATTEMPT + RETRY + 4 * TRAIN + EVALUATE), 2 * EVALUATE  # GPU-seconds of two seeds
    assert found["gain"].nothing.gpu * 3600 == pytest.approx(cell + base)
    assert found["base"].nothing.gpu * 3600 == pytest.approx(base)
    assert found["seeds"].nothing.gpu * 3600 == pytest.approx(cell)
    assert {name: one.share.gpu * 3600 for name, one in found.items()} == pytest.approx(
        {"gain": cell / 2 + base / 2, "base": base / 2, "seeds": cell / 2}
    )
    assert all(one.only.gpu == 0 for one in found.values())  # each job has two users
    assert sum(one.share.gpu for one in found.values()) + rest.gpu == pytest.approx(ledger.total.gpu)
    assert sum(one.share.cpu for one in found.values()) + rest.cpu == pytest.approx(ledger.total.cpu)
    assert rest.cpu == pytest.approx(3 * LIGHT / 3600)  # the table, the cost and the report are no claim's evidence
    assert ledger.with_family("base").gpu == pytest.approx(ledger.total.gpu)  # one family with the gain


def test_what_only_one_claim_needs(tmp_path: Path) -> None:
    with_it = Ledger.of(tiny_project(tmp_path / "with", two_cells))
    without = Ledger.of(tiny_project(tmp_path / "without"))
    found, _ = with_it.portions
    assert found["rejection"].only.gpu == pytest.approx(with_it.total.gpu - without.total.gpu)
    resample = 100 + 1000 * 3 * 50 / 1000
    assert found["rejection"].only.gpu * 3600 == pytest.approx(2 * (resample + 4 * TRAIN + EVALUATE))


def test_portions_of_an_empty_claim_and_of_no_claim() -> None:
    found, rest = portions({"a": Hours(1.0), "b": Hours(2.0, 1.0)}, {"x": [], "y": ["a"]})
    assert found["x"].nothing == Hours() and found["y"].only == Hours(1.0) and rest == Hours(2.0, 1.0)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_retries_stop_at_the_first_success(k: int) -> None:
    failing = [400.0]
    for _ in range(k - 1):
        failing.append(failing[-1] * 0.75)
    assert retries_of(400, 0.25, k) == pytest.approx(sum(failing))


def test_retry_success_is_that_of_the_prompt_then_of_the_role(tmp_path: Path) -> None:
    project = tiny_project(
        tmp_path,
        lambda config, scale, claims: scale["throughput"].update(retry_success={"small": 0.3, "small.gold": 0.6}),
    )
    assert estimates.success(project.scale, "small", "gold") == 0.6
    assert estimates.success(project.scale, "small", "bare") == 0.3
    bare = tiny_project(tmp_path / "none", lambda c, scale, _: scale["throughput"].update(retry_success={}))
    assert estimates.success(bare.scale, "small", "bare") == 0.5  # as often as at first


def test_a_role_without_a_rate_is_named(tmp_path: Path) -> None:
    project = tiny_project(tmp_path, lambda c, scale, _: scale["throughput"].update(sample_tokens_per_s={"large": 1}))
    with pytest.raises(PiretryError, match=r"throughput\.sample_tokens_per_s .* no entry for 'small'.*it has large"):
        Ledger.of(project)


def test_the_hours_of_a_distillation_count_the_generation_of_its_rollouts(paper: Project) -> None:
    """By the rate of rollouts alone: that of training on examples that are given would leave generation out."""
    speed, lora = paper.scale.throughput, paper.scale.training.tunings["lora"]
    task = tasks.distill(paper, "prover/skeleton-lora/k1/none/r1/s42")
    found = estimates.estimate(paper.scale, task, retry_k(paper))
    rollouts = lora.steps * lora.batch_size
    assert found.seconds == speed.job_start_s + rollouts / speed.train_examples_per_s["prover.distill"]
    generated = paper.scale.prover.distill.max_tokens / 22 / lora.micro_batch_size  # type: ignore[union-attr]
    assert found.seconds > speed.job_start_s + rollouts * generated, "what generation alone is taken to need"
    slower = dict(speed.train_examples_per_s)
    del slower["prover.distill"]
    scale = paper.scale.model_copy(update={"throughput": speed.model_copy(update={"train_examples_per_s": slower})})
    with pytest.raises(PiretryError, match=r"no entry 'prover\.distill'.*generation included"):
        estimates.estimate(scale, task, retry_k(paper))


def test_the_provers_claims_have_hours_at_the_paper_scale(paper: Project) -> None:
    found, _ = Ledger.of(paper).portions
    for name in ("lean-typechecker", "lean-heuristic", "lean-diversity", "lean-skeleton"):
        assert found[name].nothing.gpu > 0
    distil = Ledger.of(paper).stages["distill"].hours.gpu
    assert found["lean-skeleton"].only.gpu > distil > 0
    assert found["lean-typechecker"].nothing.gpu < found["lean-skeleton"].nothing.gpu


def test_every_figure_needs_a_source(paper: Project) -> None:
    value = paper.scale.throughput.plain()
    del value["sources"]["job_start_s"]
    with pytest.raises(ValueError, match="sources says nothing about job_start_s"):
        ThroughputSettings.model_validate(value)
    with pytest.raises(ValueError, match=r"'smal' is no role.*Did you mean 'small'"):
        ThroughputSettings.model_validate({**paper.scale.throughput.plain(), "retry_success": {"smal": 0.5}})
    with pytest.raises(ValueError, match=r"'golden' is no retry prompt.*Did you mean 'gold'"):
        ThroughputSettings.model_validate({**paper.scale.throughput.plain(), "retry_success": {"small.golden": 0.5}})


@pytest.mark.parametrize("scale", ["paper", "mini"])
def test_rules_of_the_sums_hold_on_real_grids(scale: str, request: pytest.FixtureRequest) -> None:
    project = request.getfixturevalue(scale)
    ledger = Ledger.of(project)
    found, rest = ledger.portions
    assert set(found) == {*project.claims.ids, *(control.id for control in project.claims.controls)}
    for kind in ("gpu", "cpu"):
        shares = sum(getattr(one.share, kind) for one in found.values())
        assert shares + getattr(rest, kind) == pytest.approx(getattr(ledger.total, kind))
        assert sum(getattr(one.hours, kind) for one in ledger.stages.values()) == pytest.approx(
            getattr(ledger.total, kind)
        )
        for name, one in found.items():
            only, share, nothing = (getattr(part, kind) for part in (one.only, one.share, one.nothing))
            assert only <= share + 1e-9 and share <= nothing + 1e-9
            assert nothing <= getattr(ledger.with_family(name), kind) + 1e-9
    assert (ledger.total.gpu > 0) == (scale == "paper")
    not_run = [claim.id for claim in project.claims.claims if claim.not_run]
    assert not not_run or scale == "mini"  # the paper scale's Lean comes with its image, mini's has to be installed
    assert all(found[name].jobs == 1 and found[name].nothing.gpu == 0 for name in not_run)
    total = sum(one.hours.gpu for one in ledger.training.values())
    assert total == pytest.approx(ledger.stages["train"].hours.gpu)


def test_the_paper_plan_is_plausible(paper: Project) -> None:
    plan = make_plan(paper)
    assert plan.tokens < plan.tokens_alone
    # Retries of a larger role take longer a token, and a larger model trains longer.
    training = plan.ledger.training
    per_job = {kind: one.hours.gpu / one.jobs for kind, one in training.items()}
    assert per_job["medium.full"] > per_job["small.full"]
    stated = paper.scale.published_compute
    assert stated is not None and sum(part.gpu_hours for part in stated.parts) <= stated.gpu_hours
    for part in stated.parts:
        ours = plan.ledger.published(part)
        assert (ours is None) == (not part.series)
        if ours is not None:
            assert 0 < ours.gpu < plan.ledger.total.gpu
    weights = {role: 2 * model_shape(binding).parameters for role, binding in paper.scale.roles.items()}
    assert plan.disk.base_models == 2 * sum(weights.values())  # in the hub's cache and in the results
    assert plan.disk.trained_models >= sum(weights[cell.role] for cell in paper.cells)
