"""Collects the wheels of an image on the host, with the pip configuration of whoever builds it.

Package indexes, mirrors, certificates and local wheel folders are the builder's affair: pip on the host knows them, and
the build inside the image then needs no network and no index. So nothing of them gets into an image either.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from piretry.errors import PiretryError
from piretry.images.definition import PYTHON, Definition
from piretry.provenance.hashing import sha256_file

# Checksums of the wheels, in the format of sha256sum; the definitions keep this file in the image.
CHECKSUMS = "wheels.sha256"


def collect_wheels(definition: Definition, folder: Path, *, only_build: bool = False) -> list[Path]:
    """Put every wheel that the image of `definition` needs into `folder`, and write their checksums there.

    With `only_build` just what building the package itself needs: the image has the rest.

    Raises PiretryError when this Python cannot do it (the pins are for Python 3.11 on Linux), or when pip fails,
    with the end of what pip said.
    """
    version = ".".join(map(str, PYTHON))
    if sys.version_info[:2] != PYTHON or sys.platform != "linux":
        raise PiretryError(
            f"The wheels of an image are for Python {version} on Linux, and this is Python "
            f"{platform.python_version()} on {sys.platform}. Run the command with Python {version} (envs/cpu.yaml), or "
            "give --online, and pip runs inside the image during the build, where it needs an index."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for arguments in _requests(definition)[1 if only_build else 0 :]:
        _pip(["wheel", *arguments, "--wheel-dir", str(folder)])
    wheels = sorted(folder.glob("*.whl"))
    if only_build:
        return wheels
    check_build_of_torch(definition.kind, [wheel.name for wheel in wheels])
    lines = "".join(f"{sha256_file(wheel)}  {wheel.name}\n" for wheel in wheels)
    (folder / CHECKSUMS).write_text(lines, encoding="utf-8")
    return wheels


def check_build_of_torch(kind: str, wheels: list[str]) -> None:
    """Refuse a CPU build of torch for the GPU image, and say when the CPU image gets the large CUDA build.

    Both fit the pin: which one pip prefers is a matter of the indexes that it knows.
    """
    cpu = [name for name in wheels if name.startswith("torch-") and "+cpu" in name]
    if kind == "gpu" and cpu:
        raise PiretryError(
            f"Your pip prefers {cpu[0]}, a build without CUDA, to the one that the GPU image needs: it knows an index "
            "or a folder of CPU builds (`pip config list` shows where). Leave that out for this build; another "
            "configuration can be named in PIP_CONFIG_FILE."
        )
    if kind == "cpu" and not cpu:
        print(
            "Your pip knows no CPU build of torch: the image gets the CUDA build and is some GB larger "
            "(containers/README.md).",
            file=sys.stderr,
        )


def _requests(definition: Definition) -> list[list[str]]:
    """The arguments of each call of pip: first what the package needs to run, then what it needs to be built."""
    build = ["--no-deps", *definition.build_requires]
    if definition.kind == "gpu":  # the lock holds every package
        return [["--no-deps", "--requirement", str(definition.lock)], build]
    return [["--constraint", str(definition.lock), *definition.dependencies], build]


def _pip(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet", "--no-input"]
    print("+ pip wheel: collecting the packages of the image", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        end = "\n".join(done.stderr.strip().splitlines()[-12:])
        raise PiretryError(
            f"pip could not collect the wheels of the image (status {done.returncode}):\n{end}\nIt uses your pip "
            "configuration (`pip config list`): an index or a folder of wheels must be named there or in PIP_INDEX_URL "
            "or PIP_FIND_LINKS."
        )
