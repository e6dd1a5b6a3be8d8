"""retry: the model is told that it failed and tries again, up to K times, until its first success.

A file holds attempts 1..K of every problem whose first attempt was not correct; a smaller K is a prefix of it. A job
makes the files of one prompt or of several, with the model loaded once.
Run alone: ``piretry retry small/base/s42 --prompt bare``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from piretry.completions import CompletionRow, read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.sampling import RetryAsks, Sampler
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade retries of every failed problem, prompt by prompt and attempt by attempt."""
    problems = read_problems(job.input("problems"))
    attempts = own(read_completions(job.input("attempts")), job.settings)
    failures = {row.problem_id: row.completion for row in attempts if not row.correct}
    with Sampler(job) as sampler:
        for prompt, settings in job.settings["prompts"].items():
            builder = RetryAsks({**job.settings, **settings, "prompt": prompt}, problems)
            rows = _retries(job, sampler, builder, failures)
            write_completions(job.output(prompt), rows)


def _retries(job: Job, sampler: Sampler, builder: RetryAsks, first: Mapping[str, str]) -> list[CompletionRow]:
    """The retries with one prompt, after the failed `first` attempts by problem."""
    prompt, kind = builder.settings["prompt"], f"retry/{job.settings['writer']}"
    failures = {problem_id: [completion] for problem_id, completion in first.items()}
    rows: list[CompletionRow] = []
    for attempt in range(1, builder.settings["k"] + 1):
        answered = sampler.answer(
            [builder.ask(problem_id, failures[problem_id], attempt, 0, kind) for problem_id in sorted(failures)],
            table=prompt,
        )
        rows += answered
        for row in answered:
            if row.correct:
                del failures[row.problem_id]
            else:
                failures[row.problem_id].append(row.completion)
        job.count(**{f"correct_at_{attempt}_{prompt}": sum(row.correct for row in answered)})
        if not failures:
            break
    job.count(**{f"never_solved_{prompt}": len(failures)})
    return rows
