"""An image is known by its sha256. A sidecar file beside it spares hashing gigabytes every time it is asked for.

`images/cpu.sif` has `images/cpu.sif.json`: checksum, size, modification time and what the build knew. It is believed
while size and time are the file's; a replaced image is hashed again, and Snakemake then sees another sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError, nearest
from piretry.provenance.hashing import sha256_file

SUFFIX = ".json"


@dataclass(frozen=True)
class ImageFile:
    """One image: its path as configured, the checksum and size (bytes) of its bytes, and what is known of its build.

    `build` is empty for an image that piretry did not build, or that was replaced since.
    """

    path: Path
    sha256: str
    bytes: int
    build: Mapping[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """The sha256 of the image in which the packages were installed.

        It is the image's own, unless a later build replaced nothing but the code of piretry, which has digests of its
        own: then all that can change a result beside that code is still the same.
        """
        return str(self.build.get("packages_sha256") or self.sha256)

    @property
    def code(self) -> Mapping[str, str]:
        """Module -> digest of the piretry inside, as `provenance.code.code_parts` gives it; empty when not known."""
        found = self.build.get("code", {})
        return found if isinstance(found, dict) else {}


def read_image(path: Path) -> ImageFile:
    """The image at `path`, hashed only when its sidecar does not fit it; says on standard error when it hashes.

    Raises PiretryError when there is no such file, or it is no image file.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        beside = [str(other) for other in path.parent.glob("*.sif")]
        hint = nearest(str(path), beside) if beside else ""
        raise PiretryError(
            f"The image {path} does not exist.{hint} Build it with `snakemake images`, or name the image that you have "
            "under 'images' of slurm/site.yaml."
        ) from None
    if not path.is_file():
        raise PiretryError(
            f"The image {path} is a folder, and images are addressed by the sha256 of one file. Name a .sif file: "
            "where Apptainer cannot mount one it unpacks it by itself."
        )
    for place in (sidecar_path(path), _cached_sidecar(path)):
        known = _read(place)
        if known.get("bytes") == status.st_size and known.get("mtime_ns") == status.st_mtime_ns:
            return _image(path, known)
    old = _read(sidecar_path(path))
    why = "is not the file that its sidecar describes (it was replaced)" if old else "has no checksum yet"
    print(f"piretry: the image {path} {why}: hashing {status.st_size / 1e9:.2f} GB.", file=sys.stderr)
    sha256 = sha256_file(path)
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise PiretryError(f"The image {path} changed while it was hashed. Wait until it is written, then try again.")
    return write_sidecar(path, sha256, old.get("build", {}) if old.get("sha256") == sha256 else {})


def write_sidecar(path: Path, sha256: str, build: Mapping[str, Any]) -> ImageFile:
    """Write the sidecar of the image at `path` whose checksum is `sha256`; atomically.

    Where the image's folder cannot be written, the sidecar goes into the user's cache folder.
    """
    status = path.stat()
    known = {"sha256": sha256, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "build": dict(build)}
    text = json.dumps(known, indent=1, sort_keys=True) + "\n"
    try:
        _write(sidecar_path(path), text)
    except OSError:
        try:
            _write(_cached_sidecar(path), text)
        except OSError as error:
            print(f"piretry: the checksum of {path} cannot be kept ({error}); it is taken anew.", file=sys.stderr)
    return _image(path, known)


def sidecar_path(path: Path) -> Path:
    """The sidecar beside the image at `path`."""
    return path.with_name(path.name + SUFFIX)


def _image(path: Path, known: Mapping[str, Any]) -> ImageFile:
    return ImageFile(path, str(known["sha256"]), int(known["bytes"]), known.get("build", {}))


def _cached_sidecar(path: Path) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    return home / "piretry/images" / f"{name}{SUFFIX}"


def _read(place: Path) -> dict[str, Any]:
    """What a sidecar says; empty when there is none, or when it is damaged (it is then written anew)."""
    try:
        value = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    sound = isinstance(value, dict) and isinstance(value.get("sha256"), str) and isinstance(value.get("build"), dict)
    return value if sound else {}


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
