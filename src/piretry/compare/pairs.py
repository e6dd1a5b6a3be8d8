"""Which artifact of one run stands beside which of the other: by path, with seeds paired one to one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from piretry.compare.runs import Run
from piretry.grid.names import ARM_PATTERN, BASE_PATTERN
from piretry.provenance.model import Record

_STATE = re.compile(rf"(?P<series>{ARM_PATTERN}|{BASE_PATTERN})/s(?P<seed>\d+)\b")


def pair_seeds(first: Iterable[int], second: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Seeds one to one: those that both have with themselves, the others in ascending order while there are any."""
    one, two = set(first), set(second)
    both = one & two
    rest = zip(sorted(one - both), sorted(two - both), strict=False)
    return tuple(sorted([*((seed, seed) for seed in both), *rest]))


@dataclass(frozen=True)
class Pair:
    """The records of one artifact in both runs. `key` is the path, with `s42~7` where seed 42 stands beside seed 7."""

    key: str
    a: Record
    b: Record

    @property
    def same(self) -> bool:
        """Whether both are the same bytes."""
        return self.a.artifact.sha256 == self.b.artifact.sha256


class Pairs:
    """Two runs with their artifacts matched."""

    def __init__(self, a: Run, b: Run) -> None:
        self.a = a
        self.b = b
        self._seeds: dict[str, tuple[tuple[int, int], ...]] = {}

    @cached_property
    def series_seeds(self) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
        """Series -> its seeds in A and in B, ascending."""
        one, two = _seeds(self.a.records), _seeds(self.b.records)
        return {
            series: (tuple(sorted(one.get(series, ()))), tuple(sorted(two.get(series, ()))))
            for series in sorted({*one, *two})
        }

    def seeds(self, series: str) -> tuple[tuple[int, int], ...]:
        """The pairs of seeds of a series."""
        if series not in self._seeds:
            self._seeds[series] = pair_seeds(*self.series_seeds.get(series, ((), ())))
        return self._seeds[series]

    def key_a(self, text: str) -> str:
        """`text` of run A with the names of paired states made the same as in run B."""
        return _STATE.sub(self._rename(0), text)

    def key_b(self, text: str) -> str:
        """`text` of run B with the names of paired states made the same as in run A."""
        return _STATE.sub(self._rename(1), text)

    @cached_property
    def matched(self) -> tuple[Pair, ...]:
        """Every artifact that both runs have, by key."""
        one = {self.key_a(path): record for path, record in self.a.records.items()}
        two = {self.key_b(path): record for path, record in self.b.records.items()}
        return tuple(Pair(key, one[key], two[key]) for key in sorted(one.keys() & two.keys()))

    @cached_property
    def alone(self) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        """The records of artifacts that only A has, and of those that only B has."""
        both = {pair.key for pair in self.matched}
        return (
            tuple(record for path, record in self.a.records.items() if self.key_a(path) not in both),
            tuple(record for path, record in self.b.records.items() if self.key_b(path) not in both),
        )

    def _rename(self, side: int) -> Callable[[re.Match[str]], str]:
        def rename(match: re.Match[str]) -> str:
            series, seed = match["series"], int(match["seed"])
            pair = next((pair for pair in self.seeds(series) if pair[side] == seed), None)
            if pair is None or pair[0] == pair[1]:
                return match[0]
            return f"{series}/s{pair[0]}~{pair[1]}"

        return rename


def _seeds(paths: Iterable[str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for path in paths:
        match = _STATE.match(path)
        if match:
            found.setdefault(match["series"], set()).add(int(match["seed"]))
    return found
