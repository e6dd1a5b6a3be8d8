"""The command lines of the paper scale on a cluster: one GPU job and one CPU job, from sbatch down to apptainer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from recorders import Call, calls, install_recorders
from slurm_project import SlurmProject, copy_checkout

from piretry.grid import paths
from piretry.grid.project import load_project

pytestmark = pytest.mark.slow
GPU_TARGET = "results/paper/small/base/s42/shards/attempts.0.parquet"
CPU_TARGET = "results/paper/claims/train-size.json"
# What the two jobs need, oldest first.
PRESENT = (
    (f"{paths.SOURCE.format(split='train')}/a", f"{paths.SOURCE.format(split='eval')}/a"),
    (paths.SOURCE.format(split="train"), paths.SOURCE.format(split="eval")),
    (paths.POOL, paths.EVAL),
    (paths.TRAIN, paths.OVERLAP, paths.OVERLAP_PAIRS),
    (f"{paths.BASE_MODEL.format(role='small')}/config.json", paths.BASE_MODEL.format(role="small")),
)


@dataclass(frozen=True)
class Lines:
    """The calls of one job."""

    project: SlurmProject
    sbatch: list[str]
    srun: list[str]
    apptainer: Call


@pytest.fixture(scope="module")
def recorded(plugin: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Lines]]:
    """Both jobs, submitted by `snakemake --profile slurm` in a checkout that `piretry init slurm` has set up."""
    place = tmp_path_factory.mktemp("lines")
    install_recorders(place / "bin")
    data = place / "data"
    data.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "RECORD": str(place / "record.jsonl"),
    }
    project = SlurmProject(copy_checkout(place / "checkout"), environment, plugin)
    answers = {
        "account": "ai",
        "cpu-partition": "compute",
        "gpu-partition": "boost",
        "gpu-model": "h100",
        "gpus-per-node": "8",
        "max-memory": "2000000",
        "max-runtime": "2880",
        "binds": f"{data}:/data:ro",
        "cache": str(place / "cache"),
    }
    options = [word for name, value in answers.items() for word in (f"--{name}", value)]
    project.run("piretry", "init", "slurm", "--yes", *options, check=False)  # the images are missing, which it says
    _make_present(project.home)
    done = project.run(
        "snakemake",
        *(GPU_TARGET, CPU_TARGET, "--profile", "slurm", "--workflow-profile", "none"),
        *("--retries", "0", "--latency-wait", "1", "--slurm-init-seconds-before-status-checks", "1"),
        check=False,
    )
    assert (place / "record.jsonl").exists(), f"nothing was submitted:\n{done.stdout}\n{done.stderr}"
    found = calls(place / "record.jsonl")
    (gpu_batch,), (cpu_batch,) = _by_gpu(found, "sbatch")
    (gpu_step,), (cpu_step,) = _by_gpu(found, "srun")
    inside = {call.words[-4]: call for call in found if call.tool == "apptainer"}
    yield {
        "gpu": Lines(project, gpu_batch, gpu_step, inside["images/gpu.sif"]),
        "cpu": Lines(project, cpu_batch, cpu_step, inside["images/cpu.sif"]),
    }


def _by_gpu(found: list[Call], tool: str) -> tuple[list[list[str]], list[list[str]]]:
    """The words of the calls of `tool` that ask for GPUs, and of those that do not."""
    words = [call.words for call in found if call.tool == tool]
    asks = [any(word.startswith("--gpus") for word in line) for line in words]
    pairs = list(zip(words, asks, strict=True))
    return [line for line, gpus in pairs if gpus], [line for line, gpus in pairs if not gpus]


def _make_present(home: Path) -> None:
    """Images and earlier outputs, empty and of increasing age: these jobs look at none of them."""
    (home / "images").mkdir()
    for kind in ("cpu", "gpu"):
        (home / f"images/{kind}.sif").write_text(f"the {kind} image\n")
    for age, names in enumerate(PRESENT):
        for path in (home / "results/paper" / name for name in names):
            path.parent.mkdir(parents=True, exist_ok=True)
            files = [path, path.with_name(f"{path.name}.prov.json")]
            for file in files:
                if not file.exists():
                    file.touch()
                os.utime(file, (1_700_000_000 + age, 1_700_000_000 + age))


def _options(project: SlurmProject, sbatch: list[str]) -> list[str]:
    """sbatch's words without the wrapped command, the run's id and the checkout's path made plain."""
    words = [word for word in sbatch if not word.startswith("--wrap=")]
    plain = [re.sub(r"piretry_[0-9a-f-]{36}", "piretry_RUN", word) for word in words]
    return [word.replace(str(project.home), "CHECKOUT") for word in plain]


