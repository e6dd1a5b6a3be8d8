"""The cage around every Lean process: no network, limits of the kernel, and an end together with its parent.

Model-written Lean can run code while it elaborates. The text rules refuse that; this is the second line: a network
namespace without any interface, a process namespace (whatever a proof starts ends with it), limits on memory, file
size and processor time, an environment without the user's variables, and a scratch folder as the working directory.
What the user may write elsewhere stays writable: a container that mounts it read-only is the next line.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

# Lean finds its own program through /proc, so a process namespace needs a /proc of its own.
_PROCESSES = ("--pid", "--fork", "--kill-child", "--mount-proc")
_USER = ("--user", "--map-root-user")
_NAMESPACES = (("--net", *_PROCESSES), (*_USER, "--net", *_PROCESSES), ("--net",), (*_USER, "--net"))
_PROBE = 'read -r pid rest < /proc/self/stat && test "$pid" = "$$"'
_LIMITS = 'ulimit -c 0; ulimit -v "$1"; ulimit -t "$2"; ulimit -f "$3"; shift 3; exec "$@"'
_FILE_BLOCKS = 2_000_000  # of 512 bytes: an .olean file of Mathlib's largest module has some 50 MB


@dataclass(frozen=True)
class Sandbox:
    """The commands that are put before Lean's; `network` and `processes` say whether those are shut off."""

    prefix: tuple[str, ...]
    network: bool
    processes: bool

    def wrap(self, command: tuple[str, ...], memory_mb: int, cpu_s: int) -> list[str]:
        """Return `command` inside the cage; `memory_mb` bounds the address space, mapped files included."""
        limits = [str(memory_mb << 10), str(cpu_s), str(_FILE_BLOCKS)]
        return [*self.prefix, "/bin/sh", "-c", _LIMITS, "sh", *limits, *command]

    def __str__(self) -> str:
        network = "no network" if self.network else "network reachable (unshare is not permitted here)"
        return network + (", own process namespace" if self.processes else "")


@cache
def detect_sandbox() -> Sandbox:
    """Return the strongest cage that this machine permits, found by trying."""
    prefix: tuple[str, ...] = ()
    if (setpriv := shutil.which("setpriv")) and _works((setpriv, "--pdeathsig", "KILL", "--")):
        prefix = (setpriv, "--pdeathsig", "KILL", "--")
    if unshare := shutil.which("unshare"):
        for options in _NAMESPACES:
            if _works((*prefix, unshare, *options, "--")):
                return Sandbox((*prefix, unshare, *options, "--"), network=True, processes="--pid" in options)
    return Sandbox(prefix, network=False, processes=False)


def _works(prefix: tuple[str, ...]) -> bool:
    try:
        return subprocess.run([*prefix, "/bin/sh", "-c", _PROBE], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
