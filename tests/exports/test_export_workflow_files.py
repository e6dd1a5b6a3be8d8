"""What of the checkout goes along: all that the workflow is made of, and nothing that merely lies about."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from small_results import REPOSITORY

from piretry.exports.workflow import media_type, workflow_files

FOLDERS = ("rules", "scales", "report", "envs", "containers", "profiles", "docs", "src/piretry")


def test_nothing_of_the_workflow_is_left_behind() -> None:
    try:
        done = subprocess.run(
            ["git", "ls-files", *FOLDERS], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, so there is no list of its files")
    tracked = {name for name in done.stdout.splitlines() if (REPOSITORY / name).is_file()}
    assert len(tracked) > 200
    left = tracked - set(workflow_files(REPOSITORY))
    assert not left, f"piretry.exports.workflow knows no file of this kind: {sorted(left)}"


def test_what_lies_about_stays(tmp_path: Path) -> None:
    for name in ("rules/data.smk", "rules/.data.smk.swp", "rules/notes.txt", "report/claims.yaml", "report/draft.pdf"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "config.yaml").write_text("x")
    (tmp_path / ".env").write_text("secret")
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm/site.yaml").write_text("account: secret")
    names = {name for name in workflow_files(tmp_path) if not name.startswith("src/")}
    assert names == {"rules/data.smk", "report/claims.yaml", "config.yaml"}


def test_the_sources_are_those_of_the_running_piretry(tmp_path: Path) -> None:
    import piretry

    files = workflow_files(tmp_path)
    package = Path(piretry.__file__).parent
    assert files["src/piretry/cli.py"].resolve() == (package / "cli.py").resolve()
    assert not [name for name in files if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/eval.parquet", "application/vnd.apache.parquet"),
        ("a/headline.json.prov.json", "application/json"),
        ("LICENSE", "text/plain"),
        ("CITATION.cff", "application/yaml"),
    ],
)
def test_media_types(name: str, kind: str) -> None:
    assert media_type(name) == kind
