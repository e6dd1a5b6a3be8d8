"""Models and datasets from a hub at a pinned commit: downloaded by huggingface_hub, compared with the hub's checksums.

Only stage `fetch` talks to a network. HF_ENDPOINT names a mirror, HF_TOKEN (or a login) opens gated repositories, and
HF_HOME is where a cache lies that serves hosts without a network.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from piretry.errors import PiretryError

# huggingface_hub's own books in a folder that it downloads to.
_BOOKS = ".cache"


def stay_offline() -> None:
    """Keep this process and its children away from the network: models and data are files by now.

    Without it libraries ask the hub about local folders too. To be called before one of them is imported.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"


@dataclass(frozen=True)
class Wanted:
    """Files of a hub repository at a commit, and where the settings ask for them.

    Args:
        kind: `model` or `dataset`.
        repo: id of the repository.
        revision: commit, 40 hex digits.
        patterns: which files, as patterns inside the repository; `*` stays within a folder.
        where: file and key that ask for it, e.g. ``scales/paper.yaml: roles.small``.
        id_key: the key of `repo` there.
        instead: what to write there to do without a hub, as a sentence.
    """

    kind: Literal["model", "dataset"]
    repo: str
    revision: str
    patterns: tuple[str, ...]
    where: str
    id_key: str
    instead: str


@dataclass(frozen=True)
class Fetched:
    """Where files came from, and the checksum of the hub that each of them agrees with."""

    source: str
    checksums: dict[str, str]


@dataclass(frozen=True)
class _Entry:
    """A file as the hub lists it: its SHA-256 where it is large (LFS), else the hash of git's blob, or neither."""

    path: str
    size: int
    sha256: str | None
    blob: str | None

    @property
    def checksum(self) -> str:
        """What it was compared with, for the record."""
        if self.sha256:
            return f"sha256 {self.sha256}"
        return f"git blob {self.blob}" if self.blob else "none"


def download(wanted: Wanted, work: Path, target: Path) -> Fetched:
    """Put the files of `wanted` into the new folder `target`.

    Args:
        wanted: what to fetch.
        work: folder for finished files, kept when this process is killed: the next run fetches the others only.
        target: folder to make, on the file system of `work`. The weights are hard links, so they lie there once.

    Raises PiretryError, with file and key, for a repository, commit or file that the hub does not have or not for you,
    no network, too little disk space, and bytes that are not those that the hub lists.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
    from huggingface_hub.hf_api import RepoFile

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
    with _sentences(wanted, endpoint):
        try:
            tree = HfApi(endpoint=endpoint).list_repo_tree(
                wanted.repo, recursive=True, revision=wanted.revision, repo_type=wanted.kind
            )
            listed = [
                _Entry(file.path, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
                for file in tree
                if isinstance(file, RepoFile)
            ]
        except (OfflineModeIsEnabled, HTTPError) as error:
            if getattr(error, "response", None) is not None:  # the hub did answer
                raise
            return _from_cache(wanted, target, error)
        entries = _chosen(wanted, [entry for entry in listed if _matches(entry.path, wanted.patterns)], listed)
        files = work / "files"
        files.mkdir(parents=True, exist_ok=True)
        for leftover in files.glob(f"{_BOOKS}/**/*.incomplete"):  # of a killed download: nothing takes it up
            leftover.unlink()
        _make_room(wanted, entries, files)
        snapshot_download(
            wanted.repo,
            repo_type=wanted.kind,
            revision=wanted.revision,
            local_dir=files,
            allow_patterns=[_literally(entry.path) for entry in entries],
            endpoint=endpoint,
            max_workers=4,
        )
    with ThreadPoolExecutor(max_workers=4) as pool:
        wrong = [text for text in pool.map(lambda entry: _difference(entry, files / entry.path), entries) if text]
    if wrong:
        raise PiretryError(
            f"{wanted.where}: {wanted.repo} at {wanted.revision} arrived damaged: {'; '.join(wrong)}. These files were "
            "removed; run the same command again to fetch them anew. If it happens again, the mirror or a proxy on the "
            "way alters them."
        )
    link_files([(files / entry.path, target / entry.path) for entry in entries])
    return Fetched(_shown(endpoint), {entry.path: entry.checksum for entry in entries})


def link_files(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Make each second path a hard link to the file at the first, or a copy where there can be no link."""
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source.resolve(), target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, target)


