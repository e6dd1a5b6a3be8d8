"""theorems: the prover's training and held-out theorems, from the built-in generator, fetched files or a local file.

A training theorem whose statement is that of a held-out one, name and white space aside, is left out. Of a larger
dataset as many as the scale asks for are drawn by the rank of a hash, with a known proof or without: methods that show
sub-goals use those that have one. Run alone: ``piretry theorems``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from piretry.data.schema import Problem, fingerprint, write_problems
from piretry.data.sources import referenced_dataset
from piretry.data.subset import rank
from piretry.data.theorems.generate import generate_theorems
from piretry.data.theorems.read import proofs_known, statement_key, theorem_loaders
from piretry.errors import PiretryError
from piretry.settings.prover import TheoremSettings

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the two problem tables and note id, revision and fingerprint of each dataset."""
    settings = job.settings
    held_out, held_reference, _ = _load(job, "eval", settings["eval_problems"])
    if len(held_out) != settings["eval_problems"]:
        raise PiretryError(
            f"The held-out theorems {settings['eval']['name']} are {len(held_out)}, but prover.eval_problems in the "
            f"scale file says {settings['eval_problems']}. Check the file or revision, or correct the number."
        )
    pool, reference, dropped = _load(job, "train", settings["train_problems"])
    known = {statement_key(problem) for problem in held_out}
    left = [problem for problem in pool if statement_key(problem) not in known]
    if len(left) < settings["train_problems"]:
        raise PiretryError(
            f"{settings['train_problems']} training theorems were asked for (prover.train_problems in the scale file), "
            f"but {settings['train']['name']} has {len(pool)}, of which {len(pool) - len(left)} are held out. Ask for "
            "fewer or take a larger dataset."
        )
    train = sorted(left, key=lambda problem: rank(settings["seed"], problem.problem_id))[: settings["train_problems"]]
    write_problems(job.output("train"), train)
    write_problems(job.output("eval"), held_out)
    job.count(train_problems=len(train), eval_problems=len(held_out), held_out_in_pool=len(pool) - len(left))
    job.count(**proofs_known(train), **{f"pool_left_out_{reason}": number for reason, number in dropped.items()})
    job.note(
        datasets={
            "theorems": {**reference, "fingerprint": fingerprint(train)},
            "theorems-eval": {**held_reference, "fingerprint": fingerprint(held_out)},
        }
    )


def _load(job: Job, key: str, number: int) -> tuple[list[Problem], dict[str, Any], dict[str, int]]:
    """The theorems of one dataset, how records name it, and the rows that are no theorem of ours, by reason."""
    settings: dict[str, Any] = job.settings[key]
    if settings["kind"] == "theorems":
        generator = TheoremSettings.model_validate(job.settings["theorems"])
        made = generate_theorems(generator, settings["split"], number, settings["name"])
        return made, {"id": f"{settings['name']} (generated, split {settings['split']})", "revision": None}, {}
    loaded, reference = referenced_dataset(
        settings, job.input(key) if key in job.task.inputs else None, theorem_loaders()
    )
    return loaded.problems, reference, loaded.dropped
