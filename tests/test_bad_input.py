"""What a user can get wrong, each answered by one sentence that names the thing and says how to mend it.

`pytest tests/test_bad_input.py -s` prints the messages.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from piretry.cli import main
from piretry.errors import PiretryError
from piretry.grid.preflight import preflight

ROOT = Path(__file__).parents[1]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("config.yaml", "scales", "report"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path


def edit(path: Path, change: Callable[[Any], object]) -> None:
    value = yaml.safe_load(path.read_text())
    change(value)
    path.write_text(yaml.safe_dump(value, sort_keys=False))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line; it must end with status 2 and one message, and no traceback."""
    assert main(arguments) == 2
    message = capsys.readouterr().err
    with capsys.disabled():
        print(f"\n  {message.strip()}")
    assert message.startswith("piretry: ")
    assert "Traceback" not in message
    return message


def test_configuration(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--home", str(home))
    edit(home / "config.yaml", lambda c: c["grid"][0].update(roles=["smal"]))
    assert "Did you mean 'small'?" in told(capsys, "plan", *at)
    edit(home / "config.yaml", lambda c: c["grid"][0].update(roles=["small"], k=[0]))
    assert "k=0 is not possible" in told(capsys, "plan", *at)
    edit(home / "config.yaml", lambda c: c["grid"][0].update(k=[1, 3, 5], prompts=["bair"]))
    assert "Did you mean 'bare'?" in told(capsys, "plan", *at)
    edit(home / "config.yaml", lambda c: c["grid"][0].update(prompts=["bare"]))
    edit(
        home / "report/claims.yaml",
        lambda c: c["claims"][2]["tests"][0]["of"].update(series="small/retry-full/k9/bare/r1"),
    )
    assert "not in the grid of config.yaml" in told(capsys, "plan", *at)
    shutil.copy(ROOT / "report/claims.yaml", home / "report/claims.yaml")
    edit(home / "report/claims.yaml", lambda c: c["controls"][0].update(margin=-3.0))
    assert "controls.0.margin: Input should be greater than 0 (given: -3.0)" in told(capsys, "plan", *at)


def test_command_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--home", str(home))
    assert "Did you mean 'mini'?" in told(capsys, "plan", *at, "--scale", "minni")
    assert "Did you mean 'headline'?" in told(capsys, "judge", "headlin", *at)
    assert "Say what to make it for" in told(capsys, "attempt", *at)
    assert "is not the name of a cell" in told(capsys, "train", "small/retry/s42", *at)
    assert "is an untrained base" in told(capsys, "train", "small/base/s42", *at)
    assert "Nothing in the grid or the claims asks for" in told(
        capsys, "retry", "large/base/s42", *at, "--prompt", "gold"
    )
    assert "takes the results folder of one scale" in told(capsys, "audit", str(home / "results/nothing"))
    assert "--task holds no task" in told(capsys, "attempt", "--task", "{", "--root", str(home))


def test_a_missing_input_names_the_stage_that_makes_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = told(capsys, "select", "small/retry-full/k3/bare/r1/s42", "--home", str(home))
    assert "Stage" in message
    assert "snakemake" in message


def test_data_files(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def use(path: Path) -> None:
        fields = {"problem": "problem", "gold": "gold", "solution": None, "problem_id": None, "source": None}
        dataset = {
            "kind": "file",
            "name": "mine",
            "format": "fields",
            "split": "train",
            "path": str(path),
            "fields": fields,
        }
        edit(home / "scales/mini.yaml", lambda s: s["data"].update(train=dataset))
        edit(home / "scales/mini.yaml", lambda s: s["data"]["subset"].update(problems=2))

    at = ("--home", str(home))
    rows = [{"problem": f"What is {n} plus one?", "gold": str(n + 1)} for n in range(3)]
    data = home / "mine.jsonl"
    use(data)
    assert "mine.jsonl" in told(capsys, "prepare", *at)
    data.write_text("\n".join(json.dumps(row) for row in rows) + '\n{"problem": "cut')
    assert "line 4" in told(capsys, "prepare", *at)
    data.write_text("\n".join(json.dumps({**row, "gold": "\\frac{"}) for row in rows))
    assert main(["prepare", *at]) == 0
    assert "parse" in told(capsys, "overlap", *at)
    pool = home / "results/mini/data/pool.parquet"
    pool.write_bytes(pool.read_bytes()[:200])
    assert "pool.parquet" in told(capsys, "overlap", *at)


def test_a_missing_hub_revision(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--home", str(home), "--scale", "paper")
    path = home / "scales/paper.yaml"
    edit(path, lambda s: s["data"]["train"].update(revision="main"))
    assert "must be a commit of 40 hexadecimal digits" in told(capsys, "plan", *at)
    shutil.copy(ROOT / "scales/paper.yaml", path)
    edit(path, lambda s: s["roles"]["small"].update(revision=None))
    assert "Pin the commit (40 hex digits)" in told(capsys, "fetch", "small", *at)
    shutil.copy(ROOT / "scales/paper.yaml", path)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "could not be fetched" in told(capsys, "fetch", "small", *at)


def test_results_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(root: Path) -> str:
        with pytest.raises(PiretryError) as caught:
            preflight(root)
        with capsys.disabled():
            print(f"\n  piretry: {caught.value}")
        return str(caught.value)

    other = tmp_path / "other"
    other.mkdir()
    (other / "run.json").write_text(json.dumps({"schema": 0, "run": "x", "created": "y"}))
    assert "results are of another version" in refused(other)
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(tmp_path / "file" / "mini")
    preflight(tmp_path / "new" / "mini")


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a read-only tmpfs needs root")
def test_a_read_only_results_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mount = tmp_path / "readonly"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(mount)], capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        with pytest.raises(PiretryError, match="cannot be written") as caught:
            preflight(mount / "mini")
        with capsys.disabled():
            print(f"\n  piretry: {caught.value}")
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small tmpfs needs root")
def test_a_full_disk(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mount = home / "results"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mount)], capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        message = told(capsys, "prepare", "--home", str(home))
        assert "full" in message
        assert not list(mount.glob("**/*.parquet"))
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_two_runs_at_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from piretry.provenance.record import Publication

    root = home / "results/mini"
    output = root / "data/pool.parquet"
    with (
        pytest.raises(RuntimeError, match="done"),
        Publication(root=root, stage="prepare", target="mini", outputs={"pool": output}, modules=["piretry.errors"]),
    ):
        code = "import sys; from piretry.cli import main; sys.exit(main(['prepare', '--home', sys.argv[1]]))"
        second = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True)
        with capsys.disabled():
            print(f"\n  {second.stderr.strip()}")
        assert second.returncode == 2
        assert "pool.parquet" in second.stderr
        raise RuntimeError("done")
