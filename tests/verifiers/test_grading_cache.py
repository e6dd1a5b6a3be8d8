"""The file cache: found again by the same versions only, shared by processes, and honest about damage."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.verifiers import GradeRequest, MathVerifier, Verdict
from piretry.verifiers.cache import VerdictCache
from piretry.verifiers.process import Job

JOBS: list[tuple[Job, Verdict]] = [
    (("1", "1.0"), Verdict.correct),
    (("1", None), Verdict.correct),
    (("1", ""), Verdict.wrong),
    (("11", "."), Verdict.wrong),
    (("\ud800", "\x00"), Verdict.gold_unparseable),
    (("1", "slow"), Verdict.timeout),
    (("1", "broken"), Verdict.error),
]


def test_verdicts_are_found_again_but_no_timeouts_and_errors(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "new folder" / "cache.sqlite", "v1")
    cache.store(JOBS)
    assert cache.look_up([job for job, _ in JOBS]) == dict(JOBS[:5])
    assert VerdictCache(tmp_path / "new folder" / "cache.sqlite", "v2").look_up([job for job, _ in JOBS]) == {}


def test_many_jobs_in_one_call(tmp_path: Path) -> None:
    cache = VerdictCache(tmp_path / "cache.sqlite", "v1")
    jobs: list[Job] = [("x", str(number)) for number in range(1700)]
    cache.store((job, Verdict.wrong) for job in jobs[::2])
    assert set(cache.look_up(jobs)) == set(jobs[::2])


def test_a_new_verifier_needs_no_worker_for_known_pairs(tmp_path: Path) -> None:
    requests = [GradeRequest("", r"\frac{1}{2}", rf"\boxed{{{number}/4}}") for number in range(4)]
    verdicts = []
    for started in (1, 0):
        with MathVerifier(cache=tmp_path / "cache.sqlite") as verifier:
            verdicts.append([grade.verdict for grade in verifier.grade(requests)])
            assert verifier._pool.started == started
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize(
    "damage", [b"this is no database, but a text of some length" * 50, b"SQLite format 3\x00" + b"\xff" * 5000]
)
def test_a_damaged_cache_is_named_and_not_replaced(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(damage)
    with MathVerifier(cache=path) as verifier, pytest.raises(PiretryError, match=r"cache\.sqlite.*delete it"):
        verifier.grade([GradeRequest("", r"\frac{1}{2}", r"\boxed{0.5}")])
    assert path.read_bytes() == damage


def test_a_verdict_that_cannot_be_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = VerdictCache(path, "v1")
    cache.store(JOBS)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE verdicts SET verdict = 'excellent'")
    with pytest.raises(PiretryError, match="unknown verdict 'excellent'"):
        cache.look_up([job for job, _ in JOBS])


def test_a_cache_that_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match="cannot be used"):
        VerdictCache(tmp_path, "v1").look_up([("1", "2")])


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from piretry.verifiers import Verdict\n"
        "from piretry.verifiers.cache import VerdictCache\n"
        "cache = VerdictCache(Path(sys.argv[1]), 'v1')\n"
        "for number in map(str, range(40)):\n"
        "    cache.store([((number, sys.argv[2]), Verdict.wrong), ((number, 'shared'), Verdict.correct)])\n"
    )
    path = tmp_path / "cache.sqlite"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(number)]) for number in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    jobs: list[Job] = [(str(number), who) for number in range(40) for who in ("0", "1", "2", "shared")]
    assert len(VerdictCache(path, "v1").look_up(jobs)) == len(jobs)
