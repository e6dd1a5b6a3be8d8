"""retry: the model is told that it failed and tries again, up to K times, until its first success.

A file holds attempts 1..K of every problem whose first attempt was not correct; a smaller K is a prefix of it. A job
makes the files of one prompt or of several, with the model loaded once.
Run alone: ``piretry retry small/base/s42 --prompt bare``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from piretry.completions import CompletionRow, read_completions, write_completions
from piretry.data.schema import read_problems
from piretry.sampling import Sampler, retry_asks
from piretry.shards import own

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Sample and grade retries of every failed problem, attempt by attempt, with every prompt at once.

    With all prompts in one round the engine can share the beginning that they have in common.
    """
    problems = read_problems(job.input("problems"))
    first = [row for row in own(read_completions(job.input("attempts")), job.settings) if not row.correct]
    prompts: dict[str, dict[str, Any]] = job.settings["prompts"]
    builders = {name: retry_asks({**job.settings, **its, "prompt": name}, problems) for name, its in prompts.items()}
    failures = {name: {row.problem_id: [row] for row in first} for name in prompts}
    rows: dict[str, list[CompletionRow]] = {name: [] for name in prompts}
    kind = f"retry/{job.settings['writer']}"
    with Sampler(job) as sampler:
        for attempt in range(1, max(settings["k"] for settings in prompts.values()) + 1):
            asks = {
                name: [builders[name].ask(problem, failed[problem], attempt, 0, kind) for problem in sorted(failed)]
                for name, failed in failures.items()
                if failed and attempt <= prompts[name]["k"]
            }
            for name, answered in sampler.answer_tables(asks).items():
                rows[name] += answered
                for row in answered:
                    if row.correct:
                        del failures[name][row.problem_id]
                    else:
                        failures[name][row.problem_id].append(row)
                job.count(**{f"correct_at_{attempt}_{name}": sum(row.correct for row in answered)})
    for name in prompts:
        job.count(**{f"never_solved_{name}": len(failures[name])})
        write_completions(job.output(name), rows[name])
