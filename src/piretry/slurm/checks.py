"""What a run on the cluster needs from its surroundings, checked one by one, each with the way to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from piretry.errors import nearest
from piretry.settings.site import SiteSettings
from piretry.slurm import cluster

PLUGIN = "snakemake-executor-plugin-slurm"
NODE_FILE_SYSTEMS = ("tmpfs", "ramfs", "overlay")  # certainly seen by one host alone


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is as it must be, and a sentence that says so or how to mend it."""

    ok: bool
    sentence: str

    def line(self) -> str:
        """The finding on one line."""
        return f"{'ok     ' if self.ok else 'MISSING'} {self.sentence}"


def check_all(site: SiteSettings, home: Path, probe: bool = False) -> list[Finding]:
    """Look at everything.

    Args:
        site: the cluster's settings.
        home: the checkout, in which Snakemake will run.
        probe: also run a small job in each partition, which looks from a node. It waits in the queue.
    """
    findings = [_plugin(), *_slurm(), *_partitions(site), _apptainer(), *_folders(site, home)]
    if probe and all(finding.ok for finding in findings[:3]):
        findings += [_probe(site, home, partition) for partition in (site.partitions.cpu, site.partitions.gpu)]
    return findings


def min_job_age() -> int | None:
    """Seconds for which the controller remembers an ended job; None when it does not tell."""
    match = re.search(r"^MinJobAge\s*=\s*(\d+)", cluster.ask("scontrol", "show", "config") or "", re.MULTILINE)
    return int(match[1]) if match else None


def _plugin() -> Finding:
    pinned = next(
        (
            match[1]
            for line in importlib.metadata.requires("piretry") or ()
            if (match := re.match(rf"{PLUGIN}==([^;\s]+)", line))
        ),
        None,
    )
    mend = 'Install it into this environment: pip install -c envs/constraints.txt -e ".[slurm]".'
    try:
        version = importlib.metadata.version(PLUGIN)
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, f"Snakemake's Slurm executor ({PLUGIN}) is not installed. {mend}")
    if pinned is not None and version != pinned:
        return Finding(False, f"{PLUGIN} {version} is installed, and {pinned} is the tested version. {mend}")
    return Finding(True, f"Snakemake's Slurm executor is installed ({PLUGIN} {version}).")


def _slurm() -> Iterator[Finding]:
    if shutil.which("sbatch") is None:
        yield Finding(False, "sbatch is not on PATH. Work on a submit host of the cluster, or load its Slurm module.")
        return
    yield Finding(True, f"sbatch is {shutil.which('sbatch')}.")
    age = min_job_age()
    if age is None:
        yield Finding(
            False,
            "Slurm's controller does not answer `scontrol show config`. It may be down for maintenance.",
        )
    elif age < 60:
        yield Finding(
            False,
            f"Slurm forgets an ended job after {age} s (MinJobAge), too soon to see by squeue how it ended. With an "
            "accounting database, set `slurm-status-command: sacct` in slurm/config.yaml; else ask for 300 s.",
        )
    else:
        yield Finding(True, f"Slurm's controller answers; it remembers ended jobs for {age} s.")


def _partitions(site: SiteSettings) -> Iterator[Finding]:
    known = {partition.name: partition for partition in cluster.partitions()}
    if not known:
        return  # said already: no answer
    for kind, name in (("CPU", site.partitions.cpu), ("GPU", site.partitions.gpu)):
        if name is not None and name not in known:
            yield Finding(
                False,
                f"partitions.{kind.lower()} is {name!r}, which sinfo does not show.{nearest(name, known)}",
            )
    gpu = known.get(site.partitions.gpu or "")
    if gpu is None:
        return
    if gpu.gpus == 0:
        yield Finding(False, f"No node of partition {gpu.name} has GPUs, by sinfo. Mend partitions.gpu.")
    elif site.gpu.per_node > gpu.gpus:
        yield Finding(
            False, f"gpu.per_node is {site.gpu.per_node}, but nodes of {gpu.name} have {gpu.gpus} GPUs, by sinfo."
        )
    elif site.gpu.model and gpu.gpu_model and site.gpu.model != gpu.gpu_model:
        yield Finding(
            False, f"gpu.model is {site.gpu.model!r}, but sinfo shows {gpu.gpu_model!r} in partition {gpu.name}."
        )
    else:
        yield Finding(
            True, f"Partition {gpu.name} has nodes with {gpu.gpus} GPUs ({gpu.gpu_model or 'no model named'})."
        )


