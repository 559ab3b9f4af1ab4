"""How often pieces are linked in a corpus, for lexicons and shortlists."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# L links, K distinct links (pairs of pieces), V vocabulary

MERGED_AT = 1 << 22  # links that are buffered before equal ones are summed


class LinkCounts:
    """Counts links from each of `size` pieces to those of the other side's `other_size`."""

    def __init__(self, size: int, other_size: int):
        self._size, self._other_size = size, other_size
        self._keys_K: np.ndarray = np.zeros(0, dtype=np.int64)
        self._counts_K: np.ndarray = np.zeros(0)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._num_waiting = 0

    def add(self, pieces_L: ArrayLike, others_L: ArrayLike, counts_L: np.ndarray | None = None) -> None:
        """Adds links from `pieces` to `others`, each `counts` times (None: once)."""
        pieces_L, others_L = (np.asarray(ids_L, dtype=np.int64) for ids_L in (pieces_L, others_L))
        keys_L = pieces_L * self._other_size + others_L
        self._waiting.append((keys_L, np.ones(len(keys_L)) if counts_L is None else counts_L))
        self._num_waiting += len(keys_L)
        if self._num_waiting >= MERGED_AT:
            self._merge()

    def best(self, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, others, shares): piece v was linked to `others[starts[v] : starts[v + 1]]`, most often first.

        At most `most` of them for each piece; `shares` are of all links of the piece.
        """
        self._merge()
        pieces_K, others_K = np.divmod(self._keys_K, self._other_size)
        order = np.lexsort((others_K, -self._counts_K, pieces_K))
        pieces_K, others_K, counts_K = pieces_K[order], others_K[order], self._counts_K[order]
        starts = np.searchsorted(pieces_K, np.arange(self._size + 1))
        is_best = np.arange(len(pieces_K)) - starts[pieces_K] < most
        totals_V = np.bincount(pieces_K, counts_K, minlength=self._size)
        shares_K = counts_K / totals_V[pieces_K]
        return np.searchsorted(pieces_K[is_best], np.arange(self._size + 1)), others_K[is_best], shares_K[is_best]

    def _merge(self) -> None:
        keys, counts = zip((self._keys_K, self._counts_K), *self._waiting, strict=True)
        self._keys_K, kinds = np.unique(np.concatenate(keys), return_inverse=True)
        self._counts_K = np.bincount(kinds, np.concatenate(counts), minlength=len(self._keys_K))
        self._waiting, self._num_waiting = [], 0
