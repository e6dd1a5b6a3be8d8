"""Stage fetch against a hub on loopback: what arrives and is recorded, and each way in which it can go wrong.

Every fetch is a process of its own, because the hub's offline mode is read when its library is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, Hub, Repo, git_blob, serving
from pydantic import ValidationError

from piretry.grid.task import Task
from piretry.provenance.record import read_record, record_path
from piretry.settings.data import HubDataset

SHAPE = {
    "layers": 1,
    "hidden_size": 8,
    "intermediate_size": 16,
    "heads": 2,
    "kv_heads": 1,
    "head_dim": 4,
    "vocabulary": 32,
}
CONFIG = {
    "num_hidden_layers": 1,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 32,
}
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
ROW = {"problem": "1+1?", "solution": "2", "answer": "2", "subject": "sums", "level": 1}

# Runs the tasks that it is given and prints exit status and message of each. The hub's library waits up to 25 s before
# it gives up on an address; that is cut short.
RUN = """
import contextlib, io, json, shutil, sys, time
from piretry.cli import main
pause = time.sleep
time.sleep = lambda seconds: pause(min(seconds, 0.05))
root, tasks, free = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
if free >= 0:
    real = shutil.disk_usage
    shutil.disk_usage = lambda path: real(path)._replace(free=free)
for task in tasks:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        status = main([json.loads(task)["stage"], "--task", task, "--root", root])
    said = [line for line in errors.getvalue().splitlines() if line.startswith("piretry: ")]
    print("RESULT", json.dumps([status, (said or [errors.getvalue()])[-1] if status else ""]))
"""


def model_files() -> dict[str, bytes]:
    draw = random.Random(0)
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer_config.json": b"{}",
        "tokenizer.json": b"{}",
        "README.md": b"a model",
        "pytorch_model.bin": b"pickled",
        "onnx/config.json": b"{}",
        SHARDS[0]: draw.randbytes(300_000),
        SHARDS[1]: draw.randbytes(200_000),
        "model.safetensors.index.json": json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}).encode(),
    }


KEPT = sorted(name for name in model_files() if "/" not in name and not name.endswith((".md", ".bin")))


def data_files() -> dict[str, bytes]:
    return {
        "README.md": b"a dataset",
        **{
            name: json.dumps({**ROW, "unique_id": key}).encode() + b"\n"
            for name, key in (
                ("test.jsonl", "a"),
                ("parts/test-00000-of-00002.jsonl", "b"),
                ("parts/test-00001-of-00002.jsonl", "c"),
            )
        },
    }


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving({"models/some/model": Repo(model_files()), "datasets/some/set": Repo(data_files())}) as running:
        yield running


def model_task(role: str = "small", **changes: Any) -> Task:
    settings = {"source": "hub", "model": "some/model", "revision": COMMIT, "parameters": 9, "shape": SHAPE, **changes}
    outputs = {"model": f"{role}/base/model"}
    return Task("fetch", f"{role}/base", {}, outputs, settings, ("piretry.stages.fetch",))


def dataset(**changes: Any) -> dict[str, Any]:
    return HubDataset(
        **{
            "name": "set",
            "format": "math-500",
            "split": "test",
            "kind": "hub",
            "repo": "some/set",
            "revision": COMMIT,
            "files": ("test.jsonl",),
            **changes,
        }
    ).plain()


def data_task(split: str = "train", **changes: Any) -> Task:
    outputs = {"source": f"data/source/{split}"}
    return Task("fetch", split, {}, outputs, dataset(**changes), ("piretry.stages.fetch",))


def start(
    root: Path, endpoint: str, tasks: list[Task], *, offline: bool = False, free: int = -1
) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "HF_HOME": str(root.parent / "hf"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(root), json.dumps([task.to_json() for task in tasks]), str(free)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(root: Path, endpoint: str, *tasks: Task, offline: bool = False, free: int = -1) -> list[tuple[int, str]]:
    process = start(root, endpoint, list(tasks), offline=offline, free=free)
    out, errors = process.communicate(timeout=120)
    results = [json.loads(line.removeprefix("RESULT ")) for line in out.splitlines() if line.startswith("RESULT ")]
    assert len(results) == len(tasks), errors
    return [(status, said) for status, said in results]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The results folder of a scale called paper."""
    return tmp_path / "results" / "paper"


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_arrives_whole_and_its_checksums_are_recorded(root: Path, hub: Hub) -> None:
    address = hub.url.replace("http://", "http://user:secret@")
    assert run(root, address, model_task()) == [(0, "")]
    folder = root / "small/base/model"
    wanted = {name: data for name, data in model_files().items() if name in KEPT}
    assert files_in(folder) == wanted
    assert sorted(hub.sent) == sorted(f"some/model/{name}" for name in wanted), "nothing else was downloaded"
    record = read_record(record_path(folder))
    assert {file.path: file.sha256 for file in record.artifact.files} == {
        name: hashlib.sha256(data).hexdigest() for name, data in wanted.items()
    }
    ((role, identity, revision),) = [(model.role, model.id, model.revision) for model in record.models]
    assert (role, identity, revision) == ("small/base", "some/model", COMMIT)
    assert record.facts["hub"]["source"] == hub.url
    agrees = record.facts["hub"]["agrees_with"]
    assert agrees[SHARDS[0]] == f"sha256 {hashlib.sha256(wanted[SHARDS[0]]).hexdigest()}"
    assert agrees["config.json"] == f"git blob {git_blob(wanted['config.json'])}"
    assert sorted(agrees) == KEPT
    assert "secret" not in record.to_json()
    # The weights lie there once, and nothing of the download is left.
    assert all(path.stat().st_nlink == 1 for path in folder.rglob("*") if path.is_file())
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "model.prov.json"]


