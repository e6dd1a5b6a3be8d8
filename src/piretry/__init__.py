"""piretry: re-run and audit the published claims about PI distillation via retry."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("piretry")
except PackageNotFoundError:  # the source tree is imported without being installed
    __version__ = "0+unknown"
