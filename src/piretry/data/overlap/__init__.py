"""Overlap of training problems with held-out ones: found, kept with the matched pair, removed by kind.

Kinds, from the strictest to the loosest: `exact` (the same text), `normalised` (the same but for case, white
space, punctuation and TeX layout), `renumbered` (the same, moreover, but for its numbers), `ngram`,
`near_duplicate`, `reworded`; each module says how it decides. A pair is counted for every kind that it has.
The small held-out side is indexed and the training side is read once, so that 860,000 training problems never
meet 500 held-out ones pair by pair. What is found does not depend on the order of either side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from piretry.data.overlap.fold import key, tokens, without_diagrams, words
from piretry.data.overlap.near import NearDuplicateIndex
from piretry.data.overlap.ngrams import NgramIndex
from piretry.data.overlap.pairs import (
    KINDS,
    KindCount,
    OverlapPair,
    OverlapReport,
    read_pairs,
    remove_overlap,
    write_report,
)
from piretry.data.overlap.reworded import RewordedIndex
from piretry.data.schema import Problem
from piretry.errors import PiretryError
from piretry.settings.data import Kind, OverlapSettings

__all__ = [
    "KINDS",
    "KindCount",
    "OverlapPair",
    "OverlapReport",
    "find_overlap",
    "normalised_key",
    "read_pairs",
    "remove_overlap",
    "write_report",
]


def normalised_key(text: str) -> str:
    """What all texts share that are the same but for case, white space, punctuation and TeX layout."""
    return key(tokens(text))


def find_overlap(
    train: Iterable[Problem],
    evaluation: Sequence[Problem],
    settings: OverlapSettings,
    on_progress: Callable[[int], None] | None = None,
) -> OverlapReport:
    """Every pair of a training and a held-out problem that matches by one of `settings.kinds`.

    `train` is read once and not kept. `on_progress` is called now and then with the number of training
    problems read. Raises PiretryError when a kind matches more than `settings.max_pairs` pairs.
    """
    search = _Search(evaluation, settings)
    count = 0
    for count, problem in enumerate(train, start=1):
        search.add(count, problem)
        if on_progress is not None and count % 1000 == 0:
            on_progress(count)
    if on_progress is not None:
        on_progress(count)
    pairs = sorted(search.pairs(), key=lambda p: (KINDS.index(p.kind), -p.score, p.train_id, p.eval_id))
    return OverlapReport(tuple(pairs), count, len(evaluation), settings)


class _Search:
    """The indexes of the held-out side and the matches so far."""

    def __init__(self, evaluation: Sequence[Problem], settings: OverlapSettings) -> None:
        self._evaluation = evaluation
        self._settings = settings
        self._found: list[OverlapPair] = []
        self._number: Counter[Kind] = Counter()
        self._keys: dict[str, list[int]] = defaultdict(list)
        self._templates: dict[str, list[int]] = defaultdict(list)
        plain = [tokens(without_diagrams(problem.problem)) for problem in evaluation]
        for number, problem in enumerate(evaluation):
            found = tokens(problem.problem)
            self._keys[key(found)].append(number)
            self._templates[key(found, numbers=False)].append(number)
        self._ngrams = NgramIndex([words(found) for found in plain], settings.ngram) if settings.ngram else None
        self._near = NearDuplicateIndex(plain, settings.near_duplicate) if settings.near_duplicate else None
        golds = [problem.gold for problem in evaluation]
        self._reworded = RewordedIndex(plain, golds, settings.reworded) if settings.reworded else None
        self._sharing: dict[int, Problem] = {}  # training problems that share an n-gram, by their number

    def add(self, number: int, problem: Problem) -> None:
        """Compare training problem `number` with the held-out side."""
        found = tokens(problem.problem)
        # Exact copies are among them. A text of brackets and blanks alone has no content to be the same.
        copies = self._keys.get(key(found), []) if found else []
        for held_out in copies:
            if "exact" in self._settings.kinds and problem.problem == self._evaluation[held_out].problem:
                self._keep(problem, held_out, "exact", 1.0)
            if "normalised" in self._settings.kinds:
                self._keep(problem, held_out, "normalised", 1.0)
        if "renumbered" in self._settings.kinds and found:
            for held_out in self._templates.get(key(found, numbers=False), []):
                self._keep(problem, held_out, "renumbered", 1.0)
        if not (self._ngrams or self._near or self._reworded):
            return
        plain = without_diagrams(problem.problem)
        if plain is not problem.problem:
            found = tokens(plain)
        if self._ngrams and self._ngrams.add(number, words(found), is_copy=bool(copies)):
            self._sharing[number] = problem
        for held_out, score in self._near.matches(found) if self._near else ():
            self._keep(problem, held_out, "near_duplicate", score)
        for held_out, score in self._reworded.matches(found, problem.gold) if self._reworded else ():
            self._keep(problem, held_out, "reworded", score)

    def pairs(self) -> Iterator[OverlapPair]:
        """Every match, once the training side has been read."""
        for number, held_out, score in self._ngrams.pairs() if self._ngrams else ():
            self._keep(self._sharing[number], held_out, "ngram", score)
        return iter(self._found)

    def _keep(self, problem: Problem, held_out: int, kind: Kind, score: float) -> None:
        self._number[kind] += 1
        if self._number[kind] > self._settings.max_pairs:
            raise PiretryError(
                f"Overlap of kind {kind} matches more than overlap.max_pairs = {self._settings.max_pairs} "
                "pairs. Problems that are made from one template are all alike: take the kind out of "
                "overlap.kinds in the scale file, make its rule stricter, or raise max_pairs if so many "
                "are meant."
            )
        other = self._evaluation[held_out]
        self._found.append(
            OverlapPair(problem.problem_id, other.problem_id, kind, round(score, 6), problem.problem, other.problem)
        )
