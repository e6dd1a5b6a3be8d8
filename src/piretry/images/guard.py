"""The guard against an image that holds other code than the checkout whose workflow runs in it.

Twice: on the submit host before anything is submitted, from the image's sidecar (`stale_modules`), and in the image
before a stage runs, from the digest that the workflow hands over (`check_code`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from piretry.errors import PiretryError
from piretry.images.inside import image_facts, running_image
from piretry.images.sidecar import ImageFile
from piretry.provenance.code import code_digest, code_parts


def stale_modules(image: ImageFile, modules: Sequence[str]) -> list[str]:
    """Those of the modules that `modules` run whose code in `image` is not this checkout's.

    Empty also for an image whose sidecar knows nothing of its code: then `check_code` in the image tells.
    """
    if not image.code:
        return []
    return [name for name, digest in code_parts(modules).items() if image.code.get(name) != digest]


def require_same_code(image: ImageFile, modules: Sequence[str], kind: str) -> None:
    """Raise PiretryError when `image` cannot run `modules` as this checkout has them."""
    stale = stale_modules(image, modules)
    if stale:
        named = ", ".join(stale[:3]) + (f" and {len(stale) - 3} more" if len(stale) > 3 else "")
        raise PiretryError(
            f"The image {image.path} was built from other code (commit {image.build.get('commit') or 'unknown'}): "
            f"{named} differ from this checkout. Rebuild it with `snakemake images` or `piretry image build {kind}`; "
            "where only code has changed that takes a minute."
        )


def check_code(modules: Sequence[str], wanted: str, environ: Mapping[str, str] = os.environ) -> None:
    """Refuse to run `modules` whose code digest is not `wanted`, the digest that the workflow took on its own host.

    Raises PiretryError: an image (or an installation on another machine) that holds other code would give results that
    no record describes.
    """
    here = code_digest(modules)
    if here == wanted:
        return
    image, _ = running_image(environ)
    facts = image_facts() or {}
    if image is None:
        raise PiretryError(
            f"The piretry in {sys.prefix} holds other code for {modules[0]} than the workflow that started this job "
            f"(code digest {here[:12]}, expected {wanted[:12]}). Run both from one checkout, or install it again here."
        )
    kind = facts.get("kind", "cpu|gpu")
    commit = facts.get("commit") or "an unknown commit"
    raise PiretryError(
        f"The image {image} was built from other code: for {modules[0]} it holds the code of {commit} (digest "
        f"{here[:12]}), and the checkout that started this job has digest {wanted[:12]}. Nothing was run. Rebuild the "
        f"image, `piretry image build {kind}`, and start the workflow again."
    )
