"""Three ways to Lean: the package's kernel, a `lean` command, a Lake project; and the replay where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.verifiers.base import GradeRequest, Verdict
from piretry.verifiers.lean import LeanVerifier, Toolchain, command_toolchain, kernel_toolchain, lake_toolchain
from piretry.verifiers.lean import toolchain as module

SWAP = "theorem t (p q : Prop) (h : And p q) : And q p"
GOOD, BAD = "⟨h.2, h.1⟩", "⟨h.1, h.2⟩"
FILE = f"theorem helper : True := trivial\n{SWAP} := {GOOD}"


def _verdicts(toolchain: Toolchain, proofs: str, completions: list[str]) -> list[Verdict]:
    with LeanVerifier(toolchain, proofs, workers=2, timeout_s=30) as verifier:
        return [grade.verdict for grade in verifier.grade([GradeRequest("a", SWAP, text) for text in completions])]


def test_the_kernel_says_what_it_is(kernel: Toolchain) -> None:
    assert kernel.version.startswith("Lean 4.") and "prelude" in kernel.identity and kernel.replay is None
    assert _verdicts(kernel, "term", [GOOD, BAD]) == [Verdict.correct, Verdict.wrong]


def test_a_lean_command(lean_program: Path) -> None:
    toolchain = command_toolchain([str(lean_program / "bin" / "lean")])
    assert toolchain.version.startswith("Lean 4.") and not toolchain.own_library
    assert toolchain.replay == (str(lean_program / "bin" / "leanchecker"),)
    assert _verdicts(toolchain, "term", [GOOD, BAD, "sorry"]) == [Verdict.correct, Verdict.wrong, Verdict.sorry]
    assert _verdicts(toolchain, "file", [FILE, FILE.replace(GOOD, BAD)]) == [Verdict.correct, Verdict.wrong]


def test_a_lake_project(lake_project: tuple[Path, Path]) -> None:
    project, lake = lake_project
    toolchain = lake_toolchain(project, str(lake))
    assert str(project) in toolchain.environment["LEAN_PATH"]
    assert _verdicts(toolchain, "file", [FILE, FILE.replace(GOOD, BAD)]) == [Verdict.correct, Verdict.wrong]
    (project / "lake-manifest.json").write_text('{"packages": []}')
    assert lake_toolchain(project, str(lake)).identity != toolchain.identity


@pytest.mark.parametrize("text", [FILE, f"{SWAP} := {GOOD}"], ids=["file", "placed"])
def test_a_proof_counts_only_if_its_replay_succeeds(lean_program: Path, text: str) -> None:
    toolchain = command_toolchain([str(lean_program / "bin" / "lean")])
    assert _verdicts(toolchain, "file", [text, text.replace(GOOD, BAD)]) == [Verdict.correct, Verdict.wrong]
    calls = (lean_program / "calls").read_text().split()
    assert len(calls) == 1 and calls[0].startswith("Candidate_")
    (lean_program / "status").write_text("1")
    assert _verdicts(toolchain, "file", [text]) == [Verdict.banned]


def test_a_lean_without_a_limit_of_errors_is_not_asked_to_lift_it(lean_program: Path) -> None:
    """Lean before 4.24 or so refuses every file when it is given an option that it does not know."""
    lean = lean_program / "bin" / "lean"
    assert "-DmaxErrors=0" in command_toolchain([str(lean)]).command
    first, rest = lean.read_text().split("\n", 1)
    said = "invalid -D parameter, unknown configuration option 'maxErrors'"
    lean.write_text(f'{first}\ncase "$*" in *maxErrors*) echo "{said}"; exit 1;; esac\n{rest}')
    older = command_toolchain([str(lean)])
    assert not [word for word in older.command if "maxErrors" in word]
    assert _verdicts(older, "file", [FILE, FILE.replace(GOOD, BAD)]) == [Verdict.correct, Verdict.wrong]


def test_errors_count_lines_from_the_proofs_first(lean_program: Path, kernel: Toolchain) -> None:
    request = GradeRequest("a", "theorem t (p q : Prop)\n    (h : And p q) : And q p", f":=\nhave k : p := h.1\n{BAD}")
    for toolchain in (kernel, command_toolchain([str(lean_program / "bin" / "lean")])):
        with LeanVerifier(toolchain, "file", timeout_s=30) as verifier:
            assert verifier.grade([request])[0].message.startswith("line 2: Application type mismatch")


@pytest.mark.parametrize("command", [["false"], ["echo", "Lean (version 3.51.1, commit abcdef012345)"], ["echo"]])
def test_a_command_that_is_no_lean_4_is_refused(command: list[str]) -> None:
    with pytest.raises(PiretryError, match="a Lean 4 says"):
        command_toolchain(command)


def test_a_command_that_does_not_exist_is_refused() -> None:
    with pytest.raises(PiretryError, match="is not found"):
        command_toolchain(["/no/such/lean"])


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PiretryError, match="no Lake project"):
        lake_toolchain(tmp_path)
    (tmp_path / "lakefile.lean").write_text("")
    with pytest.raises(PiretryError, match="does not work in"):
        lake_toolchain(tmp_path, "false")


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KERNEL_PACKAGE", "no_such_package_anywhere")
    assert not module.kernel_available()
    with pytest.raises(PiretryError, match="make lean"):
        kernel_toolchain()
