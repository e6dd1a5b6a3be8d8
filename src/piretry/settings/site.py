"""What slurm/site.yaml says: the cluster that the jobs run on. Nothing in it changes a result."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from piretry.settings.model import Settings

Positive = Annotated[int, Field(ge=1)]


class Partitions(Settings):
    """Where jobs go; null leaves the choice to the cluster."""

    cpu: str | None = Field(description="Partition of the jobs without GPU.")
    gpu: str | None = Field(description="Partition of the jobs with GPUs.")


class SiteGpu(Settings):
    """The GPUs of the cluster."""

    model: str | None = Field(description="Slurm's name of the GPU type (`h100`), or null to take any.")
    memory_gb: float = Field(gt=0, description="Memory of one GPU, GB (10^9 bytes). Plans refuse what does not fit.")
    per_node: Positive = Field(description="GPUs of one node: no job asks for more.")


class Images(Settings):
    """The Apptainer images, relative to the checkout. `snakemake images` builds them."""

    cpu: str = Field(description="Image of the stages without GPU.")
    gpu: str = Field(description="Image of the stages with GPUs.")
    lean: str = Field(
        default="images/lean.sif",
        description="Image of the jobs that check proofs with Mathlib; only a scale with such a prover needs it.",
    )


class Limits(Settings):
    """The most that a job may ask of the cluster; retries that ask for more stop here."""

    mem_mb: Positive = Field(description="Memory of a node, MB.")
    runtime: Positive = Field(description="Longest time limit, minutes.")


class SiteSettings(Settings):
    """The cluster's settings."""

    account: str | None = Field(description="Slurm account that pays, or null for the user's default.")
    partitions: Partitions = Field(description="Partitions.")
    gpu: SiteGpu = Field(description="GPUs.")
    binds: list[str] = Field(description="Folders that jobs need inside the image (`/scratch`, `/data:/data:ro`).")
    cache: str = Field(description="Folder for the caches of models, kernels and compilers; shared by the nodes.")
    images: Images = Field(description="Apptainer images.")
    limits: Limits = Field(description="Limits of the cluster.")
