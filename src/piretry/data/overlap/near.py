"""Near duplicates: token shingles, a MinHash index of the held-out side, and the exact Jaccard similarity.

MinHash only proposes: every pair that is reported has the stated similarity, computed on the whole sets. A
pair of similarity s is proposed with probability 1 - (1 - s^band_size)^bands (Leskovec, Rajaraman, Ullman,
Mining of Massive Datasets, section 3.4).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from piretry.settings.data import NearDuplicateSettings


class NearDuplicateIndex:
    """The shingles of the held-out problems."""

    def __init__(self, evaluation: Sequence[list[str]], settings: NearDuplicateSettings) -> None:
        """`evaluation` holds the tokens of each held-out problem."""
        from datasketch import MinHash, MinHashLSH

        self._settings = settings
        self._sets = [self._shingles(found) for found in evaluation]
        self._known: set[str] = set().union(*self._sets)
        permutations = settings.bands * settings.band_size
        self._empty = MinHash(num_perm=permutations, seed=settings.seed, hashfunc=zlib.crc32)
        self._index = MinHashLSH(num_perm=permutations, params=(settings.bands, settings.band_size))
        for number, shingles in enumerate(self._sets):
            if shingles:
                self._index.insert(number, self._sketch(shingles))

    def matches(self, found: list[str]) -> Iterator[tuple[int, float]]:
        """(held-out problem, Jaccard similarity) of those near to a training problem with tokens `found`."""
        shingles = self._shingles(found)
        threshold = self._settings.threshold
        # Every shared shingle is a known one, so |shared| >= t |union| implies |known| >= t |shingles|. Most
        # training problems fail this and need no sketch.
        if not shingles or len(shingles & self._known) < threshold * len(shingles):
            return
        for number in sorted(self._index.query(self._sketch(shingles))):
            shared = len(shingles & self._sets[number])
            similarity = shared / (len(shingles) + len(self._sets[number]) - shared)
            if similarity >= threshold:
                yield number, similarity

    def _shingles(self, found: list[str]) -> set[str]:
        """Runs of `shingle` tokens; a shorter text is one shingle."""
        size = self._settings.shingle
        if not found:
            return set()
        return {" ".join(found[at : at + size]) for at in range(max(1, len(found) - size + 1))}

    def _sketch(self, shingles: set[str]) -> Any:
        """The datasketch.MinHash of a set of shingles."""
        sketch = self._empty.copy()
        sketch.update_batch([shingle.encode() for shingle in shingles])
        return sketch


def detection(similarity: float, bands: int, band_size: int) -> float:
    """The probability that the MinHash index proposes a pair of this Jaccard similarity."""
    return 1 - (1 - similarity**band_size) ** bands
