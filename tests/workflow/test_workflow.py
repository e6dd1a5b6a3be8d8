"""The whole workflow on a tiny grid, for real: what is made, what is rerun after which edit, what the audit sees.

The tests run in the order of this file and leave the finished project as they found it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_project import Project

pytestmark = pytest.mark.slow
METHOD_CELLS = 2  # rejection, two seeds


def test_one_table_needs_fewer_jobs_than_all(project: Project) -> None:
    everything = project.planned("all")
    table = project.planned("results/mini/tables/k_ablation.csv")
    assert everything["train"] == 8
    assert table["train"] == 6, "K=1, 3 and 5 at two seeds, and no rejection"
    assert "resample" not in table
    assert "report" not in table
    assert sum(table.values()) < sum(everything.values())


def test_the_whole_grid_runs_to_a_report(finished: Project) -> None:
    page = (finished.results / "report/index.html").read_text()
    assert "Retry distillation" in page
    claims = json.loads(finished.run("piretry", "claims", "--json").stdout)
    assert {row["verdict"] for row in claims} <= {
        "same direction",
        "opposite direction",
        "inconclusive",
        "not run",
    }
    assert next(row for row in claims if row["id"] == "lean-skeleton")["verdict"] == "not run"
    assert next(row for row in claims if row["id"] == "train-size")["measured"] == 60


def test_first_attempts_are_shared_and_smaller_k_is_a_prefix(finished: Project) -> None:
    from piretry.completions import read_completions
    from piretry.sft import read_sft

    base = finished.results / "small/base/s42"
    retries = {row.problem_id: row for row in read_completions(base / "retries-bare.parquet") if row.correct}
    first = {row.problem_id for row in read_completions(base / "attempts.parquet") if row.correct}
    for k in (1, 3, 5):
        rows = read_sft(finished.results / f"small/retry-full/k{k}/bare/r1/s42/sft.parquet")
        assert {row.problem_id for row in rows if row.origin == "first"} == first
        expected = {name for name, row in retries.items() if row.attempt <= k}
        assert {row.problem_id for row in rows if row.origin == "retry"} == expected


def test_a_second_run_does_nothing(finished: Project) -> None:
    assert finished.planned("all") == {}


def test_the_audit_is_clean_and_finds_a_flipped_byte(finished: Project) -> None:
    clean = finished.run("piretry", "audit", "results/mini", check=False)
    assert clean.returncode == 0, clean.stdout
    victim = finished.results / "small/rejection-full/k3/none/r1/s42/eval.parquet"
    content = victim.read_bytes()
    victim.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    found = finished.run("piretry", "audit", "results/mini", check=False)
    victim.write_bytes(content)
    assert found.returncode == 1
    assert "small/rejection-full/k3/none/r1/s42/eval.parquet" in found.stdout
    assert "rejection" in found.stdout
    assert finished.run("piretry", "audit", "results/mini", check=False).returncode == 0


def test_a_missing_evaluation_reruns_only_what_is_downstream(finished: Project) -> None:
    victim = finished.results / "small/rejection-full/k3/none/r1/s42/eval.parquet"
    kept = victim.rename(victim.with_suffix(".kept"))
    planned = finished.planned("all")
    kept.rename(victim)
    assert planned["evaluate"] == 1
    assert set(planned) <= {"evaluate", "judge", "table", "cost", "report"}
    assert finished.planned("all") == {}


def test_an_edit_of_a_method_reruns_its_cells_alone(finished: Project) -> None:
    module = finished.home / "src/piretry/methods/rejection.py"
    text = module.read_text()
    module.write_text(text + "\n# a comment changes nothing\n")
    assert finished.planned("all") == {}
    module.write_text(text + "\nEDITED = True\n")
    planned = finished.planned("all")
    module.write_text(text)
    assert planned["select"] == METHOD_CELLS
    assert planned["train"] == METHOD_CELLS
    assert planned["evaluate"] == METHOD_CELLS
    assert set(planned) <= {"select", "train", "evaluate", "judge", "table", "cost", "report"}
    assert finished.planned("all") == {}


def test_an_edit_of_a_margin_reruns_only_the_judging_and_the_report(finished: Project) -> None:
    path = finished.home / "report/claims.yaml"
    text = path.read_text()
    finished.edit("report/claims.yaml", lambda c: c["claims"][2]["tests"][0].update(tolerance=2.5))
    planned = finished.planned("all")
    path.write_text(text)
    assert set(planned) == {"judge", "table", "report"}
    assert planned["judge"] == 2, "the two claims of the family"
    assert finished.planned("all") == {}


def test_another_run_from_nothing_gives_the_same_tables(finished: Project) -> None:
    other = finished.home / "again"
    tables = sorted(path.name for path in (finished.results / "tables").glob("*.csv"))
    targets = [f"again/mini/tables/{name}" for name in tables]
    finished.snakemake(*targets, "--config", "results=again")
    for name in tables:
        assert (other / "mini/tables" / name).read_bytes() == (finished.results / "tables" / name).read_bytes(), name
    shutil.rmtree(other)


def test_divided_sampling_gives_the_same_table(finished: Project) -> None:
    path = finished.home / "scales/mini.yaml"
    text = path.read_text()
    finished.edit("scales/mini.yaml", lambda s: s.update(shards=2))
    target = "small/base/s42/retries-bare.parquet"
    planned = finished.planned(f"divided/mini/{target}", "--config", "results=divided")
    assert planned["shard"] == 4
    assert planned["gather"] == 2
    finished.snakemake(f"divided/mini/{target}", "--config", "results=divided")
    path.write_text(text)
    assert (finished.home / "divided/mini" / target).read_bytes() == (finished.results / target).read_bytes()
    shutil.rmtree(finished.home / "divided")


def test_prompts_of_a_state_share_a_job_where_the_scale_says_so(finished: Project) -> None:
    texts = {name: (finished.home / name).read_text() for name in ("scales/mini.yaml", "config.yaml")}
    finished.edit("scales/mini.yaml", lambda s: s.update(share_engine_start=True))
    finished.edit("config.yaml", lambda c: c["grid"][0].update(prompts=["bare", "gold"]))
    state = "small/base/s42"
    target = f"shared/mini/{state}/retries-gold.parquet"
    planned = finished.planned(target, "--config", "results=shared")
    finished.snakemake(target, "--config", "results=shared")
    for name, text in texts.items():
        (finished.home / name).write_text(text)
    assert planned["retry_bare_gold"] == 1 and "retry" not in planned
    bare = f"{state}/retries-bare.parquet"
    assert (finished.home / "shared/mini" / bare).read_bytes() == (finished.results / bare).read_bytes()
    shutil.rmtree(finished.home / "shared")


def test_a_configuration_mistake_is_one_sentence_before_any_job(finished: Project) -> None:
    done = finished.snakemake("-n", "all", "--config", "scale=minni", check=False)
    assert done.returncode != 0
    assert "Did you mean 'mini'?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_stored_completions_are_graded_again_without_a_model(finished: Project, tmp_path: Path) -> None:
    copy = tmp_path / "mini"
    shutil.copytree(finished.results, copy)
    target = copy / "small/base/s42/eval.parquet"
    before = target.read_bytes()
    told = finished.run("piretry", "regrade", str(copy), str(target), "--problems", str(copy / "data/eval.parquet"))
    assert "no verdict changed" in told.stdout
    assert target.read_bytes() == before
