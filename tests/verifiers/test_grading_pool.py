"""Workers that die, write garbage, fall silent or never start: the pool answers every request all the same."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.verifiers.base import Verdict
from piretry.verifiers.pool import WorkerPool
from piretry.verifiers.process import Job, worker_command

_READY = "import sys, os, json, time\nout = sys.stdout.buffer\nout.write(b'{\"ready\": true}\\n'); out.flush()\n"
_LOOP = (
    "for line in sys.stdin.buffer:\n    job = json.loads(line)\n"
    "    ok = json.dumps({'n': job['n'], 'verdict': 'correct'}).encode() + b'\\n'\n"
)
JOBS: list[Job] = [("1", str(number)) for number in range(6)]


def _fake(body: str, before: str = _READY + _LOOP) -> list[str]:
    return [sys.executable, "-c", before + body]


def _on_answer_3(action: str) -> list[str]:
    """A worker that answers well, but does `action` when it is given the answer 3."""
    return _fake(f"    if job['answer'] == '3':\n        {action}\n    out.write(ok); out.flush()\n")


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("os._exit(0)", Verdict.error),
        ("os.kill(os.getpid(), 9)", Verdict.error),
        ("ok = b'this is no JSON\\n'", Verdict.error),
        ("ok = b'[' * 100000 + b'\\n'", Verdict.error),
        ('ok = b\'{"n": 1, "verdict": "correct"}\\n\' * 3', Verdict.error),
        ('ok = b\'{"verdict": "correct"}\\n\'', Verdict.error),
        ("ok = json.dumps({'n': job['n'], 'verdict': 'fine'}).encode() + b'\\n'", Verdict.error),
        ("ok = b'7\\n'", Verdict.error),
        ("ok = b'\\xff\\x00\\n'", Verdict.error),
        ("ok = b'x' * 10_000_000", Verdict.error),
        ("ok = b'{\"died\": 9}\\n'", Verdict.error),
        ("ok = b'{\"died\": 27}\\n'", Verdict.timeout),
        ("time.sleep(1000)", Verdict.timeout),
        ("os.close(1); os.close(0); time.sleep(1000)", Verdict.error),
    ],
)
def test_one_bad_request_costs_one_verdict(action: str, verdict: Verdict) -> None:
    pool = WorkerPool(_on_answer_3(action), workers=1, wall_s=1.0)
    try:
        expected = [verdict if answer == "3" else Verdict.correct for _, answer in JOBS]
        assert pool.run(JOBS) == expected
        assert pool.run(JOBS[:2]) == [Verdict.correct] * 2
    finally:
        pool.close()


def test_a_worker_that_does_not_read_cannot_block_the_parent() -> None:
    pool = WorkerPool(_fake("time.sleep(1000)\n", before=_READY), workers=1, wall_s=0.5)
    try:
        assert pool.run([("1", "x" * 1_000_000)]) == [Verdict.timeout]
    finally:
        pool.close()


def test_a_worker_that_speaks_while_idle_is_replaced() -> None:
    late = _fake(
        "    out.write(ok + (b'{\"n\": 2, \"verdict\": \"wrong\"}\\n' if job['n'] == 1 else b'')); out.flush()\n"
    )
    pool = WorkerPool(late, workers=1, wall_s=5.0)
    try:
        assert Verdict.wrong not in pool.run(JOBS)
    finally:
        pool.close()


@pytest.mark.parametrize(
    "command",
    [["false"], [sys.executable, "-c", "print('hello')"], [sys.executable, "-c", "import time; time.sleep(99)"]],
)
def test_workers_that_never_start_are_reported(command: list[str]) -> None:
    pool = WorkerPool(command, workers=2, wall_s=1.0, start_s=0.5)
    with pytest.raises(PiretryError, match="Run its command by hand"):
        pool.run(JOBS)


def test_a_command_that_does_not_exist_is_reported() -> None:
    with pytest.raises(PiretryError, match="cannot be started"):
        WorkerPool(["/no/such/python"], workers=1, wall_s=1.0).run(JOBS)


def test_a_worker_without_its_packages_says_so() -> None:
    command = [sys.executable, "-S", "-P", *worker_command(1.0, 9.0, 512, 10)[2:]]  # -S: no site-packages
    pool = WorkerPool(command, workers=1, wall_s=1.0)
    with pytest.raises(PiretryError, match="cannot start: ModuleNotFoundError"):
        pool.run(JOBS)


@pytest.fixture
def real() -> WorkerPool:
    pool = WorkerPool(worker_command(1.0, 30.0, 1024, 5), workers=2, wall_s=40.0)
    yield pool
    pool.close()


def test_no_jobs_start_nothing(real: WorkerPool) -> None:
    assert real.run([]) == [] and real.started == 0


def test_a_child_is_recycled_without_a_new_process(real: WorkerPool) -> None:
    jobs: list[Job] = [(r"\frac{1}{2}", f"{number}/4") for number in range(23)]
    assert real.run(jobs) == [Verdict.correct if number == 2 else Verdict.wrong for number in range(23)]
    assert real.started == 1


def test_the_processor_limit_ends_a_child_and_not_its_neighbours(real: WorkerPool) -> None:
    jobs: list[Job] = [(r"\frac{1}{2}", "0.5"), ("x=2", "(x+y+z+w)^{900}=5"), (r"\frac{1}{2}", "0.25")]
    assert real.run(jobs) == [Verdict.correct, Verdict.timeout, Verdict.wrong]
    assert real.started == 1


@pytest.mark.parametrize("action", ["raise SystemExit", "raise KeyboardInterrupt", "raise MemoryError", "{}[answer]"])
def test_an_exception_of_any_kind_is_an_error_and_a_clean_child(action: str) -> None:
    pool = WorkerPool(_real_around(action), workers=1, wall_s=60.0)
    try:
        assert pool.run([("1", "bad"), ("1", "1")]) == [Verdict.error, Verdict.correct]
        assert pool.started == 1
    finally:
        pool.close()


def test_the_memory_limit_gives_an_error_and_a_clean_child() -> None:
    pool = WorkerPool(_real_around("bytearray(4 << 30)"), workers=1, wall_s=60.0)
    try:
        assert pool.run([("1", "bad"), ("1", "1")]) == [Verdict.error, Verdict.correct]
        assert pool.started == 1
    finally:
        pool.close()


def _real_around(action: str) -> list[str]:
    """The real worker's supervisor and limits around a comparison that does `action` with the answer "bad"."""
    code = (
        "import argparse, os, time; from piretry.verifiers import worker\n"
        "options = argparse.Namespace(cpu_s=5.0, wall_s=0.5, memory_mb=512, recycle_after=10)\n"
        "def compare(gold, answer):\n"
        f"    if answer == 'bad': {action}\n"
        "    return 'correct'\n"
        "worker._send(1, {'ready': True})\n"
        "worker._supervise(lambda: worker._serve(1, options, compare), 1)\n"
    )
    return [sys.executable, "-c", code]


