"""`piretry init slurm`: asks about the cluster, offering what Slurm tells, and writes the two files of slurm/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from piretry.errors import PiretryError
from piretry.settings.load import load, validate
from piretry.settings.site import SiteSettings
from piretry.slurm import cluster
from piretry.slurm.checks import check_all, min_job_age
from piretry.slurm.site_files import FOLDER, PROFILE_FILE, SITE_FILE, profile_text, site_text, write_whole

# Memory (GB) of models that were sold with one size; of the others the user is asked.
GPU_MEMORY = {"h100": 80, "h200": 141, "b200": 180, "l40s": 48, "l4": 24, "t4": 16}
STATUS_SECONDS = 30  # the template's; shortened where Slurm forgets ended jobs sooner
NOTHING = "-"  # how a person says "none" where there is an offer


@dataclass(frozen=True)
class Question:
    """One thing to know: the option that answers it, the words, and what is offered (None: no offer)."""

    option: str
    text: str
    offer: str | None
    optional: bool = False


def init_slurm(
    home: Path,
    given: Mapping[str, str | None],
    *,
    ask: Callable[[str], str] | None,
    scale: str,
    probe: bool = False,
    overwrite: bool = False,
) -> int:
    """Write the two files and check what the run needs.

    Args:
        home: the checkout.
        given: answers by option (`account`, `cpu_partition`, ...); an empty string means none.
        ask: how a person is asked, e.g. `input`; None takes every offer (``--yes``).
        scale: the scale that the profile names.
        probe: run a small job in each partition to look from a node.
        overwrite: replace files that are there.

    Returns 0, or 1 where something that the run needs is missing. Raises PiretryError for an answer that cannot be
    used, or for one that is needed, not given and offered by nothing.
    """
    site_file, profile_file = home / FOLDER / SITE_FILE, home / FOLDER / PROFILE_FILE
    there = [str(path) for path in (site_file, profile_file) if path.exists()]
    if there and not overwrite:
        raise PiretryError(
            f"{' and '.join(there)} exist already. Edit by hand, look with `piretry init slurm --check`, or give "
            "--overwrite to answer the questions again."
        )
    answers: dict[str, str] = {}
    for build in QUESTIONS:
        question = build(answers, home)
        answers[question.option] = _answer(question, given.get(question.option), ask)
    site = validate(SiteSettings, _site(answers), "Your answers")
    age = min_job_age()
    seconds = STATUS_SECONDS if age is None else max(1, min(STATUS_SECONDS, age // 3))
    write_whole(profile_file, profile_text(home, scale, seconds))
    write_whole(site_file, site_text(site))
    print(f"Wrote {site_file} (the cluster) and {profile_file} (Snakemake's profile).")
    return check_site(home, probe)


def check_site(home: Path, probe: bool = False) -> int:
    """Check slurm/site.yaml and what a run needs; prints a line for each thing, returns 1 if one is missing."""
    path = home / FOLDER / SITE_FILE
    if not path.is_file():
        raise PiretryError(f"{path} is not there yet: run `piretry init slurm`.")
    findings = check_all(load(SiteSettings, path), home, probe)
    for finding in findings:
        print(finding.line())
    missing = sum(not finding.ok for finding in findings)
    if missing:
        print(f"{missing} of {len(findings)} things must be mended; then `piretry init slurm --check` looks again.")
        return 1
    print("Everything is there. Look at the plan with `snakemake -n --profile slurm all`, then run it without -n.")
    return 0


def _answer(question: Question, given: str | None, ask: Callable[[str], str] | None) -> str:
    if given is not None:
        return given
    if ask is None:
        if question.offer is None and not question.optional:
            raise PiretryError(
                f"{question.text}: nothing on this host tells. Give --{question.option.replace('_', '-')}."
            )
        return question.offer or ""
    shown = f" [{question.offer or 'none'}]" if question.offer is not None or question.optional else ""
    none = f" ({NOTHING} for none)" if question.optional and question.offer else ""
    while True:
        try:
            answer = ask(f"{question.text}{none}{shown}: ").strip()
        except EOFError:
            raise PiretryError(
                f"{question.text}: no answer on standard input. Answer in a terminal, or give options and --yes."
            ) from None
        if answer == NOTHING and question.optional:
            return ""
        if answer or question.offer is not None or question.optional:
            return answer or question.offer or ""


def _account(answers: Mapping[str, str], home: Path) -> Question:
    known = cluster.accounts()
    more = f"; yours are {', '.join(known)}" if len(known) > 1 else ""
    return Question("account", f"Slurm account that pays{more}", known[0] if known else None, optional=True)


def _cpu_partition(answers: Mapping[str, str], home: Path) -> Question:
    found = cluster.partitions()
    plain = [partition for partition in found if partition.default] or [p for p in found if not p.gpus]
    names = f"; there are {', '.join(partition.name for partition in found)}" if found else ""
    return Question("cpu_partition", f"Partition for jobs without GPU{names}", _name(plain), optional=True)


def _gpu_partition(answers: Mapping[str, str], home: Path) -> Question:
    found = [partition for partition in cluster.partitions() if partition.gpus]
    # Where every node has GPUs, the partition that is called after them comes first.
    found.sort(key=lambda partition: ("gpu" not in partition.name.lower(), partition.default))
    return Question("gpu_partition", "Partition for jobs with GPUs", _name(found), optional=True)


def _gpu_model(answers: Mapping[str, str], home: Path) -> Question:
    partition = _partition(answers["gpu_partition"])
    return Question(
        "gpu_model",
        "Slurm's name of the GPU type, as in --gpus=TYPE:1",
        partition.gpu_model if partition else None,
        optional=True,
    )


def _gpu_memory(answers: Mapping[str, str], home: Path) -> Question:
    known = GPU_MEMORY.get(answers["gpu_model"].lower())
    return Question("gpu_memory", "Memory of one GPU, GB", str(known) if known else None)


def _gpus_per_node(answers: Mapping[str, str], home: Path) -> Question:
    partition = _partition(answers["gpu_partition"])
    return Question("gpus_per_node", "GPUs of one node", str(partition.gpus) if partition and partition.gpus else None)


def _max_memory(answers: Mapping[str, str], home: Path) -> Question:
    used = [p.mem_mb for p in map(_partition, (answers["cpu_partition"], answers["gpu_partition"])) if p]
    return Question("max_memory", "Memory of a node, MB: retries ask for no more", str(min(used)) if used else None)


def _max_runtime(answers: Mapping[str, str], home: Path) -> Question:
    used = [p for p in map(_partition, (answers["cpu_partition"], answers["gpu_partition"])) if p]
    limits = [p.minutes for p in used if p.minutes]
    # A cluster without limits: a week is longer than any job of the paper scale.
    offer = str(min(limits)) if limits else str(7 * 24 * 60) if used else None
    return Question("max_runtime", "Longest time limit, minutes: retries ask for no more", offer)


def _binds(answers: Mapping[str, str], home: Path) -> Question:
    text = "Folders that jobs need beside the checkout, separated by commas (/scratch,/data:/data:ro)"
    return Question("binds", text, None, optional=True)


def _cache(answers: Mapping[str, str], home: Path) -> Question:
    return Question("cache", "Folder for caches, on the shared file system", str((home / ".cache").absolute()))


def _cpu_image(answers: Mapping[str, str], home: Path) -> Question:
    return Question("cpu_image", "Apptainer image of the stages without GPU", "images/cpu.sif")


def _gpu_image(answers: Mapping[str, str], home: Path) -> Question:
    return Question("gpu_image", "Apptainer image of the stages with GPUs", "images/gpu.sif")


QUESTIONS: tuple[Callable[[Mapping[str, str], Path], Question], ...] = (
    _account,
    _cpu_partition,
    _gpu_partition,
    _gpu_model,
    _gpu_memory,
    _gpus_per_node,
    _max_memory,
    _max_runtime,
    _binds,
    _cache,
    _cpu_image,
    _gpu_image,
)


def _site(answers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "account": answers["account"] or None,
        "partitions": {"cpu": answers["cpu_partition"] or None, "gpu": answers["gpu_partition"] or None},
        "gpu": {
            "model": answers["gpu_model"] or None,
            "memory_gb": answers["gpu_memory"],
            "per_node": answers["gpus_per_node"],
        },
        "binds": [bind.strip() for bind in answers["binds"].split(",") if bind.strip()],
        "cache": answers["cache"],
        "images": {"cpu": answers["cpu_image"], "gpu": answers["gpu_image"]},
        "limits": {"mem_mb": answers["max_memory"], "runtime": answers["max_runtime"]},
    }


def _name(partitions: list[cluster.Partition]) -> str | None:
    return partitions[0].name if partitions else None


def _partition(name: str) -> cluster.Partition | None:
    return next((partition for partition in cluster.partitions() if partition.name == name), None)
