"""A small hub on loopback that speaks as much of the real one's protocol as fetching takes, and can misbehave."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 4096  # from this size on a file counts as an LFS file, listed with its SHA-256


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Repo:
    """A repository's files at COMMIT. `alter` changes the bytes sent, `cut` ends a connection after so many."""

    files: dict[str, bytes]
    status: int | None = None
    gated: bool = False
    alter: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    hold: dict[str, threading.Event] = field(default_factory=dict)


@dataclass
class Hub:
    """The running server: its address, its repositories by kind and id, and what was downloaded from it."""

    url: str
    repos: dict[str, Repo]
    sent: list[str] = field(default_factory=list)  # GET requests of files: `id/name`, with ` from N` for a range
    started: threading.Event = field(default_factory=threading.Event)  # a file with `hold` is half sent


@contextmanager
def serving(repos: dict[str, Repo]) -> Iterator[Hub]:
    """Serve `repos` (``models/some/model`` -> Repo) until the context ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    hub = Hub(f"http://127.0.0.1:{server.server_port}", repos)
    server.RequestHandlerClass.hub = hub  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        for repo in repos.values():
            for event in repo.hold.values():
                event.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urllib.parse.urlparse(self.path)
        path = urllib.parse.unquote(url.path)
        if match := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/tree/([^/]+)", path):
            kind, name, revision = match.groups()
            self.list_tree(f"{kind}/{name}", revision, urllib.parse.parse_qs(url.query))
        elif match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            kind, name, revision, file = match.groups()
            self.resolve(f"{'datasets' if kind else 'models'}/{name}", revision, file)
        elif match := re.fullmatch(r"/cdn/((?:models|datasets)/[^/]+/[^/]+)/(.+)", path):
            self.send_file(*match.groups())
        else:
            self.answer(404)

    def list_tree(self, key: str, revision: str, query: dict[str, list[str]]) -> None:
        repo = self.repo(key, revision)
        if repo is None:
            return
        names = sorted(repo.files)
        page = int(query.get("cursor", ["0"])[0])
        headers = {}
        if page == 0 and len(names) > 2:  # the real hub lists 1,000 files a page
            headers["Link"] = f'<{self.hub.url}/api/{key}/tree/{revision}?recursive=True&cursor=2>; rel="next"'
            names = names[:2]
        listing = [self.entry(name, repo.files[name]) for name in names[page:]]
        self.answer(200, json.dumps(listing).encode(), headers)

    @staticmethod
    def entry(name: str, data: bytes) -> dict[str, object]:
        if len(data) < LARGE:
            return {"type": "file", "path": name, "size": len(data), "oid": git_blob(data)}
        large = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return {"type": "file", "path": name, "size": len(data), "oid": git_blob(b"pointer"), "lfs": large}

    def resolve(self, key: str, revision: str, file: str) -> None:
        repo = self.repo(key, revision)
        if repo is None:
            return
        data = repo.files.get(file)
        if repo.gated:
            self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        elif data is None:
            self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        elif len(data) < LARGE:
            self.send_file(key, file)
        else:  # large files lie on another host, and the way there says what they are
            linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
            elsewhere = self.hub.url.replace("127.0.0.1", "localhost")
            place = f"{elsewhere}/cdn/{key}/{urllib.parse.quote(file)}"
            self.answer(302, b"", {**linked, "X-Repo-Commit": COMMIT, "Location": place})

    def send_file(self, key: str, file: str) -> None:
        repo = self.hub.repos[key]
        data = repo.alter.get(file, repo.files[file])
        headers = {"ETag": f'"{git_blob(repo.files[file])}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        first = int((re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) or ["", "0"])[1])
        if self.command == "GET":
            self.hub.sent.append(f"{key.partition('/')[2]}/{file}" + (f" from {first}" if first else ""))
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        stop = repo.cut.pop(file, None) if self.command == "GET" else None
        self.answer(206 if first else 200, data[first:], headers, stop, repo.hold.get(file))

    def repo(self, key: str, revision: str) -> Repo | None:
        repo = self.hub.repos.get(key)
        if repo is None:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif repo.status:
            self.answer(repo.status)
        elif revision != COMMIT:
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            return repo
        return None

    def answer(
        self,
        status: int,
        body: bytes = b"{}",
        headers: dict[str, str] | None = None,
        stop: int | None = None,
        hold: threading.Event | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if hold is not None and not hold.is_set():
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.hub.started.set()
            hold.wait(60)
            body = body[len(body) // 2 :]
        try:
            self.wfile.write(body[:stop])
        except OSError:  # the client was killed
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass
