"""A real Apptainer and a real CPU image for tests, made once and kept in a cache folder.

For tests of other folders, too (put this folder on `sys.path` in their conftest):

    from apptainer_tools import Unavailable, cpu_image, find_apptainer, run_in, skip_unless

    find_apptainer() -> dict[str, str]   the environment of processes that call `apptainer` (a whole environment,
                                         `os.environ` with PATH and what Apptainer needs); raises Unavailable(reason)
    cpu_image() -> Path                  a .sif with its sidecar, built from containers/cpu.def with the present code of
                                         the package; raises Unavailable(reason), and PiretryError when the build fails
    run_in(image, *command, env=..., cwd=...)   `apptainer exec` as Snakemake calls it; returns CompletedProcess
    skip_unless(function)                what `function()` returns, or pytest.skip with the reason of Unavailable
    patched_environment(environ)         context manager: os.environ is `environ` inside

The cache folder is $PIRETRY_TEST_CACHE or ~/.cache/piretry-tests: the first call of a machine takes about 15 s for
Apptainer and 3 minutes for the image, later ones nothing; with edited code the last image gets the new code (20 s).
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from piretry.images.build import BuildOptions, build_image
from piretry.images.definition import Definition
from piretry.images.sidecar import sidecar_path

ROOT = Path(__file__).parents[2]
GET_APPTAINER = ROOT.parent / "shared/tools/get_apptainer.sh"
NEEDED_TO_INSTALL = ("patchelf", "capsh", "apt-get", "dpkg")
NEEDED_TO_BUILD = ("mksquashfs", "debootstrap")
KEPT_IMAGES = 3  # other checkouts on the machine may be testing, too
T = TypeVar("T")


class Unavailable(Exception):
    """Why this machine cannot run the real thing."""


def cache_folder() -> Path:
    """Where Apptainer and images are kept between test runs."""
    chosen = os.environ.get("PIRETRY_TEST_CACHE")
    folder = Path(chosen) if chosen else Path.home() / ".cache/piretry-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def find_apptainer() -> dict[str, str]:
    """The environment in which `apptainer` is on PATH; installs one into the cache where the shared tools allow it."""
    if shutil.which("apptainer"):
        return dict(os.environ)
    prefix = cache_folder() / "apptainer"
    with locked("apptainer"):
        if not (prefix / "env.sh").is_file():
            _install(prefix)
    script = f'. "{prefix}/env.sh" && env -0'
    answer = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in answer.split("\0") if "=" in line)


def skip_unless(function: Callable[[], T]) -> T:
    """The value of `function()`; the test is skipped when it raises Unavailable."""
    try:
        return function()
    except Unavailable as reason:
        pytest.skip(str(reason))


def run_in(image: Path, *command: str, env: dict[str, str], cwd: Path, args: tuple[str, ...] = ()) -> Any:
    """`apptainer exec --home CWD ARGS IMAGE COMMAND`, as Snakemake runs it; output captured, status not checked.

    A PYTHONPATH of the shell that runs the tests stays outside, as `container_environment` keeps it outside for jobs.
    """
    call = ["apptainer", "exec", "--home", str(cwd), *args, str(image), *command]
    inside = env | {"APPTAINERENV_PYTHONPATH": ""}
    return subprocess.run(call, env=inside, cwd=cwd, capture_output=True, text=True, timeout=300)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One test process at a time makes a thing of the cache."""
    with (cache_folder() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.cache
def cpu_image() -> Path:
    """The CPU image of the present code, built where the cache has none.

    Raises Unavailable where this machine cannot build one, and PiretryError when the build fails.
    """
    environment = find_apptainer()
    missing = [tool for tool in NEEDED_TO_BUILD if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        raise Unavailable(f"to build the CPU image, the tests need {', '.join(['root', *missing])}")
    definition = Definition("cpu", ROOT)
    same_packages = f"cpu-{definition.environment_digest[:12]}-"
    target = cache_folder() / f"{same_packages}{definition.code_digest[:12]}.sif"
    if target.is_file() and sidecar_path(target).is_file():
        return target
    with locked("cpu-image"), patched_environment(environment):
        if not target.is_file():
            older = sorted(cache_folder().glob(f"{same_packages}*.sif"), key=lambda path: path.stat().st_mtime)
            if older:
                target.hardlink_to(older[-1])  # the build replaces the name, never the bytes
        build_image("cpu", ROOT, BuildOptions(bootstrap="debootstrap"), target)
        images = sorted(cache_folder().glob("cpu-*.sif"), key=lambda path: path.stat().st_mtime)
        for old in images[:-KEPT_IMAGES]:
            old.unlink()
            sidecar_path(old).unlink(missing_ok=True)
    return target


@contextmanager
def patched_environment(environment: dict[str, str]) -> Iterator[None]:
    """`os.environ` is `environment` inside, so that code under test finds Apptainer."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _install(prefix: Path) -> None:
    if not GET_APPTAINER.is_file():
        raise Unavailable("Apptainer is not installed, and there is no ../shared/tools/get_apptainer.sh to get it with")
    missing = [tool for tool in NEEDED_TO_INSTALL if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        needs = ", ".join(["root", *missing])
        raise Unavailable(f"Apptainer is not installed; to install one, the tests need {needs}")
    shutil.rmtree(prefix, ignore_errors=True)
    done = subprocess.run(["bash", str(GET_APPTAINER), str(prefix)], capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(prefix, ignore_errors=True)
        raise Unavailable(f"Apptainer could not be installed: {done.stderr.strip().splitlines()[-1:]}")
