"""What the names in a results folder mean: which are artifacts, which stage makes them, which are not."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

# Path below results/{scale} -> the stage that writes it. The first match counts. A test holds this list and
# the paths of piretry.grid.paths together; it is not derived from them, so that a new path changes no code
# digest.
_MAKERS = (
    (r"data/source/(train|eval|theorems|theorems-eval)", "fetch"),
    (r"data/(pool|eval|pretrain)\.parquet", "prepare"),
    (r"data/theorems(-eval)?\.parquet", "theorems"),
    (r"data/(train\.parquet|overlap.*)", "overlap"),
    (r"[a-z]+/base/model", "pretrain or fetch"),
    (r"prover/skeleton-.+/model", "distill"),
    (r".+/model", "train"),
    (r".+/sft\.parquet", "select"),
    (r".+/shards/attempts\.\d+\.parquet", "attempt"),
    (r".+/shards/resamples\.\d+\.parquet", "resample"),
    (r".+/shards/retries-[^/]+\.\d+\.parquet", "retry"),
    (r".+/shards/repeats-[^/]+\.\d+\.parquet", "repeat"),
    (r".+/shards/skeletons\.\d+\.parquet", "skeleton"),
    (r".+/shards/eval\.\d+\.parquet", "evaluate"),
    (r".+/attempts\.parquet", "attempt"),
    (r".+/resamples\.parquet", "resample"),
    (r".+/retries-[^/]+\.parquet", "retry"),
    (r".+/repeats-[^/]+\.parquet", "repeat"),
    (r".+/skeletons\.parquet", "skeleton"),
    (r".+/eval\.parquet", "evaluate"),
    (r"claims/[^/]+\.json", "judge"),
    (r"tables/cost\.json", "cost"),
    (r"tables/[^/]+\.csv", "table"),
    (r"report/[^/]+\.html", "report"),
)
_CLAIM = re.compile(r"claims/([^/]+)\.json")
_TABLE = re.compile(r"tables/([^/]+)\.csv")

RUN_FILE = "run.json"
# Names that are no artifacts and that the audit passes over, wherever they lie below the results folder:
NOT_ARTIFACTS = (
    ".partial",  # what a killed job resumes from
    "*.partial",
    ".snakemake",  # Snakemake's own state
    ".snakemake_timestamp",
    "logs",
    "*.log",
    "benchmarks",  # Snakemake's benchmark: files
    ".lock-*",  # held while a job publishes
    ".nfs*",  # a deleted file that another host still holds open
)
_TEMPORARY = ".tmp-"


def maker(path: str) -> str | None:
    """The stage that writes `path` (relative to the results folder); None when no stage is known to."""
    return next((stage for pattern, stage in _MAKERS if re.fullmatch(pattern, path)), None)


def claim_of(path: str) -> str | None:
    """The claim whose verdict lies at `path`."""
    match = _CLAIM.fullmatch(path)
    return match[1] if match else None


def table_of(path: str) -> str | None:
    """The table that lies at `path`."""
    match = _TABLE.fullmatch(path)
    return match[1] if match else None


def state_of(path: str, target: str) -> str | None:
    """`target` when it is the state in whose folder `path` lies."""
    return target if PurePosixPath(path).is_relative_to(target) else None


def temporary(final: Path, token: str) -> Path:
    """A name beside `final` that is written first. It keeps the ending, which some writers look at."""
    return final.with_name(f"{_TEMPORARY}{token}-{final.name}")


def temporaries_of(final: Path) -> list[Path]:
    """What interrupted publications of `final` and its record have left."""
    pattern = re.compile(rf"{re.escape(_TEMPORARY)}[0-9a-f]+-{re.escape(final.name)}(\.prov\.json)?")
    return sorted(path for path in final.parent.iterdir() if pattern.fullmatch(path.name))


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is an unfinished output."""
    return name.startswith(_TEMPORARY)


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is no artifact (`NOT_ARTIFACTS`)."""
    return any(fnmatchcase(name, pattern) for pattern in NOT_ARTIFACTS)
