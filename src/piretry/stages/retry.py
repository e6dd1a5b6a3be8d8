"""retry: the model is told that it failed and tries again, up to K times, until its first success.

The file holds attempts 1..K of every problem whose first attempt was not correct; a smaller K is a prefix of it.
Run alone: ``piretry retry small/base/s42 --prompt bare``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import CompletionRow, read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.sampling import RetryAsks, Sampler
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade retries of every failed problem, attempt by attempt."""
    builder = RetryAsks(job.settings, read_problems(job.input("problems")))
    attempts = own(read_completions(job.input("attempts")), job.settings)
    failures = {row.problem_id: [row.completion] for row in attempts if not row.correct}
    kind = f"retry/{job.settings['writer']}"
    rows: list[CompletionRow] = []
    with Sampler(job) as sampler:
        for attempt in range(1, job.settings["k"] + 1):
            answered = sampler.answer(
                [builder.ask(problem_id, failures[problem_id], attempt, 0, kind) for problem_id in sorted(failures)]
            )
            rows += answered
            for row in answered:
                if row.correct:
                    del failures[row.problem_id]
                else:
                    failures[row.problem_id].append(row.completion)
            job.count(**{f"correct_at_{attempt}": sum(row.correct for row in answered)})
            if not failures:
                break
    job.count(never_solved=len(failures))
    write_completions(job.output("completions"), rows)
