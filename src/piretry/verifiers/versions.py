"""The packages whose versions change verdicts, and the refusal to grade with others than the pinned ones.

math-verify 0.8 and 0.9 score the same completions differently, so a verdict is only comparable with another
when these versions are equal. The pins are read from the requirements of the installed `piretry`
distribution, which come from pyproject.toml: they are written in one place.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import metadata
from pathlib import Path

from piretry.errors import PiretryError

#: distribution -> the short name used in version strings
PACKAGES = {
    "math-verify": "math-verify",
    "latex2sympy2_extended": "latex2sympy2_extended",
    "sympy": "sympy",
    "antlr4-python3-runtime": "antlr4",
}
#: the modules of this package whose text decides verdicts
_RULES = ("compare.py", "doubts.py", "extract.py", "math.py", "pairs.py", "rewrite.py", "shapes.py", "units.py")


def _canonical(name: str) -> str:
    """The name of a distribution as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_versions() -> dict[str, str]:
    """Return the installed version of each package of `PACKAGES`; raise PiretryError when one is missing."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError as error:
            raise PiretryError(
                f"The package {name} is not installed, but grading needs it: install piretry with its pinned "
                "dependencies (pip install piretry, or make the environment again)."
            ) from error
    return found


def pinned_versions(distribution: str = "piretry") -> dict[str, str]:
    """Return the pinned version of each package of `PACKAGES` from the requirements of `distribution`."""
    try:
        requirements = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError as error:
        raise PiretryError(
            f"The distribution {distribution} is not installed, so the pinned versions of the grader are "
            "unknown: install it (pip install -e .) instead of importing it from its source folder."
        ) from error
    pins = {}
    for requirement in requirements:
        match = re.match(r"\s*([A-Za-z0-9._-]+)\s*==\s*([^\s;,]+)", requirement)
        if match and "extra" not in requirement:
            pins[_canonical(match[1])] = match[2]
    missing = [name for name in PACKAGES if _canonical(name) not in pins]
    if missing:
        raise PiretryError(
            f"pyproject.toml: `dependencies` does not pin {', '.join(missing)} with `==`. Verdicts depend on the "
            "exact version: pin each, and install piretry again."
        )
    return {name: pins[_canonical(name)] for name in PACKAGES}


def require_pins(distribution: str = "piretry") -> dict[str, str]:
    """Return the installed versions; raise PiretryError naming each package that differs from its pin."""
    installed, pinned = installed_versions(), pinned_versions(distribution)
    wrong = [
        f"{name} is {installed[name]}, pinned {pinned[name]}" for name in PACKAGES if installed[name] != pinned[name]
    ]
    if wrong:
        raise PiretryError(
            f"The grader's packages differ from the pins in pyproject.toml: {'; '.join(wrong)}. Verdicts would not be "
            "comparable with stored ones: install the pinned versions, or change the pins and grade everything again."
        )
    return installed


@cache
def rules_digest() -> str:
    """Return 8 hexadecimal digits that change whenever the source of a grading rule changes."""
    digest = hashlib.sha256()
    for name in _RULES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:8]


def version_string(versions: dict[str, str]) -> str:
    """Return the text stored with each verdict, such as ``math-verify 0.9.0; ...; rules 1f2e3d4c``."""
    packages = "; ".join(f"{PACKAGES[name]} {versions[name]}" for name in PACKAGES)
    return f"{packages}; rules {rules_digest()}"
