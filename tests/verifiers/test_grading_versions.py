"""The pinned versions, and the refusal to grade with others."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from piretry.errors import PiretryError
from piretry.verifiers import MathVerifier, versions

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_pins_are_those_of_pyproject() -> None:
    lines = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    written = dict(line.split("==") for line in lines if "==" in line)  # numpy has a range
    assert versions.pinned_versions() == {name: written[name] for name in versions.PACKAGES}
    assert versions.require_pins() == versions.installed_versions() == versions.pinned_versions()


def test_another_version_is_refused_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.8.0" if name == "math-verify" else real(name))
    with pytest.raises(PiretryError, match=r"math-verify is 0\.8\.0, pinned \d.*install the pinned versions"):
        MathVerifier()
    assert MathVerifier(check_pins=False).version.startswith("math-verify 0.8.0; ")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(PiretryError, match="package math-verify is not installed"):
        versions.require_pins()


def test_a_pin_that_is_no_pin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.requires("piretry") or []
    loose = [line.replace("sympy==", "sympy>=") if line.startswith("sympy") else line for line in real]
    monkeypatch.setattr(metadata, "requires", lambda name: loose)
    with pytest.raises(PiretryError, match="does not pin sympy with"):
        versions.require_pins()
    with pytest.raises(PiretryError, match="distribution nothing-of-this-name is not installed"):
        monkeypatch.undo()
        versions.require_pins("nothing-of-this-name")


def test_the_rules_that_decide_are_in_the_digest() -> None:
    """Every module that a worker or the verifier uses to decide is digested; the rest cannot change a
    verdict.
    """
    folder = Path(versions.__file__).parent
    neutral = {"__init__", "base", "cache", "files", "pool", "process", "second", "traps", "versions", "worker"}
    neutral.add("stored")  # what the caches of verdicts are made of
    neutral.add("heuristic")  # it judges proofs, and decides no verdict on them
    assert {f"{path.stem}.py" for path in folder.glob("*.py") if path.stem not in neutral} == set(versions._RULES)
