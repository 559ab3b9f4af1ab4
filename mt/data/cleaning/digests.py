"""Counting texts by their digests: memory grows with the number of texts, not with their length."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

LEAST_SLOTS = 1 << 16
FULLEST = 0.6  # largest share of slots in use; above it, the search for a free one gets slow
SLICE = 1 << 20  # slots moved at a time when the table grows


def digests_of(texts: Iterable[str]) -> np.ndarray:
    """64 bits of each text, none of them 0.

    Some two of n texts share one with probability of about n^2 / 2^65: 1/4,000 for a hundred million texts.
    """
    found = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
    return np.maximum(np.frombuffer(found, dtype="<u8"), 1).astype(np.uint64, copy=False)


class DigestCounts:
    """How often each digest was added: a hash table in two arrays, 9 to 30 bytes a digest, for whole arrays at once.

    A count may not exceed `most`.
    """

    def __init__(self, most: int) -> None:
        self._digests = np.zeros(LEAST_SLOTS, dtype=np.uint64)  # 0: free
        self._counts = np.zeros(LEAST_SLOTS, dtype=np.min_scalar_type(most))
        self._num_digests = 0

    def counts(self, digests: np.ndarray) -> np.ndarray:
        """How often each of an array of digests was added before."""
        slots = self._slots(digests)
        return np.where(self._digests[slots] == digests, self._counts[slots], 0)

    def add(self, digests: np.ndarray) -> None:
        """Counts every digest of an array; one that occurs twice, twice."""
        distinct, times = np.unique(digests, return_counts=True)
        while self._num_digests + len(distinct) > FULLEST * len(self._digests):
            self._grow()
        slots = self._claimed(distinct)
        self._counts[slots] += times.astype(self._counts.dtype)

    def _slots(self, digests: np.ndarray) -> np.ndarray:
        """The slot of each digest, or the free one that ends the search for it."""
        mask = np.uint64(len(self._digests) - 1)
        slots = digests & mask
        looking = np.arange(len(digests))
        while len(looking):
            found = self._digests[slots[looking]]
            looking = looking[(found != digests[looking]) & (found != 0)]
            slots[looking] = (slots[looking] + np.uint64(1)) & mask
        return slots

    def _claimed(self, distinct: np.ndarray) -> np.ndarray:
        """The slot of each of some distinct digests; new ones take a free slot."""
        slots = self._slots(distinct)
        while True:
            homeless = np.flatnonzero(self._digests[slots] != distinct)
            if not len(homeless):
                return slots
            candidates = slots[homeless]
            is_new = self._digests[candidates] == 0
            # of several with the same free slot, the last one gets it
            self._digests[candidates[is_new]] = distinct[homeless[is_new]]
            self._num_digests += len(np.unique(candidates[is_new]))
            slots[homeless] = self._slots(distinct[homeless])

    def _grow(self) -> None:
        old_digests, old_counts = self._digests, self._counts
        self._digests = np.zeros(2 * len(old_digests), dtype=np.uint64)
        self._counts = np.zeros(2 * len(old_digests), dtype=old_counts.dtype)
        self._num_digests = 0
        for start in range(0, len(old_digests), SLICE):
            some = slice(start, start + SLICE)
            is_used = old_digests[some] != 0
            self._counts[self._claimed(old_digests[some][is_used])] = old_counts[some][is_used]
