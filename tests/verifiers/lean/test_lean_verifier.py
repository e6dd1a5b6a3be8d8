"""The verifier around the kernel: caches, faulty statements, hanging proofs, the cage, the walls behind the text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lean_inputs import theorem

from piretry.errors import PiretryError
from piretry.verifiers.base import GradeRequest, Verdict
from piretry.verifiers.lean import LeanVerifier, Toolchain, parse_statement
from piretry.verifiers.lean.cases import endless_term
from piretry.verifiers.lean.pool import LeanPool
from piretry.verifiers.lean.process import Job, Outcome
from piretry.verifiers.lean.sandbox import detect_sandbox
from piretry.verifiers.lean.whole import File, check_files

SWAP = "theorem t (p q : Prop) (h : And p q) : And q p"
GOOD, BAD = "And.intro h.right h.left", "And.intro h.left h.right"
ENDLESS = GradeRequest("endless", "theorem t (p : Prop) (h : p) : p", endless_term())


def test_a_wrong_proof_comes_with_the_compilers_words(terms: LeanVerifier) -> None:
    grade = terms.grade([GradeRequest("a", SWAP, f"have k : p := h.left\n{BAD}")])[0]
    assert grade.verdict is Verdict.wrong
    assert (
        grade.message.startswith("line 2: Application type mismatch")
        and "but is expected to have type\n  q" in grade.message
    )
    assert (
        terms.grade([GradeRequest("a", SWAP, "(h")])[0].message
        == "line 1: unexpected end of input; expected ')', ',' or ':'"
    )


def test_a_second_time_nothing_is_started(kernel: Toolchain, tmp_path: Path) -> None:
    requests = [GradeRequest(str(number), SWAP, proof) for number, proof in enumerate((GOOD, BAD, "sorry", "by x", ""))]
    cache = tmp_path / "folder" / "lean.sqlite"
    with LeanVerifier(kernel, cache=cache, timeout_s=30) as verifier:
        first = verifier.grade(requests)
        started = verifier.pool.started
        assert verifier.grade(requests[::-1]) == first[::-1] and verifier.pool.started == started
    with LeanVerifier(kernel, cache=cache) as verifier:
        assert verifier.grade(requests) == first and verifier.pool.started == 0
    with LeanVerifier(kernel, "file", cache=cache) as verifier:  # another way to read a completion shares nothing
        assert verifier.grade(requests[:1])[0].verdict is not None and verifier.pool.started > 0
    cache.write_bytes(b"this is no database, but long enough to be taken for a broken one" * 50)
    with LeanVerifier(kernel, cache=cache) as verifier, pytest.raises(PiretryError, match="only saves time"):
        verifier.grade(requests)


def test_a_faulty_statement_excludes_all_its_attempts(terms: LeanVerifier) -> None:
    gold = "theorem t (p : Prop) : Foo p"
    requests = [
        GradeRequest("a", gold, "trivial"),
        GradeRequest("b", gold, "sorry"),
        GradeRequest("c", gold, "", "length"),
    ]
    assert {grade.verdict for grade in terms.grade(requests)} == {Verdict.gold_unparseable}
    found = terms.statements_elaborate([gold, SWAP, "no theorem"])
    assert [finding.verdict for finding in found] == ["gold_unparseable", "correct", "gold_unparseable"]
    assert "Foo" in found[0].message


def test_a_missing_module_is_reported_and_not_blamed_on_the_proofs(files: LeanVerifier) -> None:
    with pytest.raises(PiretryError, match="unknown module prefix 'Mathlib'"):
        files.grade([GradeRequest("a", "import Mathlib\n" + SWAP + " := by", "simp")])


def test_too_little_memory_is_reported(kernel: Toolchain) -> None:
    with LeanVerifier(kernel, memory_mb=1024) as verifier, pytest.raises(PiretryError, match="memory_mb"):
        verifier.grade([GradeRequest("a", SWAP, GOOD)])


@pytest.mark.parametrize(
    "settings", [{"workers": 0}, {"timeout_s": 0.0}, {"memory_mb": 10}, {"batch": 0}, {"proofs": "x"}]
)
def test_impossible_settings_are_refused(kernel: Toolchain, settings: dict[str, object]) -> None:
    with pytest.raises(PiretryError, match=next(iter(settings))):
        LeanVerifier(kernel, **settings)


def test_a_hanging_proof_is_ended_and_the_others_are_judged(
    kernel: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    requests = [GradeRequest(str(seed), *theorem(seed)) for seed in range(40)]
    requests.insert(17, ENDLESS)
    with LeanVerifier(kernel, workers=2, timeout_s=3) as verifier:
        grades = verifier.grade(requests)
    assert [grade.id for grade in grades if grade.verdict is not Verdict.correct] == ["endless"]
    assert grades[17].verdict is Verdict.timeout and "time limit" in grades[17].message
    assert _lean_processes(tmp_path, patience_s=10.0) == [] and list(tmp_path.iterdir()) == []


def _lean_processes(folder: Path, patience_s: float = 0.0) -> list[int]:
    """Processes whose working folder is below `folder`; a killed one may need a moment on a busy machine to be gone."""
    until = time.monotonic() + patience_s
    while (found := _working_below(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _working_below(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                where = (process / "cwd").readlink()
            except OSError:
                continue
            if where.is_relative_to(folder):
                found.append(int(process.name))
    return found


def _wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_when_the_verifier_is_killed_lean_ends_too(kernel: Toolchain, tmp_path: Path) -> None:
    if "setpriv" not in " ".join(detect_sandbox().prefix):
        pytest.skip("setpriv, which ties a process to the life of its parent, is not here")
    code = (
        "from piretry.verifiers.base import GradeRequest\n"
        "from piretry.verifiers.lean import LeanVerifier, kernel_toolchain\n"
        "from piretry.verifiers.lean.cases import endless_term\n"
        "verifier = LeanVerifier(kernel_toolchain(), timeout_s=300)\n"
        f"verifier.grade([GradeRequest('a', {ENDLESS.gold!r}, endless_term())])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        assert _wait_for(lambda: len(_lean_processes(tmp_path)) > 0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _wait_for(lambda: _lean_processes(tmp_path) == [])


def _caged(script: str, folder: Path, step_s: float = 10.0) -> Outcome:
    found: list[Outcome] = []
    command = detect_sandbox().wrap(("/bin/sh", "-c", script), memory_mb=2000, cpu_s=60)
    job = Job(command, folder, {"PATH": os.environ["PATH"]}, step_s, step_s, 60.0)

    def keep(_: Job, outcome: Outcome) -> list[Job]:
        found.append(outcome)
        return []

    LeanPool(1).run([job], keep)
    return found[0]


def test_the_cage_limits_memory_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    outcome = _caged("ulimit -v; ulimit -c; echo ${SECRET_TOKEN:-none}; pwd", tmp_path)
    assert outcome.lines == (str(2000 << 10), "0", "none", str(tmp_path)) and outcome.ended


def test_the_cage_has_no_network(tmp_path: Path) -> None:
    if not detect_sandbox().network:
        pytest.skip(f"network namespaces are not permitted here: {detect_sandbox()}")
    outcome = _caged("cat /proc/net/dev", tmp_path)
    interfaces = [line.partition(":")[0].strip() for line in outcome.lines if ":" in line]
    assert interfaces == ["lo"]


@pytest.mark.parametrize("script", ["sleep 1000", "exec >&- 2>&-; sleep 1000", "setsid sleep 1000 & sleep 1000"])
def test_what_hangs_is_ended_with_all_it_started(tmp_path: Path, script: str) -> None:
    if "setsid" in script and not detect_sandbox().processes:
        pytest.skip(f"process namespaces are not permitted here: {detect_sandbox()}")
    outcome = _caged(script, tmp_path, step_s=0.5)
    assert outcome.killed == "silence" and not outcome.ended
    assert _wait_for(lambda: _lean_processes(tmp_path) == [])


def test_a_flood_of_output_is_ended(tmp_path: Path) -> None:
    assert _caged("yes", tmp_path).killed == "flood"


PLUS = (
    "class Plus (α : Type) where\n  plus : α → α → α\n"
    "noncomputable instance natPlus : Plus Nat :=\n"
    "  ⟨fun a b => Nat.rec (motive := fun _ => Nat) a (fun _ ih => Nat.succ ih) b⟩\n"
)
EVIL = "Plus Nat := ⟨fun _ b => b⟩\n"
FALSE_SUM, RFL = "theorem t : Eq (Plus.plus (1 : Nat) 0) 0", " := rfl"
BEHIND = [
    (PLUS + FALSE_SUM, f"instance evil : {EVIL}{FALSE_SUM}{RFL}", Verdict.wrong),
    (PLUS + FALSE_SUM, f"def evil : {EVIL}attribute [local instance] evil\n{FALSE_SUM}{RFL}", Verdict.wrong),
    ("theorem t : False", "axiom bad : False\ntheorem t : False := bad", Verdict.axiom),
    ("theorem t : False", "theorem t : False := sorry", Verdict.sorry),
    ("theorem t : False", "set_option warn.sorry false\ntheorem t : False := sorry", Verdict.sorry),
    (
        "theorem t : False",
        "set_option warn.sorry false\ntheorem u : False := sorry\ntheorem t : False := u",
        Verdict.sorry,
    ),
    ("theorem t : False", "set_option debug.skipKernelTC true\ntheorem t : False := lcProof", Verdict.axiom),
    ("theorem t : False", "unsafe def bad : False := bad\ntheorem t : False := bad", Verdict.wrong),
    ("theorem t : False", "theorem t : False := lcProof", Verdict.wrong),
    (
        "theorem t : False",
        "inductive X.False : Prop where\n | intro\nopen X\ntheorem t : X.False := .intro",
        Verdict.wrong,
    ),
    ("theorem t : False", "#print \"'t' does not depend on any axioms\"", Verdict.wrong),
    ("theorem t : False", "#exit\ntheorem t : False := trivial", Verdict.wrong),
]


def _file(gold: str, text: str) -> File:
    statement = parse_statement(gold)
    assert statement is not None
    return File(statement, text)


def test_behind_the_text_rules_the_modules_refuse_almost_everything(files: LeanVerifier) -> None:
    """The same attacks with the text rules left out: what is refused then does not hang on a list of words."""
    tasks = [_file(gold, text) for gold, text, _ in BEHIND]
    found = check_files(files._prepare(), tasks)
    assert [finding.verdict for finding in found] == [verdict for _, _, verdict in BEHIND]


SKIP = "set_option debug.skipKernelTC true\nunsafe def bad : False := bad\ntheorem t : False := bad"


def test_only_the_text_rules_refuse_an_unsafe_constant_that_never_met_the_kernel(files: LeanVerifier) -> None:
    """Should this ever fail for the second reason, Lean has closed the hole, and the rule may be dropped."""
    assert files.grade([GradeRequest("a", "theorem t : False", SKIP)])[0].verdict is Verdict.banned
    assert check_files(files._prepare(), [_file("theorem t : False", SKIP)])[0].verdict is Verdict.correct


def test_a_fork_leaves_the_parents_folder_alone(kernel: Toolchain) -> None:
    with LeanVerifier(kernel, timeout_s=30) as verifier:
        assert verifier.grade([GradeRequest("a", SWAP, GOOD)])[0].verdict is Verdict.correct
        child = os.fork()
        if child == 0:
            right = verifier.grade([GradeRequest("b", SWAP, f"id ({GOOD})")])[0].verdict is Verdict.correct
            verifier.close()
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert verifier.grade([GradeRequest("c", SWAP, f"({GOOD})")])[0].verdict is Verdict.correct
