"""What `piretry recover` sees, refuses and removes; Slurm's part is in test_slurm_faults.py."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.provenance.root import OutputLock
from piretry.slurm import adopt, recover, traces

RUN = "piretry_01234567-89ab-cdef-0123-456789abcdef"
Queue = Callable[[str, int], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a Snakemake was killed: its log and its lock are there."""
    home = tmp_path / "checkout"
    (home / ".snakemake/log").mkdir(parents=True)
    (home / ".snakemake/locks").mkdir()
    (home / ".snakemake/locks/0.output.lock").write_text("results/mini/a\n")
    _log(home, socket.gethostname())
    (home / "Snakefile").write_text("rule all:\n    input: []\n")
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """Sets what squeue prints and its exit status."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def answer(text: str, status: int = 0) -> None:
        program = programs / "squeue"
        program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\nexit {status}\n")
        program.chmod(0o755)

    return answer


def _log(home: Path, host: str) -> None:
    text = f"SNAKEMAKE\n  Host: {host}\n  Command: /x/bin/snakemake --profile slurm all\nSLURM run ID: {RUN}\n"
    (home / ".snakemake/log/2026-01-01T000000.000001.snakemake.log").write_text(text)


def test_an_empty_queue_is_followed_by_the_unlock(
    folder: Path, queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    queue("")
    done = recover.recover(folder, [], None)
    assert done.unlocked
    assert not traces.is_locked(folder)
    told = capsys.readouterr().out
    assert "No job of this folder is in Slurm's queue" in told
    assert "snakemake --profile slurm all" in told


def test_a_silent_controller_is_no_empty_queue(folder: Path, queue: Queue) -> None:
    queue("slurm_load_jobs error: Unable to contact slurm controller", 1)
    with pytest.raises(PiretryError, match="squeue did not answer"):
        recover.recover(folder, [], "cancel")
    assert traces.is_locked(folder)


def test_jobs_without_a_decision_leave_everything_as_it_is(folder: Path, queue: Queue) -> None:
    queue(f"7|{RUN}|RUNNING|node1|{folder}|rule_attempt_wildcards_small_base_s42\n")
    with pytest.raises(PiretryError, match="--cancel"):
        recover.recover(folder, [], None)
    assert traces.is_locked(folder)


def test_jobs_are_known_by_name_or_by_folder_and_comment(folder: Path, queue: Queue) -> None:
    queue(
        f"1|{RUN}|RUNNING|node1|/elsewhere|rule_a\n"
        f"2|another-name|PENDING||{folder}|rule_b_wildcards_x\n"
        f"3|another-name|RUNNING|node1|{folder}|(null)\n"
        f"4|another-name|RUNNING|node1|/elsewhere|rule_c\n"
    )
    found = recover.orphans(folder, traces.slurm_runs(folder))
    assert [job.id for job in found] == ["1", "2"]


def test_another_host_must_be_looked_at_first(folder: Path, queue: Queue) -> None:
    queue("")
    _log(folder, "login-seven")
    with pytest.raises(PiretryError, match="ran on login-seven"):
        recover.recover(folder, [], None)
    assert traces.is_locked(folder)
    assert recover.recover(folder, [], None, other_host_checked=True).unlocked


def test_nothing_is_touched_while_snakemake_is_at_work(folder: Path, queue: Queue) -> None:
    queue("")
    script = "import time; print('up', flush=True); time.sleep(60)"
    program = folder / "snakemake"
    program.write_text(script)
    with subprocess.Popen([sys.executable, str(program), "all"], cwd=folder, stdout=subprocess.PIPE) as working:
        assert working.stdout is not None
        assert working.stdout.readline() == b"up\n"
        try:
            with pytest.raises(PiretryError, match=f"process {working.pid}"):
                recover.recover(folder, [], None)
        finally:
            working.kill()
    assert traces.is_locked(folder)


def test_unfinished_outputs_and_their_jobs_are_read_from_snakemakes_marks(folder: Path) -> None:
    long = "results/mini/" + "/".join(["a-very-long-folder-name"] * 12) + "/x.parquet"
    for output, job in (("results/mini/é.parquet", "12"), (long, None)):
        mark = folder / ".snakemake/incomplete" / traces._encode(output)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"external_jobid": job}))
    short = base64.urlsafe_b64encode("results/mini/é.parquet".encode()).decode()
    assert (folder / ".snakemake/incomplete" / short).is_file(), "as Snakemake spells it"
    assert traces.unfinished(folder) == {long: None, "results/mini/é.parquet": "12"}


def test_long_paths_are_spelt_as_snakemake_spells_them(tmp_path: Path) -> None:
    from snakemake.persistence.file import FilePersistence

    class Speller(FilePersistence):
        def __init__(self) -> None:
            self._max_len = None

    for output in ("results/a", "results/" + "b" * 200, "results/" + "c" * 600):
        theirs = Speller()._record_path(str(tmp_path), output)
        assert tmp_path / traces._encode(output) == Path(theirs)


def test_half_written_outputs_are_removed_unless_somebody_holds_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "small/base/s42"
    (state / ".partial/eval.parquet-0123").mkdir(parents=True)
    (state / ".tmp-0123456789ab-attempts.parquet").write_text("half")
    (state / ".tmp-0123456789ab-attempts.parquet.prov.json").write_text("half")
    (state / ".tmp-ba9876543210-model").mkdir()
    (state / "eval.parquet").write_text("no record")
    holder = "import sys\nfrom pathlib import Path\nfrom piretry.provenance.root import OutputLock\n"
    holder += "with OutputLock(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    command = [sys.executable, "-c", holder, str(state / "model")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        removed = recover._half_written(tmp_path)
        other.communicate(b"")
    assert removed == [
        "small/base/s42/.tmp-0123456789ab-attempts.parquet",
        "small/base/s42/.tmp-0123456789ab-attempts.parquet.prov.json",
    ]
    assert (state / ".tmp-ba9876543210-model").is_dir()
    assert (state / ".partial/eval.parquet-0123").is_dir()
    told = capsys.readouterr().out
    assert "being written by another job" in told
    assert "eval.parquet has no provenance record" in told
    with OutputLock(state / "model"):
        pass


def test_what_a_killed_job_left_names_the_output_that_goes_on(tmp_path: Path) -> None:
    root = Path("results/mini")
    for name in ("attempts.parquet-0123456789abcdef", "retries-bare.by-medium.parquet-00", "done.parquet-ff"):
        (tmp_path / root / "small/base/s42/.partial" / name).mkdir(parents=True)
    (tmp_path / root / "small/base/s42/done.parquet").touch()
    assert recover.resumable(tmp_path, root) == [
        "results/mini/small/base/s42/attempts.parquet",
        "results/mini/small/base/s42/retries-bare.by-medium.parquet",
    ]


def test_the_options_that_decide_how_the_workflow_is_read_are_kept() -> None:
    command = [
        "snakemake",
        "all",
        "--profile",
        "slurm",
        "--jobs",
        "3",
        "--config",
        "scale=mini",
        "seeds=x",
        "-n",
        "--sdm",
        "apptainer",
        "--forcerun",
        "a",
        "b",
    ]
    kept = ["--profile", "slurm", "--config", "scale=mini", "seeds=x", "--sdm", "apptainer"]
    assert adopt.kept_options(command) == kept
    assert adopt.kept_options(["snakemake", "--profile=slurm", "all"]) == ["--profile=slurm"]
