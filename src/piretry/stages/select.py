"""select: the completions that a cell is trained on, chosen by its method.

Run alone: ``piretry select small/retry-full/k3/bare/r1/s42``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from piretry.completions import CompletionRow, read_completions
from piretry.data.schema import read_problems
from piretry.dialogue import opening
from piretry.errors import PiretryError
from piretry.methods.base import Pool, build, counts, matched
from piretry.sft import SftRow, write_sft

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write `sft.parquet`: for each example the prompt turns (the bare problem) and the completion."""
    settings = job.settings
    problems = {problem.problem_id: problem for problem in read_problems(job.input("problems"))}
    pool = Pool(_read(job, "attempts"), _read(job, "retries"), _read(job, "resamples"))
    # Imported by name, so that an edit to one method changes the code digest of its own cells alone.
    method = importlib.import_module(f"piretry.methods.{settings['method']}")
    examples = build(method.select, pool, settings["k"], settings["include_correct_first"], settings["cap_per_problem"])
    if settings["match"]:
        retry = importlib.import_module("piretry.methods.retry")
        match = settings["match"]
        reference = build(
            retry.select,
            Pool(pool.attempts, _read(job, "match_retries")),
            settings["k"],
            match["include_correct_first"],
            match["cap_per_problem"],
        )
        job.count(examples_before_matching=len(examples))
        examples = matched(examples, len(reference), settings["seed"])
    if not examples:
        raise PiretryError(
            f"{job.task.target} has nothing to train on: method {settings['method']!r} with K={settings['k']} kept no "
            "correct completion. Raise K, take an easier training set, or set selection."
            f"{settings['method']}.include_correct_first in the scale file."
        )
    job.count(**counts(examples))
    rows = [
        SftRow(
            problem_id=example.problem_id,
            prompt=opening(settings["chat"], problems[example.problem_id].problem),
            completion=example.completion,
            origin=example.origin,
            attempt=example.attempt,
            sample=example.sample,
        )
        for example in examples
    ]
    write_sft(job.output("sft"), rows)


def _read(job: Job, name: str) -> list[CompletionRow]:
    return read_completions(job.input(name)) if name in job.task.inputs else []
