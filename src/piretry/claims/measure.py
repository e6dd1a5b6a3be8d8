"""From completion tables to arrays: what each problem contributed to a quantity, at each seed.

Every quantity is the mean of an array of shape (seeds, problems). Problems are in the order of their ids, which is the
same for every state, so that differences are paired by problem; seeds are paired by position.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piretry.completions import read_columns
from piretry.errors import PiretryError
from piretry.stats.diversity import diversity, same_math, same_proof, shared
from piretry.verifiers.base import Verdict
from piretry.verifiers.heuristic import Disagreement, disagreement

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """One eval.parquet: for each held-out problem the verdicts of its greedy and of its sampled completions."""

    path: Path

    @cached_property
    def verdicts(self) -> dict[str, dict[str, list[str]]]:
        """decoding -> problem id -> verdicts in the order of the samples."""
        found: dict[str, dict[str, list[str]]] = {}
        for row in _rows(self.path, ("problem_id", "decoding", "sample", "verdict")):
            found.setdefault(row["decoding"], defaultdict(list))[row["problem_id"]].append(row["verdict"])
        return found

    @cached_property
    def problem_ids(self) -> list[str]:
        """The held-out problems, sorted."""
        return sorted(next(iter(self.verdicts.values())))

    def correct(self, decoding: str) -> Array:
        """Mean correctness of each problem, shape (problems,)."""
        verdicts = self.verdicts[decoding]
        return np.array([np.mean([v == "correct" for v in verdicts[name]]) for name in self.problem_ids])

    @cached_property
    def samples(self) -> list[tuple[str, str, bool]]:
        """(problem id, completion, whether correct) of every sampled completion."""
        columns = ("problem_id", "decoding", "completion", "verdict")
        return [
            (row["problem_id"], row["completion"], row["verdict"] == "correct")
            for row in _rows(self.path, columns)
            if row["decoding"] == "sampled"
        ]

    def disagreement(self, decoding: str) -> Array:
        """Share of each problem's completions on which exactly one of the two opinions says correct, (problems,)."""
        found: dict[str, list[bool]] = {name: [] for name in self.problem_ids}
        for row in _rows(self.path, ("problem_id", "decoding", "verdict", "second_opinion")):
            if row["decoding"] == decoding:
                found[row["problem_id"]].append((row["verdict"] == "correct") != (row["second_opinion"] == "correct"))
        return np.array([np.mean(found[name]) for name in self.problem_ids])

    def matrix(self, decoding: str) -> NDArray[np.str_]:
        """Verdicts of shape (problems, samples)."""
        verdicts = self.verdicts[decoding]
        return np.array([verdicts[name] for name in self.problem_ids])


