"""prepare: the training pool and the held-out problems, from the built-in generator, fetched files or a local file.

Run alone: ``piretry prepare``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from piretry.data.chains import generate_problems
from piretry.data.schema import Problem, fingerprint, write_problems
from piretry.data.sources import referenced_dataset
from piretry.errors import PiretryError
from piretry.settings.mini import ChainSettings

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the two problem tables and note id, revision and fingerprint of each dataset."""
    data = job.settings["data"]
    references = {}
    for key, output in (("train", "pool"), ("eval", "eval")):
        folder = job.input(key) if key in job.task.inputs else None
        problems, reference = _load(data[key], data["chains"], folder)
        if key == "eval" and len(problems) != data["eval_problems"]:
            raise PiretryError(
                f"The held-out dataset {data[key]['name']} has {len(problems)} problems, but data.eval_problems in the "
                f"scale file says {data['eval_problems']}. Check the file or revision, or correct the number."
            )
        write_problems(job.output(output), problems)
        references[output] = {**reference, "fingerprint": fingerprint(problems)}
        job.count(**{f"{output}_problems": len(problems)})
    job.note(datasets=references)


def _load(
    settings: dict[str, Any], chains: dict[str, Any] | None, folder: Path | None
) -> tuple[list[Problem], dict[str, Any]]:
    if settings["kind"] == "chains":
        made = generate_problems(
            ChainSettings.model_validate(chains), settings["split"], settings["problems"], settings["name"]
        )
        return made, {"id": f"{settings['name']} (generated, split {settings['split']})", "revision": None}
    loaded, reference = referenced_dataset(settings, folder)
    return loaded.problems, reference
