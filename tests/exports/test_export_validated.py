"""The crate before the community's validator (roc-validator, Provenance Run Crate 0.5), without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_results import REPOSITORY, Made

from piretry.exports.crate import export_crate
from piretry.exports.source import open_source

PROFILE = "provenance-run-crate-0.5"
CRATE_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
RUN_CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
RUN_TERMS = (
    "ContainerImage",
    "SIFImage",
    "containerImage",
    "environment",
    "registry",
    "resourceUsage",
    "sha256",
    "tag",
)
# What the context of RO-Crate 1.1 calls otherwise than that of 1.3, which is the one that the package rocrate ships.
OLDER_TERMS = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
# Recommendations that are not followed, and why.
WAIVED = {
    # Programs are files of the crate, which the profile allows and which says more than an address would.
    "The SoftwareApplication id SHOULD be an absolute URI",
    # CITATION.cff names no page of its authors.
    "The organization SHOULD have a URL.",
}
MISSING = (
    "roc-validator is not installed (it needs an environment of its own: python3 -m venv .venv-rocrate && "
    ".venv-rocrate/bin/pip install -r tests/exports/validator.txt)"
)

pytestmark = pytest.mark.slow  # ten seconds of rules for each crate

Validate = Callable[[Path, str], dict[str, Any]]


def find_validator() -> Path | None:
    """The folder of commands of an environment with roc-validator."""
    named = os.environ.get("PIRETRY_ROCRATE_VALIDATOR")
    places = [
        Path(named) if named else None,
        REPOSITORY / ".venv-rocrate/bin",
        Path(sys.executable).parent,
        Path(found).parent if (found := shutil.which("rocrate-validator")) else None,
    ]
    return next((place for place in places if place and (place / "rocrate-validator").exists()), None)


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    binaries = find_validator()
    if binaries is None:
        pytest.skip(MISSING)
    folder = tmp_path_factory.mktemp("validator")
    (folder / "contexts.json").write_text(json.dumps(contexts()), encoding="utf-8")
    cache = str(folder / "http")
    fill = str(Path(__file__).with_name("fill_cache.py"))
    subprocess.run([binaries / "python", fill, cache, str(folder / "contexts.json")], check=True)

    def run(crate: Path, severity: str) -> dict[str, Any]:
        output = folder / "out.json"
        output.unlink(missing_ok=True)
        options = ["--offline", "--cache-path", cache, "-p", PROFILE, "-l", severity, "-f", "json", "-o", str(output)]
        command = [str(binaries / "rocrate-validator"), "--no-interactive", "validate", *options, str(crate)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert output.exists(), done.stdout[-3000:] + done.stderr[-3000:]
        value: dict[str, Any] = json.loads(output.read_text())
        return value

    return run


def contexts() -> dict[str, Any]:
    """The two contexts that a crate names: the base one as rocrate ships it, the other one with the terms used here."""
    import rocrate

    base = json.loads((Path(rocrate.__file__).parent / "data/ro-crate.jsonld").read_text(encoding="utf-8"))
    base["@context"].update(OLDER_TERMS)
    terms = {term: f"https://w3id.org/ro/terms/workflow-run#{term}" for term in RUN_TERMS}
    return {CRATE_CONTEXT: base, RUN_CONTEXT: {"@context": terms}}


@pytest.fixture(scope="module")
def crate(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = open_source(made.results, made.home)
    return export_crate(source, tmp_path_factory.mktemp("valid") / "crate")


def messages(outcome: dict[str, Any]) -> Counter[str]:
    return Counter(issue["message"] for issue in outcome["issues"])


def test_nothing_required_is_missing_and_recommendations_are_followed(validate: Validate, crate: Path) -> None:
    outcome = validate(crate, "recommended")
    assert {issue["severity"] for issue in outcome["issues"]} <= {"RECOMMENDED"}
    assert set(messages(outcome)) <= WAIVED
    assert {"provenance-run-crate-0.5", "ro-crate-1.1"} <= set(outcome["statistics"]["profiles"])
    assert outcome["statistics"]["total_passed_checks"] > 80, "the validator has checked less than it did"


def test_the_crate_without_models_passes(validate: Validate, made: Made, tmp_path: Path) -> None:
    crate = export_crate(open_source(made.results, made.home), tmp_path / "crate", with_models=False)
    outcome = validate(crate, "required")
    assert outcome["passed"], messages(outcome)


def test_a_damaged_crate_does_not_pass(validate: Validate, crate: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "crate"
    shutil.copytree(crate, damaged)
    path = damaged / "ro-crate-metadata.json"
    value = json.loads(path.read_text())
    entities = {entity["@id"]: entity for entity in value["@graph"]}
    del next(entity for entity in entities.values() if entity["@id"].startswith("#job/"))["instrument"]
    del entities["#workflow-step/train"]["workExample"]
    del entities["./"]["license"]
    (damaged / "results/mini/report/index.html").unlink()
    path.write_text(json.dumps(value))
    outcome = validate(damaged, "required")
    assert not outcome["passed"]
    found = messages(outcome)
    for message in (
        "The Action MUST have an instrument property that references the executed tool",
        "A HowToStep must refer to its corresponding tool via workExample",
        "The Crate (Root Data Entity) must specify a license",
        "The RO-Crate does not include the Data Entity 'results/mini/report/index.html'",
    ):
        assert any(text.startswith(message) for text in found), (message, found)
