"""`piretry init slurm`: what it reads from Slurm, asks, writes, refuses and finds missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from slurm_cluster import ROOT

from piretry.errors import PiretryError
from piretry.settings.load import load
from piretry.settings.site import SiteSettings
from piretry.slurm import checks, cluster, init
from piretry.slurm.site_files import TEMPLATE

SINFO = """\
short*|(null)|128000|4:00:00
long|(null)|256000|7-00:00:00
boost|gpu:h100:8(S:0-1)|1024000|2-00:00:00
boost|(null)|64000|2-00:00:00
debug|gpu:2|32000|infinite
"""
NOTHING = dict.fromkeys(("account", "cpu_partition", "gpu_partition", "gpu_model", "gpu_memory", "gpus_per_node"), None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout on a submit host: sinfo, sacctmgr, scontrol and sbatch answer."""
    checkout = tmp_path / "checkout"
    (checkout / TEMPLATE).parent.mkdir(parents=True)
    shutil.copy(ROOT / TEMPLATE, checkout / TEMPLATE)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {
        "sinfo": SINFO,
        "sacctmgr": "ai\nphysics\nai\n",
        "scontrol": "MinJobAge = 300 sec\n",
        "sbatch": "",
    }.items():
        (programs / f"{name}.txt").write_text(text)
        (programs / name).write_text(f"#!/bin/sh\ncat {programs / name}.txt\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    cluster.partitions.cache_clear()
    cluster.accounts.cache_clear()
    return checkout


def test_partitions_are_read_from_sinfo(home: Path) -> None:
    found = {partition.name: partition for partition in cluster.partitions()}
    assert list(found) == ["short", "long", "boost", "debug"]
    assert found["short"].default
    assert (found["boost"].gpus, found["boost"].gpu_model, found["boost"].mem_mb) == (8, "h100", 1024000)
    assert (found["debug"].gpus, found["debug"].gpu_model, found["debug"].minutes) == (2, None, None)
    assert found["long"].minutes == 7 * 24 * 60


@pytest.mark.parametrize(
    ("gres", "expected"),
    [
        ("(null)", (0, None)),
        ("gpu:4", (4, None)),
        ("gpu:a100_3g.20gb:2(S:0)", (2, "a100_3g.20gb")),
        ("shard:h100:80,gpu:h100:8(S:0-1)", (8, "h100")),
        ("gpu:h100:4,gpu:v100:2", (6, "h100")),
    ],
)
def test_gres_is_read(gres: str, expected: tuple[int, str | None]) -> None:
    assert cluster.gpus_of(gres) == expected


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("30:00", 30), ("1:30:00", 90), ("2-00:00:00", 2880), ("0:30", 1), ("infinite", None), ("n/a", None)],
)
def test_time_limits_are_read(limit: str, minutes: int | None) -> None:
    assert cluster.minutes_of(limit) == minutes


def test_what_slurm_tells_is_offered_and_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = init.init_slurm(home, NOTHING, ask=None, scale="paper")
    site = load(SiteSettings, home / "slurm/site.yaml")
    assert site.account == "ai"
    assert (site.partitions.cpu, site.partitions.gpu) == ("short", "boost")
    assert (site.gpu.model, site.gpu.memory_gb, site.gpu.per_node) == ("h100", 80, 8)
    assert (site.limits.mem_mb, site.limits.runtime) == (128000, 240)
    profile = yaml.safe_load((home / "slurm/config.yaml").read_text())
    assert profile == {**yaml.safe_load((ROOT / TEMPLATE).read_text()), "config": ["scale=paper"]}
    assert status == 1, "images, at least, are missing here"
    assert "MISSING The CPU image images/cpu.sif is not built yet" in capsys.readouterr().out


