"""The verbs `piretry init slurm` and `piretry recover` of the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from piretry.errors import PiretryError

if TYPE_CHECKING:
    from piretry.grid.project import Project

ANSWERS = {
    "account": "Slurm account that pays",
    "cpu_partition": "partition for jobs without GPU",
    "gpu_partition": "partition for jobs with GPUs",
    "gpu_model": "Slurm's name of the GPU type",
    "gpu_memory": "memory of one GPU, GB",
    "gpus_per_node": "GPUs of one node",
    "max_memory": "memory of a node, MB",
    "max_runtime": "longest time limit, minutes",
    "binds": "folders that jobs need beside the checkout, separated by commas",
    "cache": "folder for caches, on the shared file system",
    "cpu_image": "Apptainer image of the stages without GPU",
    "gpu_image": "Apptainer image of the stages with GPUs",
}


def add_parsers(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two verbs to the parser of the command line."""
    init = verbs.add_parser("init", help="set up a place to run in: `piretry init slurm` asks about a Slurm cluster")
    init.add_argument("what", choices=["slurm"], help="what to set up")
    for name, text in ANSWERS.items():
        init.add_argument(f"--{name.replace('_', '-')}", help=f"{text}; '' for none (asked where left out)")
    init.add_argument("--scale", default="paper", help="the scale that `snakemake --profile slurm all` runs")
    init.add_argument("--yes", action="store_true", help="ask nothing: take what the options say and Slurm offers")
    init.add_argument("--overwrite", action="store_true", help="replace slurm/config.yaml and slurm/site.yaml")
    init.add_argument("--check", action="store_true", help="write nothing: only check what the run needs")
    init.add_argument("--probe", action="store_true", help="also look from a node, by a small job in each partition")
    init.add_argument("--home", type=Path, default=Path(), help="the checkout (default: here)")
    init.set_defaults(run=_init)

    recover = verbs.add_parser("recover", help="after a killed Snakemake: end its jobs, unlock, clean up")
    way = recover.add_mutually_exclusive_group()
    way.add_argument("--cancel", action="store_true", help="cancel its jobs that are still there; they resume later")
    way.add_argument("--wait", action="store_true", help="wait until its jobs have ended")
    recover.add_argument("--checked-other-host", action="store_true", help="no Snakemake runs where the last one ran")
    recover.add_argument("--poll", type=float, default=5.0, help="seconds between two looks at the queue (default: 5)")
    recover.add_argument("--home", type=Path, default=Path(), help="the checkout (default: here)")
    recover.set_defaults(run=_recover)


def _init(options: argparse.Namespace) -> int:
    from piretry.slurm.init import check_site, init_slurm

    if options.check:
        return check_site(options.home, options.probe)
    return init_slurm(
        options.home,
        {name: getattr(options, name) for name in ANSWERS},
        ask=None if options.yes else input,
        scale=options.scale,
        probe=options.probe,
        overwrite=options.overwrite,
    )


def _recover(options: argparse.Namespace) -> int:
    from piretry.slurm.recover import recover

    choice = "cancel" if options.cancel else "wait" if options.wait else None
    recover(
        options.home,
        _projects(options.home),
        choice,  # type: ignore[arg-type]
        ask=input if sys.stdin.isatty() else None,
        other_host_checked=options.checked_other_host,
        poll=options.poll,
    )
    return 0


def _projects(home: Path) -> list[Project]:
    """The project at each scale that has a results folder: which one was run, only Snakemake's command line said."""
    from piretry.grid.project import load_project

    first = load_project(home)
    names = sorted(path.stem for path in (home / "scales").glob("*.yaml"))
    projects = []
    for name in names:
        if not (home / first.config.results / name).is_dir():
            continue
        try:
            projects.append(load_project(home, {"scale": name}))
        except PiretryError as error:
            print(f"The results of scale {name} were not looked through: {error}", file=sys.stderr)
    return projects
