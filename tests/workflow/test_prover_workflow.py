"""The prover's cells by the real Snakemake, with a real kernel: from theorems to verdicts, every proof checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_project import ROOT, Project

from piretry.completions import read_completions, write_completions
from piretry.provenance.record import read_record, record_path
from piretry.sft import read_sft
from piretry.verifiers.lean.toolchain import KERNEL_PACKAGE, kernel_available

LEAN = ("lean-typechecker", "lean-heuristic", "lean-skeleton")
pytestmark = pytest.mark.slow


def shrink_scale(scale: dict[str, Any]) -> None:
    """A prover of one-step and two-step theorems, that learns enough of them in a minute to have what to select."""
    scale["roles"] = {"prover": scale["roles"]["prover"]}
    scale["roles"]["prover"]["pretrain"].update(
        steps=140, batch_size=16, theorems=400, warmup_steps=5, slips=0.2, plain_until=0.5
    )
    scale["prover"]["theorems"].update(
        hypotheses={2: 1.0, 3: 1.0}, steps={1: 2.0, 2: 1.0}, nested=0.0, equations=0.0, numbered=0.0
    )
    scale["prover"].update(train_problems=40, eval_problems=20)
    scale["prover"]["attempt"]["max_tokens"] = 48
    scale["evaluation"]["samples"] = 2
    for tuning in scale["training"]["tunings"].values():
        tuning.update(steps=3, batch_size=8, micro_batch_size=8, warmup_steps=1, checkpoint_steps=3)


def shrink_config(config: dict[str, Any]) -> None:
    config["seeds"]["all"] = [42]
    config["statistics"]["bootstrap"] = 200
    config["teachers"] = {}
    config["grid"] = [group for group in config["grid"] if group["roles"] == ["prover"]]
    for group in config["grid"]:
        group["tunings"] = ["lora"]


def shrink_claims(claims: dict[str, Any]) -> None:
    claims["claims"] = [claim for claim in claims["claims"] if claim["id"] in LEAN]
    claims["controls"] = []
    claims["tables"] = {"lean": list(LEAN)}


@pytest.fixture(scope="module")
def prover(tmp_path_factory: pytest.TempPathFactory) -> Project:
    if not kernel_available():
        pytest.skip(f"no Lean kernel (pip install {KERNEL_PACKAGE}): the prover's workflow was not run")
    home = tmp_path_factory.mktemp("prover")
    for name in ("config.yaml", "Snakefile", "rules", "scales", "report", "src"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, home / name)
    project = Project(home)
    project.edit("config.yaml", shrink_config)
    project.edit("scales/mini.yaml", shrink_scale)
    project.edit("report/claims.yaml", shrink_claims)
    project.snakemake(*(f"results/mini/claims/{name}.json" for name in LEAN))
    return project


def table(project: Project, path: str) -> list[Any]:
    return read_completions(project.results / path)


def test_the_claims_are_judged_on_proofs_that_the_kernel_checked(prover: Project) -> None:
    for name in LEAN:
        claim = json.loads((prover.results / f"claims/{name}.json").read_text())
        assert claim["status"] == "judged"
        assert claim["measured"] is not None
        assert claim["seeds"] == [42]
    opinions = json.loads((prover.results / "claims/lean-heuristic.json").read_text())["quantities"][0]["opinions"]
    rows = table(prover, "prover/base/s42/eval.parquet")
    sampled = [row for row in rows if row.decoding == "sampled"]
    assert sum(row["proofs"] for row in opinions["rows"]) == len(sampled) == 2 * 20
    assert opinions["both"] == sum(row.verdict == row.second_opinion == "correct" for row in sampled)
    assert all("Lean 4" in row.verifier for row in rows)


def test_retries_after_the_error_prompt_were_shown_the_checkers_message(prover: Project) -> None:
    attempts = {row.problem_id: row for row in table(prover, "prover/base/s42/attempts.parquet")}
    retries = table(prover, "prover/base/s42/retries-error.parquet")
    assert {row.problem_id for row in retries} == {name for name, row in attempts.items() if not row.correct}
    assert all(row.message for row in attempts.values() if row.verdict == "wrong")
    assert not any(row.message for row in attempts.values() if row.correct)
    bare = {row.problem_id: row.prompt_digest for row in table(prover, "prover/base/s42/retries-bare.parquet")}
    assert all(bare[row.problem_id] != row.prompt_digest for row in retries)


def test_skeleton_cells_are_trained_each_in_its_way(prover: Project) -> None:
    tuned = "prover/skeleton_sft-lora/k1/none/r1/s42"
    found = [row for row in table(prover, "prover/base/s42/skeletons.parquet") if row.correct]
    rows = read_sft(prover.results / tuned / "sft.parquet")
    assert {row.problem_id for row in rows if row.origin == "skeleton"} == {row.problem_id for row in found}
    assert not any("sub-goals" in turn["content"] for row in rows for turn in row.prompt)
    record = json.loads((prover.results / "prover/skeleton-lora/k1/none/r1/s42/model.prov.json").read_text())
    assert record["stage"] == "distill"
    assert record["cost"]["counters"]["rollouts"] > 0


def test_stored_proofs_are_checked_again_without_a_model(prover: Project, tmp_path: Path) -> None:
    copy = tmp_path / "mini"
    shutil.copytree(prover.results, copy)
    target = copy / "prover/base/s42/eval.parquet"
    rows = read_completions(target)
    write_completions(target, [replace(row, verdict="wrong", message="") for row in rows])
    problems = str(copy / "data/theorems-eval.parquet")
    told = prover.run("piretry", "regrade", str(copy), str(target), "--problems", problems)
    correct = sum(row.verdict == "correct" for row in rows)
    assert f"wrong -> correct: {correct}" in told.stdout
    assert read_completions(target) == rows
    assert {entry.role for entry in read_record(record_path(target)).inputs} == {"model", "problems"}


def test_the_audit_follows_every_claim_down(prover: Project) -> None:
    done = prover.run("piretry", "audit", "results/mini", "--json", check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 0, report


def test_without_its_checker_the_scale_says_in_one_line_what_is_not_run(prover: Project) -> None:
    before = (prover.home / "scales/mini.yaml").read_text()
    prover.edit(
        "scales/mini.yaml",
        lambda scale: scale["prover"]["verifier"].update(toolchain="command", command=["no-such-lean"]),
    )
    try:
        listed = prover.run("piretry", "claims", check=False)
    finally:
        (prover.home / "scales/mini.yaml").write_text(before)
    (line,) = [line for line in listed.stderr.splitlines() if "NOT RUN" in line]
    assert "the Lean command no-such-lean is not found" in line
    assert all(name in line for name in LEAN)
