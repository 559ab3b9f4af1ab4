"""A random order of n things of which any part can be computed without the rest: a small cipher on 0 … n - 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDS = 8


def permuted(positions: np.ndarray, size: int, key: Sequence[int]) -> np.ndarray:
    """The images of `positions` (0 … size - 1) in the random permutation of 0 … size - 1 that `key` selects.

    A Feistel network over the next even number of bits, repeated until the result is below `size` (Black and Rogaway
    2002).
    """
    half_bits = np.uint64(max(1, (max(size - 1, 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(half_bits)) - 1)
    round_keys = np.random.SeedSequence(key).generate_state(ROUNDS, dtype=np.uint64)
    result = np.asarray(positions, dtype=np.uint64).copy()
    walking = np.arange(len(result))
    while len(walking):
        left, right = result[walking] >> half_bits, result[walking] & mask
        for round_key in round_keys:
            left, right = right, left ^ (mix(right ^ round_key) & mask)
        result[walking] = left << half_bits | right
        walking = walking[result[walking] >= size]
    return result.astype(np.int64)


def mix(values: np.ndarray) -> np.ndarray:
    """64 bits into 64 well-mixed bits: splitmix64's last steps (Steele et al. 2014)."""
    values = np.asarray(values, dtype=np.uint64)
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
