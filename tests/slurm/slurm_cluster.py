"""A real two-node Slurm cluster for the tests, and Snakemake's Slurm executor beside the tests' environment.

The cluster comes from the shared tools beside the checkout and needs root and Debian's Slurm packages. The executor is
installed into a folder of its own that only these tests put on PYTHONPATH: with it installed, and no controller up,
every call of Snakemake would take ten seconds longer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT.parent / "shared/tools/slurm_cluster.sh"
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PACKAGES = "slurm-wlm slurmctld slurmd slurm-client munge"


class Unavailable(Exception):
    """Why this machine cannot run the cluster."""


@dataclass(frozen=True)
class SlurmJob:
    """A job as squeue shows it, ended ones too."""

    id: str
    state: str
    comment: str
    partition: str
    node: str


@dataclass(frozen=True)
class JobProcess:
    """A process of a job, or (`job` is None) of one of Slurm's daemons."""

    pid: int
    job: str | None
    words: tuple[str, ...]


class Cluster:
    """Two nodes on this host; all state lies in `home`."""

    def __init__(self, home: Path) -> None:
        if not SCRIPT.is_file():
            raise Unavailable(f"{SCRIPT} is not there: the shared tools lie beside the checkout on some machines only")
        if os.geteuid() != 0:
            raise Unavailable("a Slurm cluster of one's own needs root")
        search = f"{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
        lacking = [name for name in NEEDED if shutil.which(name, path=search) is None]
        if lacking:
            raise Unavailable(f"{', '.join(lacking)} not found: apt-get install --no-install-recommends {PACKAGES}")
        self.home = home
        self._settings = {
            **os.environ,
            "PATH": search,
            "SLURMTEST_DIR": str(home),
            "SLURMTEST_CTLD_PORT": str(_free_ports(1)),
            "SLURMTEST_NODE_PORT0": str(_free_ports(3)),
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))},
            "PATH": f"{home / 'bin'}{os.pathsep}{search}",
        }

    def start(self) -> None:
        self._script("start", "--no-dbd")
        # Tests ask how a job ended after a run that may be slow: the controller is to remember it for longer.
        conf = self.home / "etc/slurm.conf"
        conf.write_text(conf.read_text().replace("MinJobAge=300", "MinJobAge=3600"))
        self.run("scontrol", "reconfigure")
        assert "MinJobAge               = 3600" in self.run("scontrol", "show", "config")

    def stop(self) -> None:
        """Stop the daemons, and what they could not end: here no cgroup holds the processes of a job together."""
        self._script("stop")
        for process in self.processes():
            if process.job is not None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

    def run(self, *command: str) -> str:
        """The output of one of Slurm's commands."""
        done = self._told(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def start_now(self, job: SlurmJob) -> None:
        """Let a job that waits wait no longer; one that has started meanwhile is left alone."""
        done = self._told("scontrol", "update", f"JobId={job.id}", "StartTime=now")
        assert done.returncode == 0 or "no longer pending" in done.stderr, done.stderr

    def _told(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)

    def jobs(self) -> list[SlurmJob]:
        """Every job that the controller remembers, in the order of submission."""
        told = self.run("squeue", "--noheader", "--states=all", "--format=%i|%T|%k|%P|%N")
        rows = [line.split("|") for line in told.splitlines()]
        return sorted((SlurmJob(*row) for row in rows), key=lambda job: int(job.id))

    def job(self, number: str) -> SlurmJob:
        return next(job for job in self.jobs() if job.id == number)

    def processes(self) -> Iterator[JobProcess]:
        """Every process that the daemons of this cluster have started."""
        mine = f"SLURM_CONF={self.home / 'etc/slurm.conf'}"
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if mine in variables:
                job = next((text.partition("=")[2] for text in variables if text.startswith("SLURM_JOB_ID=")), None)
                yield JobProcess(int(entry.name), job, tuple(words))

    def is_on_a_node(self, job: SlurmJob) -> bool:
        """Whether a node still holds the job, ended or not."""
        return any(process.words[0].startswith(f"slurmstepd: [{job.id}.") for process in self.processes())

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """slurmctld is down inside the block."""
        pid_file = self.home / "pid/slurmctld.pid"
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for("slurmctld to end", lambda: not Path(f"/proc/{pid}").exists(), 30)
        try:
            yield
        finally:
            conf = {**self._settings, "SLURM_CONF": str(self.home / "etc/slurm.conf")}
            subprocess.run(["slurmctld"], env=conf, check=True, capture_output=True)
            wait_for("slurmctld to answer", self._answers, 30)

    def _answers(self) -> bool:
        done = subprocess.run(["scontrol", "ping"], env=self.environment, capture_output=True, text=True)
        return "is UP" in done.stdout

    def _script(self, *arguments: str) -> None:
        done = subprocess.run(
            ["bash", str(SCRIPT), *arguments], env=self._settings, capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise Unavailable(f"the cluster did not {arguments[0]}: {(done.stdout + done.stderr)[-1500:]}")


def install_plugin(folder: Path) -> Path | None:
    """Put the pinned Slurm executor into `folder`; None where this environment has it already."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        return None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    _install(folder, project["optional-dependencies"]["slurm"])
    # It brings one more plugin along; whatever else it needs, Snakemake's own environment has.
    needed = [line for found in importlib.metadata.distributions(path=[str(folder)]) for line in found.requires or ()]
    _install(folder, [line for line in needed if line.startswith("snakemake-executor-plugin")])
    return folder


def _install(folder: Path, requirements: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-q", "--no-deps"]
    command += ["-c", str(ROOT / "envs/constraints.txt"), "--target", str(folder), *requirements]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise Unavailable(f"Snakemake's Slurm executor could not be installed: {done.stderr[-800:]}")


def wait_for(what: str, there: Callable[[], object], seconds: float, step: float = 0.1) -> None:
    """Return when `there()` is true; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(step)


def _free_ports(count: int) -> int:
    """The first of `count` ports in a row that nothing listens on."""
    for start in range(17000 + os.getpid() % 500 * 10, 32000, count + 1):
        try:
            for port in range(start, start + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return start
    raise Unavailable("no free ports")