def test_datasets_are_fetched_and_prepare_reads_them_without_a_network(root: Path, hub: Hub) -> None:
    parts = {"files": ("parts/test-*.jsonl",)}
    assert run(root, hub.url, data_task("train", **parts), data_task("eval")) == [(0, ""), (0, "")]
    assert sorted(files_in(root / "data/source/train")) == sorted(name for name in data_files() if "parts" in name)
    record = read_record(record_path(root / "data/source/eval"))
    assert [(found.role, found.id, found.revision) for found in record.datasets] == [("eval", "some/set", COMMIT)]
    assert record.facts["hub"]["agrees_with"] == {"test.jsonl": f"git blob {git_blob(data_files()['test.jsonl'])}"}

    sent = list(hub.sent)
    data = {"train": dataset(**parts), "eval": dataset(), "chains": None, "eval_problems": 1}
    inputs = {split: f"data/source/{split}" for split in ("train", "eval")}
    outputs = {"pool": "data/pool.parquet", "eval": "data/eval.parquet"}
    prepare = Task("prepare", "paper", inputs, outputs, {"data": data}, ("piretry.stages.prepare",))
    assert run(root, "http://127.0.0.1:9", prepare, offline=True) == [(0, "")]
    record = read_record(record_path(root / "data/pool.parquet"))
    assert record.cost.counters["pool_problems"] == 2
    pool = next(found for found in record.datasets if found.role == "pool")
    assert (pool.id, pool.revision) == ("some/set", COMMIT)
    assert pool.fingerprint
    assert sorted(entry.path for entry in record.inputs) == ["data/source/eval", "data/source/train"]
    assert hub.sent == sent

    # One shard named, two there: a pool with a hole is refused.
    gap = {"files": ("parts/test-00000-*.jsonl",)}
    holed = replace(prepare, settings={"data": {**data, "train": dataset(**gap)}})
    (root / "data/source/train/parts/test-00001-of-00002.jsonl").unlink()
    ((status, said),) = run(root, hub.url, holed, offline=True)
    assert status == 2
    assert "test-00001-of-00002.jsonl is missing among the files of some/set" in said


