"""The files of the checkout that an export carries: the workflow, its configuration, its environments, its sources."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import piretry

SNAKEFILE = "Snakefile"
CONFIGURATION = "config.yaml"
PACKAGE = "src/piretry"

_SINGLE = (
    SNAKEFILE,
    CONFIGURATION,
    "pyproject.toml",
    "Makefile",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "CITATION.cff",
)
# Folder -> endings taken along. A list of what is wanted, so that nothing private that lies about is sent away.
_FOLDERS = {
    "rules": (".smk",),
    "scales": (".yaml",),
    "report": (".yaml", ".rst"),
    "envs": (".yaml", ".txt", ".toml", ""),  # lean-toolchain has no ending
    "containers": (".def", ".md"),
    "profiles": (".yaml",),
    "docs": (".md", ".json"),
}
_SOURCES = (".py", ".typed", ".jsonl", ".lean", ".yaml", ".json", ".csv", ".j2", ".css", ".js", ".rst")
_SKIPPED = ("__pycache__",)

_MEDIA_TYPES = {
    ".cff": "application/yaml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".html": "text/html",
    ".jinja": "text/plain",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".rst": "text/x-rst",
    ".safetensors": "application/octet-stream",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def workflow_files(home: Path) -> dict[str, Path]:
    """Path in the export -> file, sorted, of the checkout `home`; the sources are those of the running piretry.

    The audit compares records with the running code, so that is the code that goes along.
    """
    found = {name: home / name for name in _SINGLE if (home / name).is_file()}
    for folder, endings in _FOLDERS.items():
        found |= {f"{folder}/{name}": path for name, path in _below(home / folder, endings).items()}
    package = Path(piretry.__file__).resolve().parent
    found |= {f"{PACKAGE}/{name}": path for name, path in _below(package, _SOURCES).items()}
    return dict(sorted(found.items()))


def media_type(path: str) -> str:
    """The media type of a file by its name; text unless known."""
    return _MEDIA_TYPES.get(PurePosixPath(path).suffix, "text/plain")


def _below(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        name.as_posix(): path
        for name, path in files.items()
        if path.suffix in endings and not any(part in _SKIPPED or part.startswith(".") for part in name.parts)
    }
