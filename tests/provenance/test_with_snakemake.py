"""Publication and audit under the real Snakemake: touched outputs, folders, a killed job, a rerun by code digest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piretry.provenance.audit import audit
from piretry.provenance.code import code_digest
from piretry.provenance.hashing import FOLDER_TIMESTAMP
from piretry.provenance.model import trusted_record
from piretry.provenance.record import read_record, record_path

JOB = """
import os, signal, sys
from pathlib import Path
from piretry.provenance.record import Publication

stage, output, *inputs = sys.argv[1:]
root = Path("results/mini")
with Publication(root=root, stage=stage, target="small/base", outputs={"out": Path(output)},
                 inputs={Path(name).name: Path(name) for name in inputs}, modules=("piretry.errors",)) as job:
    out = job.temporary("out")
    if stage == "pretrain":
        out.mkdir()
        (out / "config.json").write_text("{}")
        (out / "weights").write_bytes(bytes(100_000))
    else:
        out.write_text(stage)
    if Path("kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
"""
SNAKEFILE = """
from piretry.provenance.code import code_digest
R = "results/mini/"
rule evaluate:
    input: R + "small/base/model"
    output: R + "small/base/s42/eval.parquet", R + "small/base/s42/eval.parquet.prov.json"
    params: code=config.get("code", code_digest(["piretry.errors"]))
    shell: "{sys.executable} job.py evaluate {output[0]} {input}"
rule pretrain:
    output: directory(R + "small/base/model"), R + "small/base/model.prov.json"
    params: code=code_digest(["piretry.errors"])
    shell: "{sys.executable} job.py pretrain {output[0]}"
"""
EVAL = "small/base/s42/eval.parquet"


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "Snakefile").write_text("import sys\n" + SNAKEFILE)
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_workflow_of_two_jobs(workflow: Path) -> None:
    root = workflow / "results" / "mini"
    model = root / "small" / "base" / "model"
    (workflow / "kill").touch()
    assert snakemake(workflow).returncode != 0
    assert not model.exists()
    (workflow / "kill").unlink()

    done = snakemake(workflow, "--rerun-incomplete")
    assert done.returncode == 0, done.stderr
    assert (model / FOLDER_TIMESTAMP).exists()
    assert not list(root.rglob(".tmp-*"))
    assert trusted_record(model) is not None  # so that the next job need not read the weights
    report = audit(root, lambda record: code_digest(record.modules))
    assert report.ok, report.text()
    assert report.artifacts == 2

    assert "Nothing to be done" in snakemake(workflow).stderr
    first, base = read_record(record_path(root / EVAL)), read_record(record_path(model))
    other = snakemake(workflow, "--config", "code=other")
    assert other.returncode == 0, other.stderr
    assert read_record(record_path(root / EVAL)).job != first.job
    assert read_record(record_path(model)) == base  # only the rule whose code changed ran again
