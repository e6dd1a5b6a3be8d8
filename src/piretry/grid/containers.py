"""Which Apptainer image each job runs in, and what must be true of the images before any job starts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from piretry.grid.estimates import asks
from piretry.grid.project import Project
from piretry.grid.task import Task
from piretry.images.guard import require_same_code
from piretry.images.job import container_environment
from piretry.images.sidecar import ImageFile, read_image
from piretry.settings.site import Images

NOT_BUILT = "not built"
DEFAULT_IMAGES = Images(cpu="images/cpu.sif", gpu="images/gpu.sif")
DEFAULT_CACHE = "images/cache"


class Containers:
    """The images of one run. `used` says whether Snakemake runs jobs in them (``--sdm apptainer``)."""

    def __init__(self, project: Project, used: bool) -> None:
        self.project = project
        self.used = used
        self.images = project.site.images if project.site else DEFAULT_IMAGES

    def kind(self, task: Task) -> str:
        """`gpu` for a job that asks for GPUs, else `cpu`."""
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
            folders=[self.project.results, *self._local_models()],
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
        """Folders outside the checkout that the scale names: models and data that lie there already."""
        named = [getattr(binding, "model", "") for binding in self.project.scale.roles.values()]
        return [path.parent.resolve() for path in map(Path, named) if path.is_absolute() and path.is_dir()]

    @cached_property
    def _built(self) -> dict[str, ImageFile]:
        paths = {kind: Path(getattr(self.images, kind)) for kind in ("cpu", "gpu")}
        return {kind: read_image(path) for kind, path in paths.items() if path.exists()}
