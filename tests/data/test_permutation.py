"""A random order that is computed, not kept."""

import numpy as np
import pytest

from mt.data.permutation import permuted


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 4097])
def test_it_is_an_order_of_all(size):
    order = permuted(np.arange(size), size, [1, 2])
    assert sorted(order.tolist()) == list(range(size))


def test_any_part_can_be_had_alone_and_keys_differ():
    whole = permuted(np.arange(1000), 1000, [7])
    assert np.array_equal(permuted(np.array([5, 999, 0]), 1000, [7]), whole[[5, 999, 0]])
    assert (permuted(np.arange(1000), 1000, [8]) == whole).mean() < 0.02


@pytest.mark.slow  # a second: many permutations
def test_it_looks_random():
    # over many keys every thing comes to the first places as often
    counts = np.zeros(20)
    for key in range(2000):
        counts[permuted(np.arange(3), 20, [key])] += 1
    expected = 2000 * 3 / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-square, 19 degrees: exceeded once in 1,000
    order = permuted(np.arange(100_000), 100_000, [3])
    assert abs(np.corrcoef(order, np.arange(100_000))[0, 1]) < 0.01
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.01
