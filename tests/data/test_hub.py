"""Datasets of a hub: a small one is served on loopback by the protocol of the real one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from piretry.settings.data import HubDataset

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROW = {"problem": "1+1?", "solution": "2", "answer": "2", "subject": "sums", "level": 1}
FILES = {
    "README.md": b"a dataset",
    "test.jsonl": json.dumps({**ROW, "unique_id": "a"}).encode() + b"\n",
    "parts/test-00000-of-00002.jsonl": json.dumps({**ROW, "unique_id": "b"}).encode() + b"\n",
    "parts/test-00001-of-00002.jsonl": json.dumps({**ROW, "unique_id": "c"}).encode() + b"\n",
}
# Loads each dataset that the arguments describe and prints its ids, or the message of the error. A process of
# its own, because the hub's address and offline mode are read when the library is imported.
LOAD = """
import json, sys
from piretry.data.sources import load_dataset
from piretry.errors import PiretryError
from piretry.settings.data import HubDataset
for settings in json.loads(sys.argv[1]):
    try:
        print(json.dumps([p.problem_id for p in load_dataset(HubDataset(**settings)).problems]))
    except PiretryError as error:
        print(json.dumps(str(error)))
"""


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
        tree, files = "/api/datasets/some/set/tree/", f"/datasets/some/set/resolve/{COMMIT}/"
        if path == tree + COMMIT:
            listing = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in FILES.items()
            ]
            self.answer(200, json.dumps(listing).encode(), {})
        elif path.startswith(tree):
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith(files) and (data := FILES.get(path.removeprefix(files))):
            self.answer(200, data, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def load(home: Path, endpoint: str, *changes: dict[str, object], offline: bool = False) -> list[object]:
    settings = {
        "name": "set",
        "format": "math-500",
        "split": "test",
        "kind": "hub",
        "repo": "some/set",
        "revision": COMMIT,
        "files": ["test.jsonl"],
    }
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps([{**settings, **change} for change in changes])],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_pinned_commit_is_fetched_once_and_then_read_offline(tmp_path: Path, hub: str) -> None:
    parts = {"files": ["parts/test-*.jsonl"]}
    other = {"revision": "f" * 40}
    online = load(tmp_path, hub, {}, parts, other, {"repo": "some/other"}, {"files": ["tset.jsonl"]})
    assert online[:2] == [["a"], ["b", "c"]]
    assert f"the hub has no commit {'f' * 40} of some/set" in str(online[2])
    assert "the hub has no dataset 'some/other' that you may read" in str(online[3])
    assert "no file of some/set" in str(online[4])
    assert "matches tset.jsonl" in str(online[4])
    assert all("name the file: kind: file" in str(message) for message in online[2:4])

    assert load(tmp_path, hub, {}, parts, offline=True) == [["a"], ["b", "c"]]
    # A commit that is not in the cache is refused offline, though another commit of the dataset is.
    (message,) = load(tmp_path, hub, other, offline=True)
    assert f"commit {'f' * 40} of some/set is neither in the cache nor to be had from the hub" in str(message)
    assert "kind: file, with path and sha256" in str(message)


def test_an_incomplete_cache_is_refused_offline(tmp_path: Path, hub: str) -> None:
    parts = {"files": ["parts/test-*.jsonl"]}
    load(tmp_path, hub, parts)
    (gone,) = tmp_path.rglob("test-00001-of-00002.jsonl")
    gone.unlink()
    (listing,) = tmp_path.rglob(f"{COMMIT}.json")
    # With the listing that newer versions of the library keep, and without it.
    assert "of some/set is neither in the cache" in str(load(tmp_path, hub, parts, offline=True)[0])
    listing.unlink()
    assert "test-00001-of-00002.jsonl is missing" in str(load(tmp_path, hub, parts, offline=True)[0])


@pytest.mark.parametrize("revision", ["main", "v1.0", "0123456", COMMIT.upper(), COMMIT + "0", ""])
def test_a_revision_must_be_a_commit(revision: str) -> None:
    with pytest.raises(ValidationError, match="must be a commit of 40 hexadecimal digits"):
        HubDataset(
            name="set",
            format="math-500",
            split="test",
            kind="hub",
            repo="some/set",
            revision=revision,
            files=("test.jsonl",),
        )