def test_more_workers_start_only_for_more_work() -> None:
    pool = WorkerPool(worker_command(5.0, 30.0, 1024, 1000), workers=2, wall_s=40.0)
    try:
        pool.run([(r"\frac{1}{2}", f"{number}/7") for number in range(50)])
        assert pool.started == 1
        pool.run([(r"\frac{1}{2}", f"{number}/9") for number in range(150)])
        assert pool.started == 2
    finally:
        pool.close()


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [other for child in children for other in _descendants(child)]


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="needs Linux's /proc children files"
)
@pytest.mark.parametrize("answer", ["x", "(x+y+z+w)^{900}=5"])
def test_workers_end_with_a_parent_that_is_killed(answer: str, tmp_path: Path) -> None:
    """Whether the child is idle or computing, nothing is left a few seconds after SIGKILL of the parent."""
    import subprocess

    code = (
        "import sys, time; from piretry.verifiers.pool import *; from piretry.verifiers.process import *\n"
        "pool = WorkerPool(worker_command(2.0, 9.0, 1024, 100), workers=1, wall_s=60.0)\n"
        f"pool.run([('y', 'x')]); print('up', flush=True); pool.run([('y=2', {answer!r})]); time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"up\n"
        workers = _descendants(parent.pid)
        assert len(workers) >= 2  # the worker and its child
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_alive, workers))


def test_a_child_that_sleeps_is_ended_by_its_own_alarm() -> None:
    """Without processor time the other limit never comes: the wall clock does."""
    pool = WorkerPool(_real_around("time.sleep(1000)"), workers=1, wall_s=60.0)
    try:
        assert pool.run([("1", "bad"), ("1", "1")]) == [Verdict.timeout, Verdict.correct]
        assert pool.started == 1
    finally:
        pool.close()