def _from_cache(wanted: Wanted, target: Path, unreachable: Exception) -> Fetched:
    """The files from huggingface_hub's cache, where a host with network has put them."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        folder = Path(
            snapshot_download(
                wanted.repo,
                repo_type=wanted.kind,
                revision=wanted.revision,
                allow_patterns=list(wanted.patterns),
                local_files_only=True,
            )
        )
    except LocalEntryNotFoundError:
        lost = f"{wanted.where}: {wanted.repo} at {wanted.revision} could not be fetched"
        cached = f"and it is not, or not whole, in the cache {constants.HF_HUB_CACHE}"
        if isinstance(unreachable, OfflineModeIsEnabled):
            raise PiretryError(
                f"{lost}: HF_HUB_OFFLINE is set, {cached}. Unset it on a host with network and run this stage there, "
                f"or {wanted.instead}"
            ) from unreachable
        raise PiretryError(
            f"{lost}: the hub at {_shown(os.environ.get('HF_ENDPOINT'))} cannot be reached "
            f"({type(unreachable).__name__}: {unreachable}), {cached}. Run this stage on a host with network, set "
            f"HF_ENDPOINT to a mirror, or {wanted.instead}"
        ) from unreachable
    entries, paths = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if _matches(name, wanted.patterns):
            # The cache names a blob by the hub's checksum, SHA-256 of a large file, else git's; without links, by none.
            blob = path.resolve().name
            large = re.fullmatch(r"[0-9a-f]{64}", blob) is not None
            small = re.fullmatch(r"[0-9a-f]{40}", blob) is not None
            entries.append(_Entry(name, path.stat().st_size, blob if large else None, blob if small else None))
            paths.append(path)
    _chosen(wanted, entries, entries)
    for entry, path in zip(entries, paths, strict=True):
        if problem := _difference(entry, path, keep=True):
            raise PiretryError(
                f"{wanted.where}: the cached copy of {wanted.repo} at {wanted.revision} is damaged: {problem}. Delete "
                f"{folder.parent.parent} and fetch it again on a host with network."
            )
    link_files([(path, target / entry.path) for entry, path in zip(entries, paths, strict=True)])
    return Fetched(f"cache {constants.HF_HUB_CACHE}", {entry.path: entry.checksum for entry in entries})


def _chosen(wanted: Wanted, chosen: list[_Entry], listed: list[_Entry]) -> list[_Entry]:
    if not chosen:
        known = ", ".join(sorted(entry.path for entry in listed)[:20]) or "nothing"
        raise PiretryError(
            f"{wanted.where}: no file of {wanted.repo} at {wanted.revision} matches {', '.join(wanted.patterns)}. It "
            f"holds {known}."
        )
    return chosen


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches `name` folder by folder, as a glob does."""
    parts = name.split("/")
    for pattern in patterns:
        wanted = pattern.split("/")
        if len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


def _literally(name: str) -> str:
    """A pattern that matches `name` alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _make_room(wanted: Wanted, entries: Sequence[_Entry], files: Path) -> None:
    """Refuse before the first byte what would not fit: a disk that runs full stops other jobs too."""
    needed = sum(entry.size for entry in entries if not (files / entry.path).is_file())
    free = shutil.disk_usage(files).free
    if needed > free:
        raise PiretryError(
            f"{wanted.where}: {wanted.repo} needs {needed / 1e9:.2f} GB more, but {files} has {free / 1e9:.2f} GB "
            "free. Free some space, or set a results folder on a larger disk under 'results' in config.yaml; what is "
            "fetched already is kept."
        )


def _difference(entry: _Entry, path: Path, keep: bool = False) -> str | None:
    """What is wrong with the file at `path`, which is removed for it unless `keep`; None when it is the hub's."""
    expected = entry.sha256 or entry.blob
    if expected is None:
        return None
    found = _digest(path, path.stat().st_size, entry.sha256 is not None)
    if found == expected:
        return None
    if not keep:
        path.unlink()
    kind = "SHA-256" if entry.sha256 else "git blob hash"
    return f"{entry.path} has {kind} {found}, but the hub lists {expected}"


def _digest(path: Path, size: int, large: bool) -> str:
    """SHA-256 of a large file; of a small one the SHA-1 by which git names a blob (header, then the bytes)."""
    total = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def _shown(endpoint: str | None) -> str:
    """The endpoint for a record or a message, without a user name or password in it."""
    from huggingface_hub import constants

    parts = urlsplit(endpoint or constants.ENDPOINT)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@contextmanager
def _sentences(wanted: Wanted, endpoint: str | None) -> Iterator[None]:
    """Every answer of a hub that is no file, as a sentence. A full disk passes: the publication has its own."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
        XetDownloadError,
    )

    hub, what = f"the hub at {_shown(endpoint)}", f"{wanted.kind} {wanted.repo!r}"
    try:
        yield
    except RevisionNotFoundError as error:
        raise PiretryError(
            f"{wanted.where}.revision: {hub} has no commit {wanted.revision} of {what}. Take the full commit from the "
            f"repository's history, or {wanted.instead}"
        ) from error
    except GatedRepoError as error:
        raise PiretryError(
            f"{wanted.where}.{wanted.id_key}: the {what} is gated. Accept its terms on the hub's page and log in "
            f"(`hf auth login`, or HF_TOKEN), or {wanted.instead}"
        ) from error
    except RepositoryNotFoundError as error:
        raise PiretryError(
            f"{wanted.where}.{wanted.id_key}: {hub} has no {what} that you may read. Check the spelling, log in if it "
            f"is private, or {wanted.instead}"
        ) from error
    except HfHubHTTPError as error:
        raise PiretryError(
            f"{wanted.where}: {hub} answered {error.response.status_code} about {what} at {wanted.revision}. Run the "
            f"same command again later (what is fetched is kept), set HF_ENDPOINT to a mirror, or {wanted.instead}"
        ) from error
    except (HTTPError, XetDownloadError) as error:
        raise PiretryError(
            f"{wanted.where}: the connection to {hub} broke off while {what} was fetched ({type(error).__name__}: "
            f"{error}). Run the same command again: the files that are whole are kept."
        ) from error
    except OSError as error:
        if "onsistency check failed" not in str(error):
            raise
        raise PiretryError(
            f"{wanted.where}: {hub} sent a file of {what} that is not whole ({str(error).splitlines()[0]}). Run the "
            "same command again: the files that are whole are kept."
        ) from error
