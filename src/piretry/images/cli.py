"""`piretry image`: build an image, or say what an image file is."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from piretry.images.build import BOOTSTRAPS, DOCKER_IMAGE, BuildOptions, build_image
from piretry.images.definition import KINDS
from piretry.images.sidecar import read_image
from piretry.settings.lean import IMAGE_PROJECT

# What the rule, which gives no options, and a site's own start file can say once for all builds.
VARIABLES = {
    "bootstrap": "PIRETRY_IMAGE_BOOTSTRAP",
    "origin": "PIRETRY_IMAGE_FROM",
    "mirror": "PIRETRY_IMAGE_MIRROR",
    "arguments": "PIRETRY_IMAGE_ARGUMENTS",
}


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `image` to the command line."""
    image = verbs.add_parser("image", help="build an Apptainer image of this checkout, or describe one")
    actions = image.add_subparsers(title="actions", required=True, metavar="ACTION")

    build = actions.add_parser("build", help="build images/KIND.sif, where it is not up to date")
    build.add_argument("kind", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    build.add_argument("--home", type=Path, default=Path(), help="the checkout (default: here)")
    build.add_argument("--output", type=Path, help="where to write it (default: images/KIND.sif)")
    build.add_argument(
        "--bootstrap",
        default=os.environ.get(VARIABLES["bootstrap"], BOOTSTRAPS[0]),
        help=f"where the base system comes from: {', '.join(BOOTSTRAPS)} (default: ${VARIABLES['bootstrap']}, or "
        f"{BOOTSTRAPS[0]})",
    )
    build.add_argument(
        "--from",
        dest="origin",
        default=os.environ.get(VARIABLES["origin"]),
        help=f"the image to start from (default: ${VARIABLES['origin']}, or {DOCKER_IMAGE})",
    )
    build.add_argument(
        "--mirror",
        default=os.environ.get(VARIABLES["mirror"]),
        help=f"Debian mirror for debootstrap (default: ${VARIABLES['mirror']}, or this machine's own)",
    )
    build.add_argument("--online", action="store_true", help="pip runs inside the image and finds its index itself")
    build.add_argument("--fresh", action="store_true", help="build from nothing, also where only code has changed")
    build.add_argument("--gzip", action="store_true", help="compress for old Apptainers too; slower")
    build.add_argument(
        "--argument",
        action="append",
        help="one more argument of apptainer build, e.g. --argument=--fakeroot; may be repeated (default: those in "
        f"${VARIABLES['arguments']})",
    )
    build.add_argument(
        "--lean",
        type=Path,
        metavar="FOLDER",
        help="image lean: take toolchain/ and project/ of FOLDER instead of fetching Lean and Mathlib",
    )
    build.set_defaults(run=_build)

    show = actions.add_parser("show", help="checksum and origin of an image file, as JSON")
    show.add_argument("path", type=Path, help="the image, e.g. images/cpu.sif")
    show.set_defaults(run=_show)

    proofs = actions.add_parser("proofs", help="check a few proofs with the Lean of a Lake project")
    proofs.add_argument(
        "project", type=Path, nargs="?", default=Path(IMAGE_PROJECT), help=f"(default: {IMAGE_PROJECT})"
    )
    proofs.set_defaults(run=_proofs)


def _build(options: argparse.Namespace) -> int:
    arguments = options.argument
    if arguments is None:
        arguments = shlex.split(os.environ.get(VARIABLES["arguments"], ""))
    chosen = BuildOptions(
        bootstrap=options.bootstrap,
        origin=options.origin,
        mirror=options.mirror,
        online=options.online,
        fresh=options.fresh,
        gzip=options.gzip,
        arguments=tuple(arguments),
        lean=options.lean,
    )
    image = build_image(options.kind, options.home, chosen, options.output)
    print(f"{image.path}: {image.bytes / 1e6:.0f} MB, sha256 {image.sha256}", file=sys.stderr)
    return 0


def _show(options: argparse.Namespace) -> int:
    image = read_image(options.path)
    build = {key: value for key, value in image.build.items() if key != "code"}
    print(json.dumps({"path": str(image.path), "sha256": image.sha256, "bytes": image.bytes, **build}, indent=1))
    return 0


def _proofs(options: argparse.Namespace) -> int:
    from piretry.images.proofs import try_proofs

    for line in try_proofs(options.project):
        print(line)
    return 0