class Tables:
    """The completion tables that a judge was given, looked up by state, read once."""

    def __init__(self, files: Mapping[str, str], resolve: Callable[[str], Path]) -> None:
        self._files = files
        self._resolve = resolve
        self._evaluations: dict[str, Evaluation] = {}

    def evaluation(self, state: str) -> Evaluation:
        """The evaluation of `state` (a name with its seed)."""
        if state not in self._evaluations:
            self._evaluations[state] = Evaluation(self.path(f"eval {state}"))
        return self._evaluations[state]

    def path(self, key: str) -> Path:
        """The file under `key` (``eval STATE``, ``attempts STATE``, ``retries STATE PROMPT``, …)."""
        return self._resolve(self._files[key])

    def relative(self, key: str) -> str:
        """The same file as its path in the results folder."""
        return self._files[key]

    def seeds(self, series: str) -> tuple[int, ...]:
        """Seeds at which `series` has any file here, in ascending order."""
        prefix = f"{series}/s"
        states = [name for key in self._files for name in key.split(" ")[1:2] if name.startswith(prefix)]
        return tuple(sorted({int(name.removeprefix(prefix)) for name in states}))

    def accuracy(self, series: str, seeds: Sequence[int], decoding: str) -> Array:
        """Correctness by seed and held-out problem, shape (seeds, problems), in 0..1."""
        evaluations = [self.evaluation(f"{series}/s{seed}") for seed in seeds]
        _same_problems([(str(e.path), e.problem_ids) for e in evaluations])
        return np.stack([evaluation.correct(decoding) for evaluation in evaluations])

    def verdicts(self, series: str, seeds: Sequence[int], decoding: str) -> NDArray[np.str_]:
        """Verdict strings of shape (seeds, problems, samples)."""
        return np.stack([self.evaluation(f"{series}/s{seed}").matrix(decoding) for seed in seeds])

    def diversity(self, series: str, seeds: Sequence[int], size: int) -> Array:
        """Share of distinct solutions among `size` correct sampled completions, shape (seeds, problems), in 0..1.

        On the problems that have so many at every seed; their number may be 0.
        """
        key = same_proof if series.startswith("prover/") else same_math
        measured = [diversity(self.evaluation(f"{series}/s{seed}").samples, key, size) for seed in seeds]
        problems = shared(measured)
        return np.array([each.array(problems) for each in measured]).reshape(len(seeds), len(problems))

    def disagreement(self, series: str, seeds: Sequence[int], decoding: str) -> Array:
        """Share of completions on which verifier and second opinion differ, shape (seeds, problems)."""
        evaluations = [self.evaluation(f"{series}/s{seed}") for seed in seeds]
        _same_problems([(str(e.path), e.problem_ids) for e in evaluations])
        return np.stack([evaluation.disagreement(decoding) for evaluation in evaluations])

    def opinions(self, series: str, seeds: Sequence[int]) -> Disagreement:
        """Sampled completions of all seeds together by second opinion and verdict."""
        return disagreement(
            (Verdict(row["second_opinion"]), Verdict(row["verdict"]))
            for seed in seeds
            for row in _rows(self.path(f"eval {series}/s{seed}"), ("decoding", "verdict", "second_opinion"))
            if row["decoding"] == "sampled"
        )

    def yields(self, series: str, seeds: Sequence[int], prompt: str, k: int) -> Array:
        """1 where a problem failed first and a retry up to `k` succeeded, else 0; shape (seeds, training problems)."""
        columns = []
        for seed in seeds:
            state = f"{series}/s{seed}"
            first = {
                row["problem_id"]: row["verdict"] == "correct"
                for row in _rows(self.path(f"attempts {state}"), ("problem_id", "verdict"))
            }
            solved = {
                row["problem_id"]
                for row in _rows(self.path(f"retries {state} {prompt}"), ("problem_id", "attempt", "verdict"))
                if row["verdict"] == "correct" and 1 <= row["attempt"] <= k
            }
            columns.append([float(not first[name] and name in solved) for name in sorted(first)])
        if len({len(column) for column in columns}) != 1:
            raise PiretryError(f"The seeds of {series} have different training problems: delete results and run again.")
        return np.array(columns)

    def repeats(self, series: str, seeds: Sequence[int], prompt: str, k: int) -> list[tuple[int, str, int, int]]:
        """(seed, problem, retry index, 1 if the success did not repeat) of every successful retry up to index `k`."""
        found = []
        for seed in seeds:
            key = f"repeats {series}/s{seed} {prompt}"
            for row in _rows(self.path(key), ("problem_id", "attempt", "verdict")):
                if row["attempt"] <= k:
                    found.append((seed, row["problem_id"], row["attempt"], int(row["verdict"] != "correct")))
        return found


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_columns(path, columns).to_pylist()
    return rows


def _same_problems(named: Sequence[tuple[str, list[str]]]) -> None:
    first_name, first = named[0]
    for name, problems in named[1:]:
        if problems != first:
            raise PiretryError(
                f"{first_name} and {name} hold different held-out problems, so they cannot be paired. One of them is "
                "of another run: delete it and run the workflow again."
            )
