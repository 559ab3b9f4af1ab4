"""Links counted in parts are those counted one by one."""

from collections import Counter

import numpy as np
import pytest

from mt.alignment import link_counts
from mt.alignment.link_counts import LinkCounts

V, OTHERS = 7, 11


@pytest.mark.parametrize("merged_at", [1, 40, 10_000])
def test_the_best_of_each_piece_come_first_with_their_shares_of_all_its_links(monkeypatch, merged_at):
    monkeypatch.setattr(link_counts, "MERGED_AT", merged_at)
    rng, counts, counted = np.random.default_rng(1), LinkCounts(V, OTHERS), Counter()
    for size in (0, 30, 1, 60):
        pieces, others, weights = rng.integers(0, V - 1, size), rng.integers(0, OTHERS, size), rng.random(size)
        counts.add(pieces, others, weights)
        for piece, other, weight in zip(pieces, others, weights, strict=True):
            counted[int(piece), int(other)] += weight
    starts, found, shares = counts.best(3)
    for piece in range(V):
        own = {other: count for (of, other), count in counted.items() if of == piece}
        expected = sorted(own, key=own.get, reverse=True)[:3]
        part = slice(starts[piece], starts[piece + 1])
        assert found[part].tolist() == expected
        np.testing.assert_allclose(shares[part], [own[other] / sum(own.values()) for other in expected])


def test_without_counts_each_link_is_one_and_of_equals_the_lower_piece_comes_first():
    counts = LinkCounts(2, OTHERS)
    counts.add([0, 0, 0], [5, 2, 9])
    counts.add([], [])
    counts.add([0], [9])
    starts, found, shares = counts.best(9)
    assert (starts.tolist(), found.tolist(), shares.tolist()) == ([0, 3, 3], [9, 2, 5], [0.5, 0.25, 0.25])


def test_no_link_at_all_is_an_empty_list():
    starts, found, shares = LinkCounts(2, OTHERS).best(9)
    assert starts.tolist() == [0, 0, 0] and not len(found) and not len(shares)
