# The table of contents of the reproduction. `snakemake --cores 2 all` runs the scale named in config.yaml;
# every claim, table, model and data file is a target of its own (`snakemake --cores 2 results/mini/tables/rounds.csv`).
# What a rule needs and with which settings is decided in src/piretry/grid/, which pytest imports.

import os
import sys
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from piretry.errors import PiretryError
from piretry.grid import names, paths
from piretry.grid.containers import Containers
from piretry.grid.preflight import before_jobs, preflight
from piretry.grid.project import load_project
from piretry.grid.rules import Rules

# Jobs call this environment's `piretry`, whether or not it is activated.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


configfile: "config.yaml"


try:
    PROJECT = load_project(Path(workflow.basedir), config)
    if PROJECT.notice and workflow.is_main_process:
        print(f"piretry: {PROJECT.notice}", file=sys.stderr)
    preflight(PROJECT.results)
    CONTAINERS = Containers(
        PROJECT,
        used=DeploymentMethod.APPTAINER
        in workflow.deployment_settings.deployment_method,
    )
    # On a node this is the Snakemake of one job: it sees that job's GPUs, and its `apptainer exec` reads these.
    os.environ.update(CONTAINERS.environment())
except PiretryError as error:
    sys.exit(f"piretry: {error}")

R = Rules(PROJECT, CONTAINERS)


wildcard_constraints:
    state=names.STATE_PATTERN,
    role="|".join(names.ROLES),
    writer="|".join(names.ROLES),
    prompt="|".join(names.PROMPTS),
    claim=r"[a-z0-9-]+",
    table=r"[a-z0-9_]+",


onstart:
    # Snakemake calls this once, before the first job and not in a dry run.
    before_jobs(PROJECT, CONTAINERS, workflow.dag.needrun_jobs())


include: "rules/images.smk"
include: "rules/data.smk"
include: "rules/base.smk"


if PROJECT.scale.shards > 1:

    include: "rules/sharded.smk"

else:

    include: "rules/sample.smk"
    include: "rules/evaluate.smk"


include: "rules/train.smk"
include: "rules/claims.smk"
include: "rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        R.everything(),
