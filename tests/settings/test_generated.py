"""Generated schemas and documentation say what the settings classes say."""

from pathlib import Path

from piretry.cli import main
from piretry.settings.schema import stale_files, write_files

ROOT = Path(__file__).parents[2]


def test_generated_files_are_up_to_date() -> None:
    assert stale_files(ROOT) == [], "run `piretry schema`"


def test_drift_is_noticed_and_mended(tmp_path: Path, capsys) -> None:
    assert len(write_files(tmp_path)) == 5
    assert main(["schema", "--check", "--home", str(tmp_path)]) == 0
    (tmp_path / "docs/configuration.md").write_text("old")
    assert main(["schema", "--check", "--home", str(tmp_path)]) == 1
    assert "docs/configuration.md is out of date" in capsys.readouterr().err
    assert write_files(tmp_path) == ["docs/configuration.md"]
