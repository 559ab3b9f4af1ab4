"""Rows of ids for batches, from sentences that lie one after the other."""

from __future__ import annotations

import numpy as np

from mt.data.tokenizer import PAD


def lengths(index: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Of the sentences of these numbers."""
    return index[numbers + 1] - index[numbers]


def concatenated(ids: np.ndarray, index: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ids of some sentences one after the other, and their lengths."""
    starts = index[indices]
    lengths = index[indices + 1] - starts
    places = np.arange(lengths.sum()) + np.repeat(starts - (lengths.cumsum() - lengths), lengths)
    return ids[places].astype(np.int64), lengths


def sampled(
    found: list[list[int]], best: tuple[np.ndarray, np.ndarray], max_pieces: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ids of sampled sentences and their lengths; one of more than `max_pieces` is taken from the `best`."""
    flat, of_best = best
    ends = of_best.cumsum()
    chosen = [
        np.asarray(ids, dtype=np.int64) if len(ids) <= max_pieces else flat[end - length : end]
        for ids, length, end in zip(found, of_best, ends, strict=True)
    ]
    return np.concatenate(chosen), np.asarray([len(ids) for ids in chosen], dtype=np.int64)


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