def test_every_refusal_of_the_hub_is_a_sentence_of_its_own(root: Path, hub: Hub) -> None:
    hub.repos["models/some/gated"] = Repo(model_files(), gated=True)
    hub.repos["models/some/down"] = Repo(model_files(), status=410)
    pickled = {name: data for name, data in model_files().items() if not name.endswith((".safetensors", "index.json"))}
    hub.repos["models/some/pickled"] = Repo(pickled)
    holed = {name: data for name, data in model_files().items() if name != SHARDS[1]}
    hub.repos["models/some/holed"] = Repo(holed)
    other = "f" * 40
    cases = [
        (model_task(revision=other), f"roles.small.revision: the hub at {hub.url} has no commit {other} of model"),
        (model_task(model="some/modle"), f"roles.small.model: the hub at {hub.url} has no model 'some/modle' that you"),
        (model_task(model="some/gated"), "roles.small.model: the model 'some/gated' is gated. Accept its terms"),
        (model_task(model="some/down"), f"roles.small: the hub at {hub.url} answered 410 about model 'some/down'"),
        (model_task(model="some/pickled"), "roles.small.model: the model some/pickled has no *.safetensors"),
        (model_task(model="some/holed"), f"roles.small.model: the model some/holed lacks {SHARDS[1]}, which its"),
        (model_task(revision=None), "roles.small.model: 'some/model' is no local folder, and its revision is null"),
        (
            model_task(shape={**SHAPE, "layers": 2}),
            "roles.small.shape.layers: 2 is stated, but the model's config.json says 1",
        ),
        (data_task(revision=other), f"data.train.revision: the hub at {hub.url} has no commit {other} of dataset"),
        (data_task(repo="some/model"), f"data.train.repo: the hub at {hub.url} has no dataset 'some/model' that you"),
        (data_task(files=("tset.jsonl",)), "data.train: no file of some/set at"),
    ]
    for (status, said), (task, expected) in zip(run(root, hub.url, *(task for task, _ in cases)), cases, strict=True):
        assert status == 2, task
        assert said.startswith(f"piretry: scales/paper.yaml: {expected}"), said
        assert not any((root / path).exists() for path in task.outputs.values())


def test_too_little_disk_space_is_refused_before_the_first_byte(root: Path, hub: Hub) -> None:
    needed = sum(len(data) for name, data in model_files().items() if name in KEPT)
    ((status, said),) = run(root, hub.url, model_task(), free=needed - 1)
    assert status == 2
    assert "roles.small: some/model needs 0.00 GB more, but" in said
    assert hub.sent == []
    assert run(root, hub.url, model_task(), free=needed) == [(0, "")]


def test_a_disk_that_fills_up_meanwhile_is_said_and_leaves_no_model(root: Path, hub: Hub) -> None:
    root.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(root)], capture_output=True).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        ((status, said),) = run(root, hub.url, model_task(), free=1 << 30)
        assert status == 2
        assert "The disk is full: fetch small/base could not write" in said
        assert not (root / "small/base/model").exists()
    finally:
        subprocess.run(["umount", str(root)], check=True)


def test_a_damaged_file_is_refused_and_fetched_again(root: Path, hub: Hub) -> None:
    repo = hub.repos["models/some/model"]
    data = repo.files[SHARDS[1]]
    repo.alter = {SHARDS[1]: data[:100] + b"?" + data[101:], "tokenizer.json": b"[]"}
    ((status, said),) = run(root, hub.url, model_task())
    assert status == 2
    assert f"arrived damaged: {SHARDS[1]} has SHA-256" in said or f"; {SHARDS[1]} has SHA-256" in said
    assert f"the hub lists {hashlib.sha256(data).hexdigest()}" in said
    assert "tokenizer.json has git blob hash" in said
    assert not (root / "small/base/model").exists()
    repo.alter = {}
    hub.sent.clear()
    assert run(root, hub.url, model_task()) == [(0, "")]
    assert sorted(hub.sent) == [f"some/model/{SHARDS[1]}", "some/model/tokenizer.json"]
    assert files_in(root / "small/base/model")[SHARDS[1]] == data


def test_a_connection_that_is_cut_goes_on_where_it_stopped(root: Path, hub: Hub) -> None:
    repo = hub.repos["models/some/model"]
    written = 10 << 20  # the library writes this much at a time
    repo.files[SHARDS[0]] = random.Random(1).randbytes(2 * written + 9)
    repo.cut = {SHARDS[0]: written + 99}
    assert run(root, hub.url, model_task()) == [(0, "")]
    whole = f"some/model/{SHARDS[0]}"
    assert [sent for sent in hub.sent if SHARDS[0] in sent] == [whole, f"{whole} from {written}"]
    assert files_in(root / "small/base/model")[SHARDS[0]] == repo.files[SHARDS[0]]


