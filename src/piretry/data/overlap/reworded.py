"""Rewordings: another sentence for the same question. Their n-grams and shingles differ, their content does
not.

A training problem is taken for a rewording when its answer is the held-out problem's, the numbers in both are
the same or nearly, and they are alike in their tokens and pairs of neighbouring tokens, the rare ones
counting more. Without the first two conditions the similarity that rewordings have is that of thousands of
unrelated pairs.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from piretry.data.overlap.fold import key, tokens
from piretry.settings.data import RewordedSettings


class RewordedIndex:
    """The answers, numbers and weighted features of the held-out problems."""

    def __init__(self, evaluation: Sequence[list[str]], golds: Sequence[str], settings: RewordedSettings) -> None:
        """`evaluation` holds the tokens of each held-out problem, `golds` their answers.

        A feature in d of N held-out problems weighs log(1 + (N - d + 1/2) / (d + 1/2)), as BM25 weighs terms.
        It is counted on the held-out side only, so that a match does not depend on the rest of the training
        set.
        """
        self._settings = settings
        self._features = [_features(found) for found in evaluation]
        self._numbers = [_numbers(found) for found in evaluation]
        self._by_answer: dict[str, list[int]] = defaultdict(list)
        for number, gold in enumerate(golds):
            self._by_answer[_answer(gold)].append(number)
        frequency = Counter(feature for features in self._features for feature in features)
        size = len(evaluation)
        self._weights = {f: math.log(1 + (size - d + 0.5) / (d + 0.5)) for f, d in frequency.items()}
        self._unknown = math.log(1 + (size + 0.5) / 0.5)
        self._sums = [self._weight(features) for features in self._features]

    def matches(self, found: list[str], gold: str) -> Iterator[tuple[int, float]]:
        """(held-out problem, weighted Jaccard similarity) of those that the training problem may reword."""
        candidates = self._by_answer.get(_answer(gold), []) if found else []
        numbers = _numbers(found)
        candidates = [number for number in candidates if self._same_numbers(numbers, self._numbers[number])]
        if not candidates:
            return
        features = _features(found)
        whole = self._weight(features)
        for number in candidates:
            shared = self._weight(features & self._features[number])
            similarity = shared / (whole + self._sums[number] - shared)
            if similarity >= self._settings.min_similarity:
                yield number, similarity

    def _same_numbers(self, left: set[str], right: set[str]) -> bool:
        return len(left & right) >= self._settings.min_number_similarity * len(left | right)

    def _weight(self, features: set[str]) -> float:
        # fsum: the order of a set of strings differs between runs, and so would a plain sum's last digit.
        return math.fsum(self._weights.get(feature, self._unknown) for feature in features)


def _answer(gold: str) -> str:
    r"""One string for an answer however it is typed; ``\frac{1}{2}`` and ``1/2`` are one."""
    return key([token for token in tokens(gold) if token not in (r"\frac", "/")])


def _features(found: list[str]) -> set[str]:
    return {*found, *(f"{left} {right}" for left, right in pairwise(found))}


def _numbers(found: list[str]) -> set[str]:
    return {token for token in found if token[-1].isdigit()}
