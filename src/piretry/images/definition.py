"""What an image is made of: its definition file, the pins, the checkout's code, and the digests of these."""

from __future__ import annotations

import re
import shutil
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from piretry.errors import PiretryError, nearest
from piretry.provenance.code import Package
from piretry.provenance.hashing import digest_json

KINDS = ("cpu", "gpu", "lean")
# An image that starts from another of ours, whose Python packages it has, and adds what is no Python package.
BASES = {"lean": "gpu"}
# What goes into an image beside Python: the Lake project of the one with Lean.
PROJECTS = {"lean": "envs/lean"}
TOOLCHAIN = "lean-toolchain"
# The Python of the images, and so of the wheels collected for them: envs/ pins for this one.
PYTHON = (3, 11)
# Named in pyproject.toml, so that the package cannot be built without them.
DOCUMENTS = ("README.md", "LICENSE")
# One definition installs only what it needs of the pins, the other exactly its lock.
LOCKS = {"cpu": "constraints.txt", "gpu": "gpu-constraints.txt", "lean": "gpu-constraints.txt"}


@dataclass(frozen=True)
class Definition:
    """One image of a checkout.

    Args:
        kind: "cpu", "gpu" or "lean".
        home: the checkout (the folder with containers/, envs/, pyproject.toml and src/).
    """

    kind: str
    home: Path

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PiretryError(f"There is no image {self.kind!r}.{nearest(self.kind, KINDS)}")
        for path in (self.file, self.lock, self.project, self.package, *self.lake_project):
            if not path.exists():
                raise PiretryError(
                    f"{path} does not exist: an image is built from a checkout of piretry. Run the command in its "
                    "folder, or name the folder with --home."
                )

    @property
    def file(self) -> Path:
        """The Apptainer definition."""
        return self.home / "containers" / f"{self.kind}.def"

    @property
    def lock(self) -> Path:
        """The pinned versions."""
        return self.home / "envs" / LOCKS[self.kind]

    @property
    def project(self) -> Path:
        """pyproject.toml, with the direct dependencies."""
        return self.home / "pyproject.toml"

    @property
    def base(self) -> Definition | None:
        """The image that this one starts from, or None when it starts from a base system."""
        return Definition(BASES[self.kind], self.home) if self.kind in BASES else None

    @property
    def lake_project(self) -> list[Path]:
        """The files of the Lake project that goes into the image; none where it has none."""
        if self.kind not in PROJECTS:
            return []
        return [self.home / PROJECTS[self.kind] / name for name in (TOOLCHAIN, "lakefile.toml")]

    @property
    def package(self) -> Path:
        """The folder of the piretry package that goes into the image."""
        return self.home / "src/piretry"

    def copy(self, folder: Path) -> Definition:
        """A copy in the new folder `folder` of the checkout's files that go into the image."""
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(self.package, folder / "src/piretry", ignore=ignored)
        own = [self.file, *self.lake_project, *([self.base.file] if self.base else [])]
        for path in (*own, self.lock, self.project, *(self.home / name for name in DOCUMENTS)):
            copied = folder / path.relative_to(self.home)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
        return Definition(self.kind, folder)

    @property
    def sources(self) -> list[str]:
        """The files that decide which packages the image holds."""
        return [str(path) for path in (self.file, *self.lake_project, self.lock, self.project)]

    @cached_property
    def environment_digest(self) -> str:
        """SHA-256 over all that decides what the image holds beside piretry's code: comments do not count.

        Of the direct dependencies the names do: their versions are those of the lock, whatever pyproject.toml allows.
        """
        parts: dict[str, object] = {
            "definition": _lines(self.file),
            "lock": _lines(self.lock),
            "dependencies": sorted(re.sub(r"[=<>!~][^;]*", "", entry).strip() for entry in self.dependencies),
            "build": self.build_requires,
        }
        if self.base is not None:
            parts |= {"base": self.base.environment_digest, "project": [_lines(path) for path in self.lake_project]}
        return digest_json(parts)

    @cached_property
    def code(self) -> dict[str, str]:
        """Module or data file -> first 16 hex digits of its digest, for the whole package."""
        package = Package(self.package)
        files = [
            f"{self.package.name}/{path.relative_to(self.package).as_posix()}"
            for path in sorted(self.package.rglob("*"))
            if path.is_file() and path.suffix not in (".py", ".pyc")
        ]
        return package.parts((*package.all_modules(), *files))

    @cached_property
    def code_digest(self) -> str:
        """SHA-256 over `code`: comments and docstrings do not count."""
        return digest_json(self.code)

    @cached_property
    def dependencies(self) -> list[str]:
        """The direct dependencies, as pyproject.toml has them."""
        return [str(entry) for entry in tomllib.loads(self.project.read_text())["project"]["dependencies"]]

    @cached_property
    def build_requires(self) -> list[str]:
        """What building the package itself needs."""
        return [str(entry) for entry in tomllib.loads(self.project.read_text())["build-system"]["requires"]]


def _lines(path: Path) -> list[str]:
    """The lines of `path` without comments and blank lines."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
