"""The draw of n training problems, reproducible from the dataset's revision and a seed alone.

No random number generator and no row order take part: every distinct problem has a rank, the sha256 of the
seed and its id, and the draw is the n lowest ranks whose gold parses. So a draw of 1,000 begins a draw of
10,000, a problem that is taken out of the pool moves only those behind it up, and every distinct problem is
equally likely to be drawn, however many copies of it the pool has.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from piretry.data.overlap import normalised_key
from piretry.data.schema import Problem
from piretry.errors import PiretryError

# Golds that are asked about at once: enough to keep a pool of grading workers busy.
_BATCH = 1000


@dataclass(frozen=True)
class Subset:
    """The ids drawn, lowest rank first, and what became of the rest of the pool."""

    problem_ids: tuple[str, ...]
    pool: int  # problems in the pool
    distinct: int  # of them, counting copies (the same but for case, white space, punctuation, TeX layout) once
    conflicting: int  # distinct problems whose copies have golds that differ in more than layout
    examined: int  # distinct problems whose gold was asked about, in the order of their ranks
    gold_unparseable: int  # of them, those none of whose golds parses

    @property
    def duplicates(self) -> int:
        """Problems of the pool that are copies of another."""
        return self.pool - self.distinct


def draw_subset(
    problems: Iterable[Problem], number: int, seed: int, gold_parses: Callable[[Sequence[str]], list[bool]]
) -> Subset:
    """Draw `number` distinct problems whose gold parses.

    `gold_parses` answers for a batch of golds; it is asked about as few problems as the draw needs, because
    it takes most of the time. Of copies, the one with the smallest id whose gold parses stands for all.
    Raises PiretryError when fewer than `number` are left, with the counts, and when two problems share an id.
    """
    copies: dict[bytes, list[tuple[str, str]]] = defaultdict(list)
    ids: set[str] = set()
    for problem in problems:
        if problem.problem_id in ids:
            raise PiretryError(
                f"The pool has the problem_id {problem.problem_id!r} twice, so a draw from it would mean "
                "nothing. Make the ids unique."
            )
        ids.add(problem.problem_id)
        # A digest in place of the text: of 860,000 problems the texts would take most of a gigabyte.
        digest = hashlib.sha256(normalised_key(problem.problem).encode("utf-8", "surrogatepass")).digest()[:16]
        copies[digest].append((problem.problem_id, problem.gold))
    groups = sorted((sorted(group) for group in copies.values()), key=lambda group: rank(seed, group[0][0]))
    conflicting = sum(len({normalised_key(gold) for _, gold in group}) > 1 for group in groups if len(group) > 1)

    drawn: list[str] = []
    examined = 0
    waiting = iter(groups)
    while len(drawn) < number and (batch := list(islice(waiting, _BATCH))):
        for problem_id in _first_parsing(batch, gold_parses):
            examined += 1
            if problem_id is not None:
                drawn.append(problem_id)
            if len(drawn) == number:
                break
    subset = Subset(tuple(drawn), len(ids), len(groups), conflicting, examined, examined - len(drawn))
    if len(drawn) < number:
        raise PiretryError(
            f"{number} training problems were asked for, but only {len(drawn)} can be drawn: the pool has "
            f"{subset.pool}, {subset.duplicates} are copies of another, and the gold of "
            f"{subset.gold_unparseable} does not parse. Ask for fewer (data.subset.problems in the scale "
            "file) or take a larger pool."
        )
    return subset


def take(problems: Iterable[Problem], subset: Subset) -> list[Problem]:
    """The problems of `subset`, in its order, from the pool that it was drawn from."""
    wanted = dict.fromkeys(subset.problem_ids)
    found = {problem.problem_id: problem for problem in problems if problem.problem_id in wanted}
    if lacking := [problem_id for problem_id in wanted if problem_id not in found]:
        raise PiretryError(
            f"{len(lacking)} problems of the draw are not in the pool ({lacking[0]!r} is the first): it is "
            "not the pool that they were drawn from."
        )
    return [found[problem_id] for problem_id in subset.problem_ids]


def rank(seed: int, problem_id: str) -> bytes:
    """What a draw orders problems by."""
    return hashlib.sha256(f"{seed}\n{problem_id}".encode()).digest()


def _first_parsing(
    groups: list[list[tuple[str, str]]], gold_parses: Callable[[Sequence[str]], list[bool]]
) -> list[str | None]:
    """For each group of copies the first id whose gold parses, or None; each step asks about all groups at
    once.
    """
    chosen: list[str | None] = [None] * len(groups)
    open_groups = list(range(len(groups)))
    place = 0
    while open_groups:
        answers = gold_parses([groups[number][place][1] for number in open_groups])
        if len(answers) != len(open_groups):
            raise ValueError(f"gold_parses gave {len(answers)} answers for {len(open_groups)} golds")
        for number, parses in zip(open_groups, answers, strict=True):
            if parses:
                chosen[number] = groups[number][place][0]
        place += 1
        open_groups = [n for n in open_groups if chosen[n] is None and place < len(groups[n])]
    return chosen
