"""Faults on a real cluster, one after another in one workflow: it ends with the tables of an undisturbed local run.

The tests run in the order of this file and share one project. A job that is to be hit is stopped as soon as it has kept
something to resume from, so that the fault meets it halfway however fast the machine is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from slurm_cluster import Cluster, SlurmJob, wait_for
from slurm_project import SlurmProject, make_project

from piretry.provenance.model import Record, read_record
from piretry.slurm.traces import is_locked

pytestmark = pytest.mark.slow
BASE = "small/base/s42"
CELL = "small/retry-full/k1/bare/r1/s42"
OTHER = "small/rejection-full/k3/none/r1/s42"
THIRD = "small/cross-full/k1/bare/r1/s42"
TABLES = [f"results/mini/tables/{name}.csv" for name in ("k_ablation", "teacher", "validity")]
PATIENCE = 240  # seconds; a machine that does other things, too, is slow


@dataclass(frozen=True)
class Victim:
    """A job that a fault will hit: its rule and wildcards, and what it keeps below the results to go on from."""

    rule: str
    wildcards: str
    kept: str

    @property
    def comment(self) -> str:
        """What the executor writes into the comment of the Slurm job."""
        return f"rule_{self.rule}_wildcards_{self.wildcards.replace('/', '_')}"


def sampling(rule: str, state: str, table: str, more: str = "") -> Victim:
    return Victim(rule, f"{state}{more}", f"{state}/.partial/{table}.parquet-*/*.jsonl")


KILLED = sampling("attempt", BASE, "attempts")
CANCELLED = sampling("retry", BASE, "retries-bare", "_bare")
SLOW_SAMPLING = sampling("evaluate", BASE, "eval")
SLOW_TRAINING = Victim("train", CELL, f"{CELL}/.partial/model-*/checkpoint-*/trainer_state.json")
ON_A_LOST_NODE = sampling("evaluate", CELL, "eval")
PREEMPTED = sampling("evaluate", OTHER, "eval")
BYSTANDER = sampling("evaluate", THIRD, "eval")


class Story:
    """The project on the cluster and the Snakemake that is at work in it.

    A thread stops (SIGSTOP) every victim that has kept something, again after a requeue, until its test has come.
    """

    def __init__(self, project: SlurmProject, cluster: Cluster) -> None:
        self.project = project
        self.cluster = cluster
        self.snakemake: subprocess.Popen[bytes] | None = None
        self.failed = False
        self._logs = 0
        self._waiting = {KILLED, CANCELLED, SLOW_SAMPLING, SLOW_TRAINING, ON_A_LOST_NODE, PREEMPTED, BYSTANDER}
        self._stopped: dict[Victim, tuple[str, tuple[int, ...]]] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def start(self, *targets: str) -> None:
        """Start `snakemake --profile slurm` in the background."""
        self._logs += 1
        self.snakemake = self.project.start(*targets, log=self._log)

    def finish(self) -> None:
        """Wait for Snakemake's good end."""
        assert self.snakemake is not None
        assert self.snakemake.wait(PATIENCE) == 0, self._log.read_text()[-6000:]

    def kill(self) -> None:
        """kill -9 of Snakemake."""
        assert self.snakemake is not None
        assert self.snakemake.poll() is None, self._log.read_text()[-6000:]
        os.kill(self.snakemake.pid, signal.SIGKILL)
        self.snakemake.wait()
        self.snakemake = None

    def close(self) -> None:
        self._over.set()
        self._watcher.join()
        if self.snakemake is not None and self.snakemake.poll() is None:
            self.snakemake.send_signal(signal.SIGINT)
            self.snakemake.wait(60)
        self.cluster.run("scancel", "--user=root")

    def caught(self, victim: Victim) -> SlurmJob:
        """Wait until `victim` is stopped halfway; its running job, which is not stopped again after this."""

        def there() -> bool:
            self._still_at_work()
            job, processes = self._stopped.get(victim, ("", ()))
            return all(map(_is_stopped, processes)) and bool(job) and self.cluster.job(job).state == "RUNNING"

        wait_for(f"{victim.comment} to be halfway", there, PATIENCE)
        with self._guard:
            self._waiting.remove(victim)
        return self.cluster.job(self._stopped[victim][0])

    def let_go_on(self, victim: Victim) -> None:
        """End the stop of a victim."""
        for process in self._stopped[victim][1]:
            os.kill(process, signal.SIGCONT)

    def until_ended(self, job: SlurmJob, state: str) -> None:
        wait_for(f"job {job.id} to be {state}", lambda: self.cluster.job(job.id).state == state, PATIENCE, step=0.5)

    def until_made(self, path: str) -> Record:
        """Wait for an output; its provenance record."""

        def made() -> bool:
            self._still_at_work()
            return (self.project.results / path).exists()

        wait_for(path, made, PATIENCE, step=0.5)
        return read_record(self.project.results / f"{path}.prov.json")

    def until_it_runs_again(self, job: SlurmJob) -> None:
        """Spare the test the two minutes for which Slurm holds requeued jobs back, as an administrator would.

        Not before the first copy has ended: a node refuses a second one, and is drained for it.
        """
        wait_for(f"the node to be done with job {job.id}", lambda: not self.cluster.is_on_a_node(job), PATIENCE)

        def running() -> bool:
            for other in self.cluster.jobs():
                if other.state == "PENDING":
                    self.cluster.start_now(other)
            return self.cluster.job(job.id).state in ("RUNNING", "COMPLETED")

        wait_for(f"job {job.id} to run again", running, PATIENCE, step=1.0)

    @property
    def _log(self) -> Path:
        return self.project.home / f"snakemake-{self._logs}.log"

    def _still_at_work(self) -> None:
        assert self.snakemake is None or self.snakemake.poll() in (None, 0), self._log.read_text()[-6000:]

    def _watch(self) -> None:
        while not self._over.wait(0.03):
            with self._guard:
                for victim in self._waiting:
                    if any(self.project.results.glob(victim.kept)):
                        self._stop(victim)

    def _stop(self, victim: Victim) -> None:
        for job, processes in _stages_at_work(self.cluster, victim.rule.partition("_")[0]).items():
            if self._stopped.get(victim) != (job, processes) and self.cluster.job(job).comment == victim.comment:
                for process in processes:
                    os.kill(process, signal.SIGSTOP)
                self._stopped[victim] = (job, processes)


