"""The environment of jobs that run in an image: what the Snakefile puts into os.environ before any job starts.

Snakemake runs ``apptainer exec --home FOLDER IMAGE bash -c ...`` and nothing else, for CPU and GPU rules alike. All
that differs between jobs goes through Apptainer's own variables: it reads APPTAINER_NV as it reads --nv, and sets
inside what is named APPTAINERENV_*. On a cluster this runs on the node, in the Snakemake of the one job.
"""

from __future__ import annotations

import json
import os
import socket
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from piretry.errors import PiretryError
from piretry.images.apptainer import variable_prefix
from piretry.images.inside import IMAGES_VARIABLE
from piretry.images.sidecar import ImageFile
from piretry.provenance.environment import visible_devices

# Inside the image: no package and no cache of the user's, no statistics sent home. HF_HUB_OFFLINE is not among them:
# every stage but fetch, which runs on the submit host and needs the hub, sets it by itself.
SETTINGS = {
    "PYTHONNOUSERSITE": "1",
    "PYTHONPATH": "",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
# Caches that jobs may share: written once, by whoever fetches. The others hold compiled code that several jobs would
# write at the same time, on file systems whose locks do not reach across nodes: each job has its own.
SHARED_CACHES = {"HF_HOME": "huggingface"}
OWN_CACHES = {
    "XDG_CACHE_HOME": ".",
    "VLLM_CACHE_ROOT": "vllm",
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
}


def container_environment(
    images: Iterable[ImageFile],
    *,
    cache: str,
    binds: Sequence[str] = (),
    folders: Iterable[Path] = (),
    environ: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The variables that `apptainer exec` needs in its environment, for ``os.environ.update``.

    Args:
        images: every image that a rule may run in; their checksums reach the provenance records.
        cache: the site's folder for caches; made when absent. ``$SCRATCH`` and ``~`` in it are filled in.
        binds: the site's binds, ``source[:target[:ro]]``.
        folders: folders that jobs read or write (results, models, data): bound where they lie outside the working
            directory, which Snakemake binds itself, or are links to outside.
        environ: the environment to add to.

    Raises PiretryError for a bind whose source does not exist, and for a path that Apptainer cannot take.
    """
    prefix = variable_prefix()
    caches = _cache_folders(cache, environ)
    inside = SETTINGS | {name: str(path) for name, path in caches.items()}
    wanted = [_checked_bind(bind, environ) for bind in binds]
    wanted += [bind for path in (*folders, *caches.values()) for bind in _outside(path)]
    scratch = environ.get("TMPDIR")
    if scratch and Path(scratch).is_dir():
        wanted += [bind for bind in _outside(Path(scratch)) if not bind.startswith("/tmp")]
    known = [bind for bind in environ.get(f"{prefix}_BIND", "").split(",") if bind]
    return {
        f"{prefix}_NV": "1" if holds_gpus(environ) else "0",
        f"{prefix}_BIND": ",".join(dict.fromkeys([*known, *wanted])),
        **{f"{prefix}ENV_{name}": value for name, value in inside.items()},
        # Not by the prefix: Apptainer lets a shell read those values, and this one has quotes in it.
        IMAGES_VARIABLE: json.dumps(_announced(images)),
    }


def holds_gpus(environ: Mapping[str, str] = os.environ, driver: Path = Path("/proc/driver/nvidia/version")) -> bool:
    """Whether this job holds GPUs: CUDA_VISIBLE_DEVICES, which Slurm sets, says so.

    Outside a Slurm job, where the variable is not set, the machine's own GPUs count.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "SLURM_JOB_ID" not in environ and driver.exists()
    return bool(visible_devices(visible))


def _announced(images: Iterable[ImageFile]) -> dict[str, tuple[str, str]]:
    """Every path by which Apptainer may call an image -> its path as configured, and its checksum."""
    found: dict[str, tuple[str, str]] = {}
    for image in images:
        for path in (image.path.absolute(), image.path.resolve()):
            found[str(path)] = (image.path.as_posix(), image.sha256)
    return found


def _cache_folders(cache: str, environ: Mapping[str, str]) -> dict[str, Path]:
    top = Path(_expanded(cache, environ, "cache")).absolute()
    job = environ.get("SLURM_JOB_ID")
    own = top / "jobs" / (job or socket.gethostname())
    found = {name: top / folder for name, folder in SHARED_CACHES.items()}
    found |= {name: own / folder for name, folder in OWN_CACHES.items()}
    for path in found.values():
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PiretryError(
                f"slurm/site.yaml: cache: the folder {path} cannot be made ({error.strerror}). Expected a folder that "
                "you can write to on every node."
            ) from error
    return found


def _expanded(text: str, environ: Mapping[str, str], key: str) -> str:
    """`text` with ~ and $VARIABLES filled in; PiretryError where a variable is not set, or a character is left over.

    Apptainer lets a shell evaluate the values of APPTAINERENV_* and divides binds at commas.
    """
    try:
        filled = string.Template(str(Path(text).expanduser()) if text.startswith("~") else text).substitute(environ)
    except (KeyError, ValueError) as error:
        raise PiretryError(
            f"slurm/site.yaml: {key}: {text!r} names a variable that is not set here ({error})."
        ) from error
    if any(character in filled for character in '$`\\,"\n'):
        raise PiretryError(
            f"slurm/site.yaml: {key}: the path {filled!r} has a character that Apptainer's variables cannot carry "
            '($ ` \\ , " or a line end). Choose another path, or a link to it.'
        )
    return filled


def _checked_bind(bind: str, environ: Mapping[str, str]) -> str:
    filled = _expanded(bind, environ, "binds")
    source = filled.split(":")[0]
    if not source or not Path(source).exists():
        raise PiretryError(
            f"slurm/site.yaml: binds: {source!r} does not exist on {socket.gethostname()}. Expected 'source', "
            "'source:target' or 'source:target:ro' with a source that every node has."
        )
    return filled


def _outside(path: Path) -> list[str]:
    """The binds of a folder: none where it truly lies in the working directory."""
    here = Path.cwd()
    binds = []
    for name, inside in ((path.absolute(), here), (path.resolve(), here.resolve())):
        if not name.is_relative_to(inside) and not name.is_relative_to(here.resolve()) and name.exists():
            if any(character in str(name) for character in ",:"):
                raise PiretryError(f"The folder {name} cannot be bound into an image: its path has a comma or a colon.")
            binds.append(str(name))
    return list(dict.fromkeys(binds))