def test_the_sbatch_line_of_a_gpu_job(recorded: dict[str, Lines]) -> None:
    lines = recorded["gpu"]
    scale = load_project(lines.project.home, {"scale": "paper"}).scale
    asked = scale.asks("attempt", "small")
    logs = "CHECKOUT/.snakemake/slurm_logs/rule_shard/small_base_s42_attempts_0/%j.log"
    assert _options(lines.project, lines.sbatch) == [
        *("--parsable", "--job-name", "piretry_RUN", "--output", logs, "--export=ALL"),
        *("--comment", "rule_shard_wildcards_small_base_s42_attempts_0", "-A", "ai", "-p", "boost"),
        *("-t", str(asked.runtime), "--mem", str(asked.mem_mb), "--nodes=1", "--requeue"),
        *(f"--cpus-per-task={scale.engine.threads}", "-D", "CHECKOUT", f"--gpus=h100:{asked.gpus}"),
    ]
    assert asked.gpus >= 1


def test_the_sbatch_line_of_a_cpu_job(recorded: dict[str, Lines]) -> None:
    lines = recorded["cpu"]
    asked = load_project(lines.project.home, {"scale": "paper"}).scale.asks("judge")
    logs = "CHECKOUT/.snakemake/slurm_logs/rule_judge/train-size/%j.log"
    assert _options(lines.project, lines.sbatch) == [
        *("--parsable", "--job-name", "piretry_RUN", "--output", logs, "--export=ALL"),
        *("--comment", "rule_judge_wildcards_train-size", "-A", "ai", "-p", "compute"),
        *("-t", str(asked.runtime), "--mem", str(asked.mem_mb), "--nodes=1", "--requeue"),
        *("--ntasks=1", "--cpus-per-task=1", "-D", "CHECKOUT"),
    ]


@pytest.mark.parametrize("kind", ["gpu", "cpu"])
def test_the_job_runs_its_own_part_of_the_workflow_in_its_image(recorded: dict[str, Lines], kind: str) -> None:
    lines = recorded[kind]
    (wrapped,) = (word for word in lines.sbatch if word.startswith("--wrap="))
    for option in (
        "--deployment-method apptainer",
        "--config 'scale=paper'",
        "--retries 0",
        "--executor slurm-jobstep",
    ):
        assert option in wrapped
    assert "--gpus=1" in lines.srun if kind == "gpu" else not any("gpu" in word for word in lines.srun[:6])
    exec_, home, folder, *bound, image, shell, run, command = lines.apptainer.words
    assert [exec_, home, folder, image, shell, run] == [
        *("exec", "--home", str(lines.project.home), f"images/{kind}.sif", "bash", "-c")
    ]
    assert bound[0::2] == ["--bind"], "Snakemake's own cache and nothing else"
    stage, target = ("attempt", GPU_TARGET) if kind == "gpu" else ("judge", CPU_TARGET)
    log = re.sub(r"results/paper/(.*)\.(parquet|json)", r"results/paper/logs/\1.log", target)
    pattern = (
        rf"set -euo pipefail;  exec piretry {stage} --task '.+' --root results/paper --code [0-9a-f]{{64}} > {log} 2>&1"
    )
    assert re.fullmatch(pattern, command)


@pytest.mark.parametrize("kind", ["gpu", "cpu"])
def test_apptainer_gets_gpus_binds_and_caches_by_its_variables(recorded: dict[str, Lines], kind: str) -> None:
    lines = recorded[kind]
    variables = lines.apptainer.variables
    place = lines.project.home.parent
    assert variables["APPTAINER_NV"] == ("1" if kind == "gpu" else "0")
    assert f"{place / 'data'}:/data:ro" in variables["APPTAINER_BIND"].split(",")
    assert variables["APPTAINERENV_HF_HOME"] == str(place / "cache/huggingface")
    assert variables["APPTAINERENV_PYTHONNOUSERSITE"] == "1"
    for name in ("VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert variables[f"APPTAINERENV_{name}"].startswith(str(place / "cache/jobs/1/")), "of this job alone"