def test_a_killed_fetch_leaves_no_model_and_the_next_one_fetches_only_what_is_missing(root: Path, hub: Hub) -> None:
    repo = hub.repos["models/some/model"]
    repo.hold = {SHARDS[1]: threading.Event()}
    process = start(root, hub.url, [model_task()])
    assert hub.started.wait(60)
    partial = root / "small/base/.partial"
    deadline = time.monotonic() + 60
    whole = sorted(set(KEPT) - {SHARDS[1]})
    while sorted(name for name in whole if list(partial.glob(f"*/files/{name}"))) != whole:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    repo.hold[SHARDS[1]].set()
    assert not (root / "small/base/model").exists()
    assert list(partial.glob("*/files/.cache/**/*.incomplete")), "half a file lies there"

    hub.sent.clear()
    assert run(root, hub.url, model_task()) == [(0, "")]
    assert hub.sent == [f"some/model/{SHARDS[1]}"]
    assert sorted(files_in(root / "small/base/model")) == KEPT
    assert not partial.exists()


def test_without_a_network_the_cache_serves_and_is_checked(root: Path, hub: Hub) -> None:
    fill = f"from huggingface_hub import snapshot_download as get; get('some/model', revision={COMMIT!r})"
    cache = root.parent.parent / "results" / "hf"
    environment = {**os.environ, "HF_HOME": str(cache), "HF_ENDPOINT": hub.url, "NO_PROXY": "*"}
    # The library's own limits of ten seconds are short for a busy machine.
    environment |= {"HF_HUB_DOWNLOAD_TIMEOUT": "60", "HF_HUB_ETAG_TIMEOUT": "60"}
    filled = subprocess.run([sys.executable, "-c", fill], env=environment, capture_output=True, text=True, timeout=300)
    assert filled.returncode == 0, filled.stderr
    absent = model_task("medium", revision="f" * 40)
    fetched, refused = run(root, hub.url, model_task(), absent, offline=True)
    assert fetched == (0, "")
    folder = root / "small/base/model"
    assert sorted(files_in(folder)) == KEPT
    facts = read_record(record_path(folder)).facts["hub"]
    assert facts["source"] == f"cache {cache / 'hub'}"
    assert facts["agrees_with"][SHARDS[0]] == f"sha256 {hashlib.sha256(model_files()[SHARDS[0]]).hexdigest()}"
    assert refused[0] == 2
    assert f"roles.medium: some/model at {'f' * 40} could not be fetched: HF_HUB_OFFLINE is set" in refused[1]

    # Nothing listens on the discard port: the cache serves there too, and what it lacks is said with the reason.
    served, unreachable = run(root, "http://127.0.0.1:9", replace(model_task("large")), absent)
    assert served == (0, "")
    assert unreachable[0] == 2
    assert "could not be fetched: the hub at http://127.0.0.1:9 cannot be reached" in unreachable[1]

    # A whole cached file with other bytes. The models that were made are links to the same bytes on purpose.
    (blob,) = cache.rglob(hashlib.sha256(model_files()[SHARDS[1]]).hexdigest())
    altered = bytearray(blob.read_bytes())
    altered[7] ^= 1
    blob.unlink()
    blob.write_bytes(altered)
    ((status, said),) = run(root, hub.url, model_task("medium"), offline=True)
    assert status == 2
    assert f"the cached copy of some/model at {COMMIT} is damaged: {SHARDS[1]} has SHA-256" in said


def test_a_local_folder_serves_as_a_model(root: Path, hub: Hub, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, data in model_files().items():
        if "/" not in name:
            (mine / name).write_bytes(data)
    task = model_task(model=str(mine), revision=None)
    assert run(root, "http://127.0.0.1:9", task, offline=True) == [(0, "")]
    folder = root / "small/base/model"
    assert sorted(files_in(folder)) == KEPT
    assert (folder / SHARDS[0]).samefile(mine / SHARDS[0]), "the weights are not copied"
    record = read_record(record_path(folder))
    assert [(model.id, model.revision) for model in record.models] == [(str(mine), None)]


@pytest.mark.parametrize("revision", ["main", "v1.0", "0123456", COMMIT.upper(), COMMIT + "0", ""])
def test_a_revision_must_be_a_commit(revision: str) -> None:
    with pytest.raises(ValidationError, match="must be a commit of 40 hexadecimal digits"):
        dataset(revision=revision)
