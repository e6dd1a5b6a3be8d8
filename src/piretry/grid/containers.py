"""Which Apptainer image each job runs in, and what must be true of the images before any job starts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from piretry.grid.available import checks_in_image
from piretry.grid.estimates import asks
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.images.guard import require_same_code
from piretry.images.job import container_environment
from piretry.images.sidecar import ImageFile, read_image
from piretry.settings.site import Images

NOT_BUILT = "not built"
DEFAULT_IMAGES = Images(cpu="images/cpu.sif", gpu="images/gpu.sif", lean="images/lean.sif")
DEFAULT_CACHE = "images/cache"


class Containers:
    """The images of one run. `used` says whether Snakemake runs jobs in them (``--sdm apptainer``)."""

    def __init__(self, project: Project, used: bool) -> None:
        self.project = project
        self.used = used
        self.images = project.site.images if project.site else DEFAULT_IMAGES

    @property
    def kinds(self) -> tuple[str, ...]:
        """The images that jobs of this scale run in."""
        prover = self.project.scale.prover
        return ("cpu", "gpu", "lean") if prover is not None and prover.verifier.in_image else ("cpu", "gpu")

    def kind(self, task: Task) -> str:
        """`lean` for a job that checks the proofs it samples, else `gpu` for one that asks for GPUs, or `cpu`."""
        if checks_in_image(task):
            return "lean"
        return "gpu" if asks(self.project.scale, task).gpus else "cpu"

    def path(self, task: Task) -> str:
        """The image that `task` runs in."""
        return str(getattr(self.images, self.kind(task)))

    def identity(self, task: Task) -> str:
        """What of the image is part of the job's parameters: the checksum of the image as its packages were installed.

        A rebuild that replaces only piretry's code keeps it, because the code of a stage has a digest of its own among
        the parameters. Empty where no images are used.
        """
        if not self.used:
            return ""
        image = self._built.get(self.kind(task))
        return image.environment if image else NOT_BUILT

    def environment(self) -> dict[str, str]:
        """Variables for `apptainer exec`; none where no images are used. Raises PiretryError for a bind that is not."""
        if not self.used:
            return {}
        site = self.project.site
        return container_environment(
            self._built.values(),
            cache=site.cache if site else DEFAULT_CACHE,
            binds=site.binds if site else (),
            folders=[self.project.results, *self._local_models(), *self._local_data()],
        )

    def require(self, tasks: Iterable[Task]) -> None:
        """Raise PiretryError unless every image that `tasks` need is there and holds this checkout's code."""
        if not self.used:
            return
        modules: dict[str, set[str]] = {}
        for task in tasks:
            modules.setdefault(self.kind(task), set()).update(task.modules)
        for kind, names in modules.items():
            image = self._built.get(kind) or read_image(Path(getattr(self.images, kind)))
            require_same_code(image, sorted(names), kind)

    def _local_models(self) -> list[Path]:
        """Folders outside the checkout with models that the scale names."""
        named = [getattr(binding, "model", "") for binding in self.project.scale.roles.values()]
        return [path.parent.resolve() for path in map(Path, named) if path.is_absolute() and path.is_dir()]

    def _local_data(self) -> list[Path]:
        """Folders with the files of datasets that are read from this machine."""
        scale = self.project.scale
        sources = [
            scale.data.train,
            scale.data.eval,
            *([scale.prover.train, scale.prover.eval] if scale.prover else []),
        ]
        named = [Path(source.path) for source in sources if source.kind == "file"]
        return [path.parent.resolve() for path in named if path.is_file()]

    @cached_property
    def _built(self) -> dict[str, ImageFile]:
        paths = {kind: Path(getattr(self.images, kind)) for kind in self.kinds}
        return {kind: read_image(path) for kind, path in paths.items() if path.exists()}
