"""Whether the configuration that goes along with an export is the one that the results were made with."""

from __future__ import annotations

from piretry.errors import PiretryError
from piretry.exports.source import Source
from piretry.provenance.checks import listed
from piretry.provenance.hashing import plain


def other_settings(source: Source) -> list[str]:
    """The artifacts whose records name other settings than config.yaml, the scale and the claims give them now.

    Artifacts that the configuration does not ask for at all are not counted: a grid may have been made smaller. Raises
    PiretryError when the configuration is not valid.
    """
    from piretry.grid.project import load_project
    from piretry.grid.tasks import all_tasks

    tasks = all_tasks(load_project(source.home, {"scale": source.scale}))
    now = {path: plain(task.settings) for task in tasks for path in task.outputs.values()}
    return sorted(path for path, record in source.records.items() if now.get(path, record.settings) != record.settings)


def drift_sentence(source: Source) -> str:
    """What to say of it in an export; empty when the configuration is the one that was used."""
    try:
        paths = other_settings(source)
    except PiretryError as error:
        return f"The configuration is not the one that the results were made with: it cannot be used ({error})."
    if not paths:
        return ""
    return (
        f"{len(paths)} artifacts were made with other settings than the configuration here gives them now "
        f"({listed(paths)}); their records have the settings that were used."
    )