def test_the_site_file_describes_every_key(home: Path) -> None:
    init.init_slurm(home, NOTHING, ask=None, scale="paper")
    lines = (home / "slurm/site.yaml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if ":" in line and not line.lstrip().startswith("#")]
    undescribed = [lines[number] for number in keys if not lines[number - 1].lstrip().startswith("#")]
    assert undescribed == ["partitions:", "gpu:", "images:", "limits:"]


def test_a_person_is_asked_and_may_take_what_is_offered(home: Path) -> None:
    questions: list[str] = []
    answers = iter(["physics", "", "", "", "94", "4", "", "2880", "/scratch, /data:/data:ro", "/cache", "", ""])

    def ask(text: str) -> str:
        questions.append(text)
        return next(answers)

    init.init_slurm(home, NOTHING, ask=ask, scale="paper")
    site = load(SiteSettings, home / "slurm/site.yaml")
    assert (site.account, site.partitions.gpu, site.gpu.memory_gb, site.gpu.per_node) == ("physics", "boost", 94, 4)
    assert site.binds == ["/scratch", "/data:/data:ro"]
    assert site.limits.runtime == 2880
    assert questions[0] == "Slurm account that pays; yours are ai, physics (- for none) [ai]: "
    assert "short, long, boost, debug" in questions[1]


def test_what_cannot_be_told_must_be_given(home: Path) -> None:
    with pytest.raises(PiretryError, match="Give --gpu-memory"):
        init.init_slurm(home, {**NOTHING, "gpu_model": "a100"}, ask=None, scale="paper")
    assert not (home / "slurm").exists()


def test_a_closed_standard_input_is_said(home: Path) -> None:
    def ask(text: str) -> str:
        raise EOFError

    with pytest.raises(PiretryError, match="no answer on standard input"):
        init.init_slurm(home, NOTHING, ask=ask, scale="paper")


def test_a_bad_answer_is_named_with_its_key(home: Path) -> None:
    with pytest.raises(PiretryError, match=r"gpu\.memory_gb"):
        init.init_slurm(home, {**NOTHING, "gpu_memory": "eighty"}, ask=None, scale="paper")
    assert not (home / "slurm").exists()


def test_files_that_are_there_are_kept(home: Path) -> None:
    init.init_slurm(home, NOTHING, ask=None, scale="paper")
    before = (home / "slurm/site.yaml").read_text()
    with pytest.raises(PiretryError, match="--overwrite"):
        init.init_slurm(home, {**NOTHING, "account": "other"}, ask=None, scale="paper")
    assert (home / "slurm/site.yaml").read_text() == before
    init.init_slurm(home, {**NOTHING, "account": "other"}, ask=None, scale="paper", overwrite=True)
    assert load(SiteSettings, home / "slurm/site.yaml").account == "other"


def test_a_controller_that_forgets_soon_is_asked_sooner(home: Path) -> None:
    (home.parent / "bin/scontrol.txt").write_text("MinJobAge = 60 sec\n")
    init.init_slurm(home, NOTHING, ask=None, scale="paper")
    profile = yaml.safe_load((home / "slurm/config.yaml").read_text())
    assert profile["slurm-init-seconds-before-status-checks"] == 20


def test_the_checks_name_what_is_wrong_and_how_to_mend_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = _site(home)
    wrong = site.model_copy(
        update={
            "partitions": site.partitions.model_copy(update={"gpu": "bost"}),
            "binds": ["/not/there:/data"],
        }
    )
    told = "\n".join(finding.line() for finding in checks.check_all(wrong, home))
    assert "partitions.gpu is 'bost', which sinfo does not show. Did you mean 'boost'?" in told
    assert "/not/there of binds is not there" in told
    (home.parent / "bin/scontrol.txt").write_text("MinJobAge = 10 sec\n")
    monkeypatch.setattr(checks, "file_system", lambda place: "tmpfs")
    told = "\n".join(finding.line() for finding in checks.check_all(site, home))
    assert "Slurm forgets an ended job after 10 s" in told
    assert "lies on tmpfs, which only this host sees" in told


def test_a_host_without_slurm_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = _site(home)
    monkeypatch.setenv("PATH", "/nowhere")
    cluster.partitions.cache_clear()
    told = "\n".join(finding.line() for finding in checks.check_all(site, home))
    assert "MISSING sbatch is not on PATH" in told
    assert "MISSING Neither apptainer nor singularity" in told


def _site(home: Path) -> SiteSettings:
    init.init_slurm(home, NOTHING, ask=None, scale="paper")
    return load(SiteSettings, home / "slurm/site.yaml")
