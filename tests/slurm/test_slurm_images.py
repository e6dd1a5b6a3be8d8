"""The whole reduced grid on the real cluster, every job in a real Apptainer image, to a report that says where."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from apptainer_tools import Unavailable, cpu_image, find_apptainer
from safetensors import safe_open
from slurm_cluster import Cluster
from slurm_project import SlurmProject, make_project

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Finished:
    """The project after `snakemake --profile slurm all`, its image's checksum, and what Snakemake printed."""

    project: SlurmProject
    sha256: str
    output: str

    def records(self) -> dict[str, dict[str, Any]]:
        """Every provenance record, by the path of its artifact below the results."""
        root = self.project.results
        paths = sorted(root.rglob("*.prov.json"))
        return {
            path.relative_to(root).as_posix().removesuffix(".prov.json"): json.loads(path.read_text()) for path in paths
        }


@pytest.fixture(scope="module")
def finished(cluster: Cluster, plugin: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """`piretry init slurm`, then the literal `snakemake --profile slurm all`, in a copy of the checkout."""
    try:
        apptainer = find_apptainer()
        image = cpu_image()
    except Unavailable as reason:
        pytest.skip(f"NOT SHOWN: the run in images on the cluster. {reason}")
    apptainer = {**apptainer, "PATH": f"{cluster.home / 'bin'}:{apptainer['PATH']}:/usr/sbin"}
    project = make_project(tmp_path_factory.mktemp("images") / "project", apptainer, plugin)
    (project.home / "images").mkdir()
    for suffix in ("", ".json"):
        shutil.copy2(f"{image}{suffix}", project.home / f"images/cpu.sif{suffix}")
    # The nodes' GPUs are not real: the jobs that ask for one run the CPU image and use it not.
    asked = ["--yes", "--scale", "mini", "--account", "", "--gpu-memory", "80", "--gpu-image", "images/cpu.sif"]
    told = project.run("piretry", "init", "slurm", *asked, "--probe")
    assert "Everything is there" in told.stdout
    project.edit("slurm/config.yaml", _quick)
    project.edit("scales/mini.yaml", _with_gpus)
    done = project.run("snakemake", "--profile", "slurm", "all")
    sha256 = json.loads((project.home / "images/cpu.sif.json").read_text())["sha256"]
    yield Finished(project, sha256, done.stdout + done.stderr)


def _quick(profile: dict[str, Any]) -> None:
    profile["slurm-init-seconds-before-status-checks"] = 1
    profile["latency-wait"] = 10


def _with_gpus(scale: dict[str, Any]) -> None:
    scale["resources"]["attempt"] = {"mem_mb": 1500, "runtime": 10, "gpus": 1}
    scale["resources"]["train.small.full"] = {"mem_mb": 1500, "runtime": 10, "gpus": 1}


def test_every_rule_ran_on_the_cluster(finished: Finished) -> None:
    records = finished.records()
    sources = "".join(path.read_text() for path in sorted((finished.project.home / "rules").glob("*.smk")))
    named = set(re.findall(r"^rule (\w+):", sources, re.MULTILINE))
    # The images were built before, all data are generated; sharding follows in a test of its own. The prover's rules
    # need Lean, which this image lacks: tests/workflow/test_prover_workflow.py runs them.
    elsewhere = {"image", "images", "fetch_dataset", "fetch", "shard", "gather", "theorems", "skeleton", "distill"}
    assert named - {record["stage"] for record in records.values()} - {"retry_cross"} <= elsewhere
    assert "small/base/s42/retries-bare.by-medium.parquet" in records, "retry_cross"


def test_the_tables_are_those_of_a_local_run(finished: Finished, reference: SlurmProject) -> None:
    assert finished.project.tables() == reference.tables()


def test_every_record_names_node_job_and_image(finished: Finished) -> None:
    records = finished.records()
    for path, record in records.items():
        assert record["machine"]["host"] in ("node1", "node2"), path
        assert record["machine"]["slurm_job"].isdecimal(), path
        assert record["image"] == {"path": "images/cpu.sif", "sha256": finished.sha256}, path
    with_gpu = {path for path, record in records.items() if record["machine"]["gpus"]}
    asked = {path for path, record in records.items() if record["stage"] in ("attempt", "train")}
    assert with_gpu == asked
    assert all(len(records[path]["machine"]["gpus"]) == 1 for path in asked)


def test_jobs_went_to_the_partition_of_their_kind(finished: Finished, cluster: Cluster) -> None:
    jobs = {job.id: job for job in cluster.jobs()}
    for path, record in finished.records().items():
        job = jobs[record["machine"]["slurm_job"]]
        assert job.partition == ("gpu" if record["stage"] in ("attempt", "train") else "cpu"), path
        assert job.node == record["machine"]["host"], path


def test_the_report_names_node_job_gpus_and_image(finished: Finished) -> None:
    page = (finished.project.results / "report/index.html").read_text()
    record = finished.records()["small/base/s42/attempts.parquet"]
    assert record["machine"]["host"] in page
    assert finished.sha256[:12] in page
    assert finished.project.run("piretry", "audit", "results/mini", check=False).returncode == 0


def test_a_second_run_does_nothing(finished: Finished) -> None:
    again = finished.project.run("snakemake", "-n", "--profile", "slurm", "all")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_fetched_models_and_divided_sampling_run_there_too(finished: Finished) -> None:
    project = finished.project
    project.edit("scales/mini.yaml", lambda scale: _fetched_and_divided(scale, project.results / "small/base/model"))
    target = "large/base/s42/eval.parquet"
    project.run("snakemake", "--profile", "slurm", f"results/mini/{target}")
    records = finished.records()
    assert records[target]["stage"] == "gather"
    assert [records[f"large/base/s42/shards/eval.{shard}.parquet"]["machine"]["slurm_job"] for shard in (0, 1)]
    fetched = records["large/base/model"]
    assert fetched["stage"] == "fetch"
    assert fetched["machine"]["slurm_job"] is None, "on the submit host, which has a network"
    for path in (target, "large/base/s42/shards/eval.0.parquet", "large/base/model"):
        assert records[path]["image"]["sha256"] == finished.sha256


def _fetched_and_divided(scale: dict[str, Any], model: Path) -> None:
    shape = json.loads((model / "config.json").read_text())
    weights = safe_open(str(model / "model.safetensors"), "np")
    scale["shards"] = 2
    scale["roles"]["large"] = {
        "source": "hub",
        "model": str(model),
        "revision": None,
        "parameters": sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys()),  # noqa: SIM118
        "shape": {
            "layers": shape["num_hidden_layers"],
            "hidden_size": shape["hidden_size"],
            "intermediate_size": shape["intermediate_size"],
            "heads": shape["num_attention_heads"],
            "kv_heads": shape["num_key_value_heads"],
            "head_dim": shape["head_dim"],
            "vocabulary": shape["vocab_size"],
        },
    }
