"""Rows of ids for batches, from sentences that lie one after the other."""

from __future__ import annotations

import numpy as np

from mt.data.store import Store
from mt.data.tokenizer import PAD


def lengths(index: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Of the sentences of these numbers."""
    return index[numbers + 1] - index[numbers]


def together(store: Store, numbers: np.ndarray) -> np.ndarray | None:
    """Equal numbers for those of some pairs that share a batch, and others for each one by itself; None: all are."""
    known = getattr(store, "together", None)
    if known is None:
        return None
    own = known[numbers]
    return np.where(own < 0, -1 - np.arange(len(own)), own)


def padded(flat: np.ndarray, lengths: np.ndarray, *, first: int | None = None, last: int | None = None) -> np.ndarray:
    """Rows of ids, right-padded, each with one more id at its start (`first`) or at its end (`last`)."""
    rows = np.full((len(lengths), int(lengths.max()) + 1), PAD, dtype=np.int64)
    is_real = np.arange(rows.shape[1]) < lengths[:, None]
    if first is not None:
        rows[:, 0] = first
        rows[:, 1:][is_real[:, :-1]] = flat
    if last is not None:
        rows[is_real] = flat
        rows[np.arange(len(lengths)), lengths] = last
    return rows
