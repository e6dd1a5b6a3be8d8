"""How much disk a grid fills: models, checkpoints while training runs, completions, training examples, images.

Upper figures: text is counted as it is written before compression. docs/plan.md has the rules in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from piretry.grid.containers import Containers
from piretry.grid.domain import domain
from piretry.grid.estimates import SAMPLING_STAGES, TRAINING_STAGES, Estimate, model_role
from piretry.grid.fits import model_shape
from piretry.grid.project import Project
from piretry.grid.schedule import peak
from piretry.grid.task import Task
from piretry.training.memory import disk_bytes

BYTES = {"float32": 4, "bfloat16": 2}
# A token of English mathematics in UTF-8 (Qwen3's tokenizer needs about one token for 3 to 4 characters).
TOKEN_BYTES = 4
# The columns of a completion beside its text, and those of an example beside its completion.
ROW_BYTES = 200
PROMPT_BYTES = 1000
# The newest checkpoint is whole before the one before it is deleted.
CHECKPOINTS_AT_ONCE = 2


@dataclass(frozen=True)
class Disk:
    """Bytes by kind; `checkpoints` are there only while training runs, and the images only where they are built."""

    base_models: float
    trained_models: float
    checkpoints: float
    completions: float
    examples: float
    images: dict[str, float | None]

    @property
    def total(self) -> float:
        """All of it at once: what must be free. Images that are not built yet are not in it."""
        known = sum(size for size in self.images.values() if size is not None)
        return self.base_models + self.trained_models + self.checkpoints + self.completions + self.examples + known

    def plain(self) -> dict[str, object]:
        """Gigabytes (10^9 bytes), for JSON."""
        parts = ("base_models", "trained_models", "checkpoints", "completions", "examples", "total")
        return {
            **{f"{name}_gb": round(getattr(self, name) / 1e9, 3) for name in parts},
            "images_gb": {name: None if size is None else round(size / 1e9, 3) for name, size in self.images.items()},
        }


def disk(
    project: Project,
    jobs: Mapping[str, Task],
    estimates: Mapping[str, Estimate],
    spans: Mapping[str, tuple[float, float]],
) -> Disk:
    """The disk that `jobs` fill.

    Args:
        jobs, estimates: the ledger's.
        spans: start and end of every job in a schedule: which checkpoints are there at the same time.
    """
    scale = project.scale
    width = BYTES[scale.engine.dtype]
    roles = {str(role): binding for role, binding in scale.roles.items()}
    base = trained = completions = examples = 0.0
    checkpoints: dict[str, float] = {}
    for name, task in jobs.items():
        role = task.target.partition("/")[0]
        if task.stage in ("fetch", "pretrain") and role in roles:
            # What the hub serves lies in its cache and in the results; a base that is pretrained only in the latter.
            base += model_shape(roles[role]).parameters * width * (2 if task.stage == "fetch" else 1)
        elif task.stage in TRAINING_STAGES:
            found = disk_bytes(model_shape(roles[role]), task.settings)
            trained += found.model
            checkpoints[name] = CHECKPOINTS_AT_ONCE * found.checkpoint
        elif task.stage in SAMPLING_STAGES:
            rows = estimates[name].tokens / scale.throughput.completion_tokens(model_role(task))
            # A shard stays beside the table that its rows are gathered into.
            copies = 2 if scale.shards > 1 else 1
            completions += copies * (estimates[name].tokens * TOKEN_BYTES + rows * ROW_BYTES)
        elif task.stage == "select":
            rows = domain(scale, role).train_problems * task.settings["cap_per_problem"]
            examples += rows * (scale.throughput.completion_tokens(role) * TOKEN_BYTES + PROMPT_BYTES)
    return Disk(
        base, trained, peak({n: spans[n] for n in checkpoints}, checkpoints), completions, examples, _images(project)
    )


def _images(project: Project) -> dict[str, float | None]:
    """Size of each image that the jobs run in, where a site names them: None where it is not built yet."""
    if project.site is None:
        return {}
    images, kinds = project.site.images, Containers(project, used=False).kinds
    return {kind: _size(project.home / getattr(images, kind)) for kind in kinds}


def _size(path: Path) -> float | None:
    return float(path.stat().st_size) if path.is_file() else None
