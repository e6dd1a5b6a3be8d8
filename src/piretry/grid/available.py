"""Roles that cannot be run here, and what becomes of their cells and claims: dropped, and `not run` with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from piretry.claims.model import Claim, ClaimsFile, claim_series
from piretry.errors import PiretryError
from piretry.grid.names import PROVER, ROLES, Arm, State
from piretry.grid.task import Task
from piretry.settings.lean import IMAGE_PROJECT
from piretry.settings.scale import Scale
from piretry.verifiers.lean.settings import missing


def unavailable_roles(scale: Scale) -> dict[str, str]:
    """Role -> why it cannot be run: the scale does not bind it, or no Lean is found to check a prover's proofs.

    A checker that the Lean image supplies is not looked for: whoever plans or submits need not have it.
    """
    found = {role: f"scale {scale.name} has no role {role}" for role in ROLES if role not in scale.roles}
    if scale.prover is not None and not scale.prover.verifier.in_image:
        reason = missing(scale.prover.verifier.plain())
        if reason is not None:
            found[PROVER] = reason
    return found


def require_checker(scale: Scale, tasks: Iterable[Task], images: bool) -> None:
    """Raise PiretryError when a job among `tasks` checks proofs with the Lean of the Lean image, but `images` says that
    no jobs run in images, and that Lean is not on this machine either.
    """
    if images or scale.prover is None or not scale.prover.verifier.in_image:
        return
    reason = missing(scale.prover.verifier.plain())
    if reason is not None and any(checks_in_image(task) for task in tasks):
        raise PiretryError(
            f"The prover's proofs are checked in the Lean image (prover.verifier.project of scales/{scale.name}.yaml), "
            f"but these jobs run in no image, and here {reason}. Build the image with `snakemake images` and run with "
            "`--sdm apptainer` (the profile slurm does), or name a Lake project of this machine."
        )


def checks_in_image(task: Task) -> bool:
    """Whether the job checks proofs with the Lean of the Lean image."""
    return task.settings.get("verifier", {}).get("project") == IMAGE_PROJECT


def require_files(tasks: Iterable[Task], home: Path) -> None:
    """Raise PiretryError when a dataset that a job among `tasks` reads from a local file is not there."""
    for task in tasks:
        for where, dataset in _datasets(task):
            if dataset.get("kind") == "file" and not (home / dataset["path"]).is_file():
                raise PiretryError(
                    f"{where}.path: {dataset['path']} does not exist, and {dataset['name']} is read from it. The scale "
                    "file says beside the key where it comes from: put it there, or name another dataset."
                )


def _datasets(task: Task) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The settings of the datasets that a job loads, and which key of the scale file each is."""
    if task.stage in ("prepare", "theorems"):
        key, holder = ("data", task.settings["data"]) if task.stage == "prepare" else ("prover", task.settings)
        for split in ("train", "eval"):
            yield f"{key}.{split}", holder[split]


def runnable(arm: Arm, unavailable: Mapping[str, str], teachers: Mapping[str, str]) -> bool:
    """Whether a cell's own role and, for method cross, its teacher can be run."""
    return _reason(arm, unavailable, teachers) is None


def mark_not_run(claims: ClaimsFile, unavailable: Mapping[str, str], teachers: Mapping[str, str]) -> ClaimsFile:
    """`claims` where each that needs a role of `unavailable` is `not run`, and controls of such roles are left out."""

    def reason(series: str) -> str | None:
        try:
            state = State.of(series, 0)
        except PiretryError:
            return None  # the project's own check tells what is wrong with the name, and where
        return unavailable.get(state.role) if state.arm is None else _reason(state.arm, unavailable, teachers)

    def marked(claim: Claim) -> Claim:
        found = next((why for name in claim_series(claim) if (why := reason(name)) is not None), None)
        if found is None:
            kept = [variant for variant in claim.variants if reason(variant.of.series) is None]
            return claim.model_copy(update={"variants": kept})
        return claim.model_copy(update={"tests": [], "variants": [], "not_run": found})

    controls = [control for control in claims.controls if reason(control.series) is None]
    dropped = {control.id for control in claims.controls} - {control.id for control in controls}
    tables = {name: [member for member in members if member not in dropped] for name, members in claims.tables.items()}
    return claims.model_copy(
        update={"claims": [marked(claim) for claim in claims.claims], "controls": controls, "tables": tables}
    )


def notice(scale: Scale, unavailable: Mapping[str, str], claims: ClaimsFile) -> str | None:
    """One line on claims that cannot be run although the scale binds their role; None when there is nothing to say."""
    lost = {role: why for role, why in unavailable.items() if role in scale.roles}
    if not lost:
        return None
    names = [claim.id for claim in claims.claims if claim.not_run in lost.values()]
    reasons = "; ".join(lost.values())
    return f"NOT RUN: {', '.join(names) or 'no claim'}, nor any cell of role {', '.join(lost)}: {reasons}"


def _reason(arm: Arm, unavailable: Mapping[str, str], teachers: Mapping[str, str]) -> str | None:
    roles = [arm.role, *([teachers[arm.role]] if arm.method == "cross" and arm.role in teachers else [])]
    return next((unavailable[role] for role in roles if role in unavailable), None)
