"""How the problems of a sampling stage are divided over jobs: by a hash of the problem, so that no job needs a list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar


def shard_of(problem_id: str, shards: int) -> int:
    """The shard, 0 to shards-1, that a problem belongs to."""
    return int.from_bytes(hashlib.sha256(problem_id.encode()).digest()[:8], "big") % shards


class OfProblem(Protocol):
    """Anything that belongs to one problem: a problem itself, or a completion."""

    @property
    def problem_id(self) -> str:
        """The problem's id."""
        ...


T = TypeVar("T", bound=OfProblem)


def own(items: Iterable[T], settings: Mapping[str, Any]) -> list[T]:
    """Those of `items` that this job samples, in the given order: all of them where it is the only one."""
    shard, shards = settings["shard"], settings["shards"]
    return [item for item in items if shard_of(item.problem_id, shards) == shard]
