"""Builds an image with Apptainer: `piretry image build cpu`, which the rule in rules/images.smk runs."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError, nearest
from piretry.images.apptainer import find_apptainer, image_labels
from piretry.images.definition import PROJECTS, TOOLCHAIN, Definition
from piretry.images.mirror import RELEASE, apt_mirror
from piretry.images.sidecar import ImageFile, read_image, write_sidecar
from piretry.images.wheels import collect_wheels
from piretry.provenance import environment
from piretry.provenance.hashing import sha256_file
from piretry.provenance.model import Checkout

FOLDER = "images"
BOOTSTRAPS = ("docker", "debootstrap", "localimage")
# What an image starts from where the caller names nothing: the official image of its Python, on Debian 12.
DOCKER_IMAGE = "python:3.11-slim-bookworm"
# The label of an image that was built from nothing: it cannot hold its own checksum.
OWN_PACKAGES = "self"
# zstd at its fastest. Kernels since 4.14 and squashfuse mount it.
FAST = ("-comp", "zstd", "-Xcompression-level", "1")


@dataclass(frozen=True)
class BuildOptions:
    """How an image is built; none of this decides which packages it holds.

    Args:
        bootstrap: where the base system comes from: "docker" (a registry), "debootstrap" (a Debian mirror, needs root),
            "localimage" (an image file).
        origin: what to start from: for docker the image's name, for localimage the path of a .sif file.
        mirror: the Debian mirror of debootstrap; None takes the one of this machine's apt.
        online: let pip run inside the image with its own configuration, instead of collecting wheels here first.
        fresh: build from nothing also where only the code of the package has changed.
        gzip: compress as every Apptainer can read it, instead of fast.
        arguments: more arguments of `apptainer build`, e.g. ``("--fakeroot",)`` or ``("--userns",)``.
        lean: for the Lean image: a folder with ``toolchain/`` (an unpacked release of Lean) and ``project/`` (the Lake
            project of envs/lean, built), instead of fetching both during the build.
    """

    bootstrap: str = "docker"
    origin: str | None = None
    mirror: str | None = None
    online: bool = False
    fresh: bool = False
    gzip: bool = False
    arguments: tuple[str, ...] = ()
    lean: Path | None = None

    def __post_init__(self) -> None:
        if self.bootstrap not in BOOTSTRAPS:
            raise PiretryError(f"An image cannot start from {self.bootstrap!r}.{nearest(self.bootstrap, BOOTSTRAPS)}")
        if self.bootstrap == "localimage" and not (self.origin and Path(self.origin).exists()):
            raise PiretryError(f"--bootstrap localimage needs --from, an existing image file, and got {self.origin!r}.")
        if self.bootstrap == "debootstrap" and os.geteuid() != 0:
            raise PiretryError(
                "--bootstrap debootstrap needs root, and this is an ordinary user. Use docker (the default) where a "
                "container registry is reached, or localimage with --from and any image that has Python 3.11."
            )


def build_image(kind: str, home: Path, options: BuildOptions | None = None, output: Path | None = None) -> ImageFile:
    """Build the image `kind` of the checkout `home` as ``home/images/{kind}.sif`` (or `output`), with its sidecar.

    An image that holds the same packages and code already is left alone. Where only the code differs, the packages are
    taken from the image that is there, which needs no index and no base system. The image appears whole or not at all.

    Raises PiretryError when Apptainer is missing, a choice of `options` cannot work here, or the build fails.
    """
    options = options or BuildOptions()
    checkout = environment.checkout((home / "src/piretry/__init__.py").resolve())
    target = output or home / FOLDER / f"{kind}.sif"
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}-"
    with _one_at_a_time(target), tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as scratch:
        for leftover in target.parent.glob(f"{prefix}*"):  # of a build that was killed: only one runs at a time
            if leftover.name != Path(scratch).name:
                shutil.rmtree(leftover, ignore_errors=True)
        # What goes in is what the digests are taken of, also when someone edits the checkout meanwhile.
        definition = Definition(kind, home).copy(Path(scratch) / "source")
        labels = {} if options.fresh or not target.is_file() else image_labels(target)
        if labels.get("piretry.environment") != definition.environment_digest:
            if definition.base is not None:
                options = on_base(definition, home / FOLDER / f"{definition.base.kind}.sif", options)
            return _build(definition, checkout, target, options, {})
        if labels.get("piretry.code") == definition.code_digest:
            print(f"{target} is up to date.", file=sys.stderr)
            sha256 = read_image(target).sha256
            return write_sidecar(target, sha256, _facts(definition, labels, sha256))
        print(f"{target} holds the same packages and other code: only the code is replaced.", file=sys.stderr)
        return _build(definition, checkout, target, options, labels)


def _build(
    definition: Definition, checkout: Checkout, target: Path, options: BuildOptions, before: Mapping[str, str]
) -> ImageFile:
    """Build `target`: from nothing, or from itself when `before` (its labels) is not empty.

    `definition` is a copy of `checkout` that nobody else knows; the folder above it is for what the build makes.
    """
    draft, wheels = definition.home.parent / "image.sif", definition.home.parent / "wheels"
    if not options.online:
        collect_wheels(definition, wheels, only_build=bool(before) or definition.base is not None)
    arguments = {
        **_origin(options, target if before else None),
        "PIP_OPTIONS": "--no-cache-dir" if options.online else "--no-cache-dir --no-index --find-links /mnt",
        "COMMIT": checkout.commit or "unknown",
        "DIRTY": {True: "true", False: "false", None: "null"}[checkout.dirty],
        "ENVIRONMENT": definition.environment_digest,
        "CODE": definition.code_digest,
        "BUILT_FROM": before.get("piretry.built-from") or options.bootstrap,
        "PACKAGES": _packages(target, before) if before else OWN_PACKAGES,
    }
    command = [find_apptainer(), "build", "--force", *options.arguments]
    command += [] if options.gzip else ["--mksquashfs-args", shlex.join(FAST)]
    command += [] if options.online else ["--bind", f"{wheels.resolve()}:/mnt:ro"]
    command += ["--bind", f"{options.lean.resolve()}:/srv:ro"] if options.lean is not None and not before else []
    named = definition.file.read_text(encoding="utf-8")
    arguments = {name: value for name, value in arguments.items() if f"{{{{ {name} }}}}" in named}
    command += [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    command += [str(draft.resolve()), str(definition.file.relative_to(definition.home))]
    _run(command, definition.home)
    sha256 = sha256_file(draft)
    facts = _facts(definition, image_labels(draft), sha256)
    draft.replace(target)
    return write_sidecar(target, sha256, facts)


def on_base(definition: Definition, usual: Path, options: BuildOptions) -> BuildOptions:
    """`options` with which an image that starts from another of ours is built: from `usual`, or the file of --from.

    Raises PiretryError where that is no image of ours or, not named by the caller, one with other packages than those
    that are pinned now; and where the folder of --lean has not the pinned Lean.
    """
    assert definition.base is not None
    kind = definition.base.kind
    named = Path(options.origin) if options.bootstrap == "localimage" and options.origin else None
    image = named or usual
    labels = image_labels(image) if image.is_file() else {}
    if "piretry.environment" not in labels:
        raise PiretryError(
            f"The image {definition.kind} starts from the image {kind}, but {image} is "
            f"{'no image that piretry built' if image.is_file() else 'not there'}. Build it first with `piretry image "
            f"build {kind}`, or name one with --bootstrap localimage --from."
        )
    if named is None and labels["piretry.environment"] != definition.base.environment_digest:
        raise PiretryError(
            f"{image}, from which the image {definition.kind} starts, has other packages than are pinned now. Build it "
            f"again first: `piretry image build {kind}`."
        )
    if options.lean is not None:
        _require_lean(definition, options.lean)
    return replace(options, bootstrap="localimage", origin=str(image))


def _require_lean(definition: Definition, folder: Path) -> None:
    """Raise PiretryError unless `folder` has a toolchain and a built project for the pinned Lean."""
    for name in ("toolchain/bin/lean", f"project/{TOOLCHAIN}", "project/.lake"):
        if not (folder / name).exists():
            raise PiretryError(
                f"--lean {folder} has no {name}: expected toolchain/, an unpacked release of Lean, and project/, the "
                f"Lake project of {PROJECTS[definition.kind]} after `lake update` and `lake exe cache get`."
            )
    pinned = next(path for path in definition.lake_project if path.name == TOOLCHAIN).read_text().strip()
    found = (folder / "project" / TOOLCHAIN).read_text().strip()
    if found != pinned:
        raise PiretryError(
            f"--lean {folder}: its project is for {found}, but {PROJECTS[definition.kind]}/{TOOLCHAIN} pins {pinned}. "
            "Build the project of this checkout, or change the pin."
        )


def _packages(image: Path, labels: Mapping[str, str]) -> str:
    """The sha256 of the image in which the packages of `image` were installed: its own, or that of an older image."""
    found = labels.get("piretry.packages", OWN_PACKAGES)
    return read_image(image).sha256 if found == OWN_PACKAGES else found


def _facts(definition: Definition, labels: Mapping[str, str], sha256: str) -> dict[str, Any]:
    """What the sidecar says of a build: from the image's own labels, and the digests of the code of `definition`."""
    packages = labels.get("piretry.packages", OWN_PACKAGES)
    return {
        "kind": definition.kind,
        "definition_sha256": sha256_file(definition.file),
        "lock_sha256": sha256_file(definition.lock),
        "environment_sha256": definition.environment_digest,
        "packages_sha256": sha256 if packages == OWN_PACKAGES else packages,
        "code_sha256": definition.code_digest,
        "code": definition.code,
        "commit": labels.get("piretry.commit"),
        "dirty": json.loads(labels.get("piretry.dirty", "null")),
        "built_from": labels.get("piretry.built-from"),
        "apptainer": labels.get("org.label-schema.usage.apptainer.version"),
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _origin(options: BuildOptions, base: Path | None) -> dict[str, str]:
    """The build arguments that fill the header of a definition."""
    if base is not None:
        return {"BOOTSTRAP": "localimage", "FROM": str(base.resolve())}
    found = {"BOOTSTRAP": options.bootstrap, "FROM": options.origin or DOCKER_IMAGE}
    if options.bootstrap == "debootstrap":
        found |= {"FROM": RELEASE, "MIRROR": options.mirror or apt_mirror()}
    if options.bootstrap == "localimage":
        found["FROM"] = str(Path(found["FROM"]).resolve())
    return found


def _run(command: list[str], home: Path) -> None:
    print(f"+ {shlex.join(command)}", file=sys.stderr, flush=True)
    # Host variables of Apptainer (binds, --nv) are for jobs and can break a build.
    unwanted = ("APPTAINER_BIND", "APPTAINER_NV", "SINGULARITY_BIND", "SINGULARITY_NV")
    clean = {key: value for key, value in os.environ.items() if key not in unwanted}
    done = subprocess.run(command, cwd=home, env=clean, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise PiretryError(
            f"apptainer build ended with status {done.returncode}; what it said stands above. The image was not "
            "changed. containers/README.md says how to build without root, without a registry and without an index."
        )


@contextmanager
def _one_at_a_time(target: Path) -> Iterator[None]:
    with target.with_name(f".{target.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