def _apptainer() -> Finding:
    found = shutil.which("apptainer") or shutil.which("singularity")
    if found:
        return Finding(True, f"Images are run by {found}.")
    return Finding(
        False,
        "Neither apptainer nor singularity is on PATH: Snakemake needs it here as well as on the nodes. Load the "
        "cluster's module.",
    )


def _folders(site: SiteSettings, home: Path) -> Iterator[Finding]:
    for what, folder in (("checkout", home.absolute()), ("cache", Path(site.cache))):
        near = next(place for place in (folder, *folder.parents) if place.exists())
        kind = file_system(near)
        if not os.access(near, os.W_OK | os.X_OK):
            yield Finding(False, f"The {what} folder {folder} cannot be written: {near} belongs to another user.")
        elif kind in NODE_FILE_SYSTEMS:
            yield Finding(
                False,
                f"The {what} folder {folder} lies on {kind}, which only this host sees. Choose one on the file system "
                "that all nodes share.",
            )
        else:
            yield Finding(True, f"The {what} folder {folder} can be written ({kind}).")
    for bind in site.binds:
        source = Path(bind.split(":", 1)[0])
        if not source.exists():
            yield Finding(False, f"The folder {source} of binds is not there. Apptainer would refuse every job.")
    for kind, image in (("CPU", site.images.cpu), ("GPU", site.images.gpu)):
        if not (home / image).exists():
            yield Finding(False, f"The {kind} image {image} is not built yet: `snakemake images` builds it.")


def file_system(place: Path) -> str:
    """The type of the file system that `place` lies on, by /proc/mounts."""
    best, kind = "", "unknown"
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return kind
    for line in mounts:
        _, point, this, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if place.absolute().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, this
    return kind


def _probe(site: SiteSettings, home: Path, partition: str | None) -> Finding:
    """A small job that looks from a node: are checkout, this Python and apptainer there, can the cache be written?"""
    tests = {
        f"the checkout {home.absolute()}": f"test -w {shlex.quote(str(home.absolute()))}",
        f"this Python {sys.executable}": f"test -x {shlex.quote(sys.executable)}",
        "apptainer or singularity": "command -v apptainer >/dev/null || command -v singularity >/dev/null",
        f"the cache {site.cache}": f"mkdir -p {shlex.quote(site.cache)} && test -w {shlex.quote(site.cache)}",
    }
    script = "; ".join(f"{{ {test}; }} || echo {shlex.quote(what)}" for what, test in tests.items())
    command = ["srun", "--ntasks=1", "--mem=300", "--time=2", "--job-name=piretry_probe", "--quiet"]
    command += [f"--partition={partition}"] if partition else []
    command += [f"--account={site.account}"] if site.account else []
    command += ["--gpus=1"] if partition is not None and partition == site.partitions.gpu else []
    where = f"partition {partition}" if partition else "the default partition"
    try:
        done = subprocess.run([*command, "sh", "-c", script], capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(False, f"The probing job in {where} did not end ({error}).")
    if done.returncode:
        return Finding(False, f"The probing job in {where} failed: {done.stderr.strip() or done.returncode}.")
    lacking = ", ".join(done.stdout.split("\n")).strip(", ")
    if lacking:
        return Finding(False, f"A node of {where} does not see, or cannot write: {lacking}.")
    return Finding(True, f"A node of {where} sees the checkout, this Python, apptainer and the cache.")
