"""gather: the shards of a sampling stage put together into the table that the rest of the workflow reads.

Only where a scale sets `shards` above 1. Run alone: ``piretry gather small/base/s42 --table attempts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from piretry.completions import CompletionRow, read_completions, write_completions
from piretry.errors import PiretryError
from piretry.shards import shard_of

if TYPE_CHECKING:
    from piretry.runner import Job


def run(job: Job) -> None:
    """Write the rows of all shards in the order of the table; refuse a row that belongs to another shard."""
    shards = job.settings["shards"]
    rows: list[CompletionRow] = []
    for name in sorted(job.task.inputs, key=int):
        for row in read_completions(job.input(name)):
            if shard_of(row.problem_id, shards) != int(name):
                raise PiretryError(
                    f"{job.input(name)} holds problem {row.problem_id}, which belongs to shard "
                    f"{shard_of(row.problem_id, shards)} of {shards}: it was made with another number of shards. "
                    f"Delete the folder {job.input(name).parent} and run the workflow again."
                )
            rows.append(row)
    write_completions(job.output("completions"), rows)