@pytest.fixture(scope="module")
def story(cluster: Cluster, plugin: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The project, set up by `piretry init slurm` as a user would."""
    project = make_project(tmp_path_factory.mktemp("faults") / "project", cluster.environment, plugin)
    asked = ["--yes", "--scale", "mini", "--account", "", "--gpu-memory", "80", "--max-memory", "4000"]
    project.run("piretry", "init", "slurm", *asked, check=False)  # the images are missing, which it says
    project.edit("slurm/config.yaml", _quick)
    # Far too little for torch: the first attempt is killed, and the second one asks for six times as much.
    project.edit("scales/mini.yaml", lambda scale: scale["resources"].update(resample={**MEAGRE}))
    project.edit("scales/mini.yaml", lambda scale: scale.update(resource_growth=6.0))
    told = Story(project, cluster)
    yield told
    told.close()


MEAGRE = {"mem_mb": 300, "runtime": 10, "gpus": 0}


@pytest.fixture(autouse=True)
def _in_order(request: pytest.FixtureRequest, story: Story) -> Iterator[None]:
    """A fault that was not survived leaves nothing for the next ones to build on."""
    if story.failed:
        pytest.skip("an earlier test of this file failed")
    story.failed = True
    yield
    outcome = getattr(request.node, "outcome_of_call", None)
    story.failed = outcome != "passed"


def test_the_jobs_of_a_killed_snakemake_are_cancelled_and_go_on_later(story: Story) -> None:
    story.start(f"results/mini/{BASE}/attempts.parquet")
    job = story.caught(KILLED)
    story.kill()
    assert story.cluster.job(job.id).state == "RUNNING", "it goes on without Snakemake"

    again = story.project.run("piretry", "attempt", BASE, check=False)
    assert again.returncode == 2
    assert "is being written by another job" in again.stderr, "two jobs never write one output"
    undecided = story.project.run("piretry", "recover", check=False)
    assert undecided.returncode == 2
    assert "--cancel" in undecided.stderr
    assert f"{job.id} RUNNING" in undecided.stdout
    assert is_locked(story.project.home), "nothing is unlocked while jobs are there"

    told = story.project.run("piretry", "recover", "--cancel", "--poll", "1").stdout
    assert "Cancelled 1 jobs" in told
    assert "Unlocked" in told
    assert "attempts.parquet (goes on where it was)" in told
    assert story.cluster.job(job.id).state == "CANCELLED"
    assert not is_locked(story.project.home)


def test_after_recovery_a_plain_rerun_resumes(story: Story) -> None:
    story.start(*TABLES)
    record = story.until_made(f"{BASE}/attempts.parquet")
    assert record.cost.counters["completions_resumed"] >= 10
    assert record.cost.counters["completions"] + record.cost.counters["completions_resumed"] == 60


def test_a_cancelled_job_is_submitted_again_and_resumes(story: Story) -> None:
    job = story.caught(CANCELLED)
    story.cluster.run("scancel", job.id)
    story.until_ended(job, "CANCELLED")
    record = story.until_made(f"{BASE}/retries-bare.parquet")
    assert record.cost.counters["completions_resumed"] > 0
    assert record.machine.slurm_job != job.id


def test_a_job_out_of_memory_asks_for_more(story: Story) -> None:
    record = story.until_made(f"{BASE}/resamples.parquet")
    first, *_, last = [j for j in story.cluster.jobs() if j.comment == "rule_resample_wildcards_small_base_s42"]
    assert first.state in ("FAILED", "OUT_OF_MEMORY")
    assert record.machine.slurm_job == last.id
    assert [_memory(story.cluster, job) for job in (first, last)] == ["300M", "1800M"]


def test_the_time_limit_in_sampling_resumes(story: Story) -> None:
    job = story.caught(SLOW_SAMPLING)
    _end_soon(story.cluster, job)
    story.until_ended(job, "TIMEOUT")
    record = story.until_made(f"{BASE}/eval.parquet")
    assert record.cost.counters["completions_resumed"] >= 10
    assert record.machine.slurm_job != job.id


def test_a_preempted_job_is_requeued_and_resumes(story: Story) -> None:
    job = story.caught(PREEMPTED)
    urgent = ["--partition=high", "--nodes=2", "--exclusive", "--mem=300", "--time=5", "--wrap=sleep 2"]
    story.cluster.run("sbatch", "--parsable", "--output=/dev/null", *urgent)
    wait_for("the preemption", lambda: story.cluster.job(job.id).state != "RUNNING", PATIENCE)
    story.until_it_runs_again(job)
    record = story.until_made(f"{OTHER}/eval.parquet")
    assert record.cost.counters["completions_resumed"] >= 10
    assert record.machine.slurm_job == job.id, "the same job, requeued"


def test_the_time_limit_in_training_resumes(story: Story) -> None:
    job = story.caught(SLOW_TRAINING)
    _end_soon(story.cluster, job)
    story.until_ended(job, "TIMEOUT")
    record = story.until_made(f"{CELL}/model")
    assert record.machine.slurm_job != job.id
    assert record.cost.counters["resumed_at"] >= 1, "it goes on from the checkpoint and does not start again"


def test_a_job_whose_node_goes_down_runs_on_another_and_resumes(story: Story) -> None:
    job = story.caught(ON_A_LOST_NODE)
    # Drained as well: this cluster takes a node that is down back as soon as its daemon registers.
    for state in ("DRAIN", "DOWN"):
        story.cluster.run("scontrol", "update", f"NodeName={job.node}", f"State={state}", "Reason=test")
    try:
        wait_for("the requeue", lambda: story.cluster.job(job.id).state != "RUNNING", PATIENCE)
        story.until_it_runs_again(job)
        record = story.until_made(f"{CELL}/eval.parquet")
    finally:
        story.cluster.run("scontrol", "update", f"NodeName={job.node}", "State=RESUME")
    assert record.cost.counters["completions_resumed"] >= 10
    assert record.machine.slurm_job == job.id, "the same job, requeued"
    assert story.cluster.job(job.id).node != job.node


def test_a_restarted_controller_is_waited_for(story: Story) -> None:
    job = story.caught(BYSTANDER)
    with story.cluster.without_controller():
        time.sleep(5)
        assert story.snakemake is not None
        assert story.snakemake.poll() is None
    assert story.cluster.job(job.id).state == "RUNNING"
    story.let_go_on(BYSTANDER)
    story.finish()
    assert story.cluster.job(job.id).state == "COMPLETED"


def test_jobs_that_outlive_their_snakemake_are_waited_for(story: Story) -> None:
    story.start("all")
    wait_for("a last job", lambda: any(job.state == "RUNNING" for job in story.cluster.jobs()), PATIENCE)
    story.kill()
    told = story.project.run("piretry", "recover", "--wait", "--poll", "1").stdout
    assert "Waited for" in told
    assert "Snakemake has taken note of" in told
    story.start("all")
    story.finish()


def test_the_tables_are_those_of_an_undisturbed_local_run(story: Story, reference: SlurmProject) -> None:
    assert story.project.tables() == reference.tables()
    audit = story.project.run("piretry", "audit", "results/mini", check=False)
    assert audit.returncode == 0, audit.stdout
    assert not list(story.project.results.rglob(".tmp-*"))
    assert not list(story.project.results.rglob(".partial"))
    planned = story.project.run("snakemake", "-n", "all", "--cores", "1", "--workflow-profile", "none").stdout
    assert "Nothing to be done" in planned


def _quick(profile: dict[str, object]) -> None:
    """Without images, and with short waits: the jobs take seconds."""
    del profile["software-deployment-method"]
    profile["slurm-init-seconds-before-status-checks"] = 1
    profile["latency-wait"] = 10


def _stages_at_work(cluster: Cluster, stage: str) -> dict[str, tuple[int, ...]]:
    """Slurm job -> its processes of `piretry STAGE`."""
    found: dict[str, tuple[int, ...]] = {}
    for process in cluster.processes():
        is_stage = any(word.endswith("/piretry") for word in process.words[:2]) and stage in process.words[:3]
        if process.job is not None and is_stage:
            found[process.job] = (*found.get(process.job, ()), process.pid)
    return found


def _is_stopped(process: int) -> bool:
    """Whether a process is there and stopped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def _end_soon(cluster: Cluster, job: SlurmJob) -> None:
    """Move the job's own time limit to the next second: Slurm then ends it as it ends every job that is late."""
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
    cluster.run("scontrol", "update", f"JobId={job.id}", f"EndTime={end}")


def _memory(cluster: Cluster, job: SlurmJob) -> str:
    return cluster.run("squeue", "--noheader", "--states=all", f"--jobs={job.id}", "--format=%m").strip()
