"""Overlap by word n-grams: how much of a held-out problem stands word for word in a training problem.

One shared 13-gram proves nothing in mathematics: "Enter your answer in the form Ax + By + Cz + D = 0 where
..." is one. Two rules keep such phrases out. The pair needs a share (`min_share`) of the held-out problem's
n-grams, and n-grams that stand in more than `stock_after` training problems count neither for nor against it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from piretry.settings.data import NgramSettings


class NgramIndex:
    """The n-grams of the held-out problems; training problems are added one by one, pairs come at the end."""

    def __init__(self, evaluation: Sequence[list[str]], settings: NgramSettings) -> None:
        """`evaluation` holds the words of each held-out problem; one below its n-gram is never found."""
        self._settings = settings
        self._grams: list[set[int]] = []  # of each held-out problem, as numbers
        numbers: dict[tuple[str, ...], int] = {}
        for found in evaluation:
            size = settings.short_size if len(found) < settings.short_below else settings.size
            grams = {tuple(found[at : at + size]) for at in range(len(found) - size + 1)}
            self._grams.append({numbers.setdefault(gram, len(numbers)) for gram in sorted(grams)})
        # All n-grams hang on their first short_size words, so that one look-up at a place serves both sizes.
        self._heads: dict[str, list[tuple[list[str], int]]] = defaultdict(list)
        for gram, number in numbers.items():
            self._heads[" ".join(gram[: settings.short_size])].append((list(gram[settings.short_size :]), number))
        self._frequency = [0] * len(numbers)
        self._hits: list[tuple[int, int]] = []  # (training problem, n-gram)

    def add(self, train: int, found: list[str], is_copy: bool) -> bool:
        """Add the words of a training problem; True when it shares an n-gram that may count in the end.

        A problem that `is_copy` of a held-out one makes none of its n-grams a stock phrase.
        """
        width = self._settings.short_size
        shared: set[int] = set()
        for at in range(len(found) - width + 1):
            for rest, number in self._heads.get(" ".join(found[at : at + width]), ()):
                if found[at + width : at + width + len(rest)] == rest:
                    shared.add(number)
        if not is_copy:
            for number in shared:
                self._frequency[number] += 1
            shared = {number for number in shared if not self._stock(number)}
        self._hits.extend((train, number) for number in shared)
        return bool(shared)

    def pairs(self) -> Iterator[tuple[int, int, float]]:
        """(training problem, held-out problem, share) for every pair whose share is large enough."""
        holders: dict[int, list[int]] = defaultdict(list)
        sizes = []
        for held_out, grams in enumerate(self._grams):
            counting = [number for number in grams if not self._stock(number)]
            sizes.append(len(counting))
            for number in counting:
                holders[number].append(held_out)
        shared = Counter((train, held_out) for train, number in self._hits for held_out in holders.get(number, ()))
        for (train, held_out), count in shared.items():
            if count >= self._settings.min_share * sizes[held_out]:
                yield train, held_out, count / sizes[held_out]

    def _stock(self, number: int) -> bool:
        return self._frequency[number] > self._settings.stock_after
