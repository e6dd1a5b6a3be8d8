"""Exports appear whole or not at all, and the same results give the same bytes."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# The earliest time that a zip file can hold: times of files would make two exports of the same results differ.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
# Compressed already, or noise: deflating them again takes time and gains nothing.
_STORED = (".parquet", ".safetensors", ".gguf", ".bin")
_BLOCK = 1 << 20


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to, renamed to `target` when the block succeeds and removed when it fails."""
    target.parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix=".export-", dir=target.parent))
    try:
        draft = home / target.name
        yield draft
        draft.rename(target)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write_zip(target: Path, top: str, files: Mapping[str, Path | bytes]) -> None:
    """Write `files` (path below the folder `top` -> file or content) as a zip with sorted names and fixed times.

    The bytes depend on the content alone, and on the zlib that compresses.
    """
    with zipfile.ZipFile(target, "w", allowZip64=True) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(f"{top}/{path}", _EPOCH)
            entry.external_attr = _MODE
            entry.create_system = 3  # Unix, on whatever system this runs: the byte is part of the file
            entry.compress_type = zipfile.ZIP_STORED if path.endswith(_STORED) else zipfile.ZIP_DEFLATED
            content = files[path]
            if isinstance(content, bytes):
                archive.writestr(entry, content)
                continue
            entry.file_size = content.stat().st_size  # decides between the plain and the 64-bit format
            with content.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, _BLOCK)
