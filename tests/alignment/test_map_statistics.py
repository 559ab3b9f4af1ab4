"""Statistics of maps that are known."""

import numpy as np
import pytest

from mt.alignment.alignment import RawAttention
from mt.alignment.map_statistics import NAMES, change, map_statistics

SOURCE, TARGET = ["▁a", "▁b", "▁c", "</s>"], ["▁x", "▁y", "</s>"]


def raw(*layers):
    """Layers of two heads with the same rows."""
    weights_LTS = np.array(layers, dtype=float)
    return RawAttention(np.repeat(weights_LTS[:, None], 2, axis=1), SOURCE, TARGET)


FLAT = [[0.25] * 4] * 3
SHARP = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
SUNK = [[0, 0, 0, 1.0]] * 3


def test_flat_sharp_and_sunken_layers_are_reported_apart():
    found = map_statistics([raw(FLAT, SHARP, SUNK)])
    assert tuple(found) == NAMES
    np.testing.assert_allclose(found["entropy"], [np.log(4), 0, 0], atol=1e-12)
    np.testing.assert_allclose(found["sink_mass"], [0.25, 0, 1])
    # flat: each of three pieces has 2 * 0.25; sharp: one piece has 2, which counts as 1; the row of </s> does not count
    np.testing.assert_allclose(found["coverage"], [0.5, 1 / 3, 0])


def test_sentences_count_alike_and_padding_does_not():
    padded = np.zeros((1, 2, 5, 7))
    padded[:, :, :3, :4] = SHARP
    both = map_statistics([RawAttention(padded, SOURCE, TARGET), raw(SUNK)])
    np.testing.assert_allclose(both["sink_mass"], [0.5])
    np.testing.assert_allclose(both["entropy"], [0.0], atol=1e-12)


def test_sentences_without_a_piece_are_left_out():
    empty = RawAttention(np.ones((1, 2, 1, 1)), ["</s>"], ["</s>"])
    np.testing.assert_allclose(map_statistics([empty, raw(FLAT)])["sink_mass"], [0.25])
    with pytest.raises(ValueError, match=r"sentences with pieces on both sides \(0\)"):
        map_statistics([empty])


def test_change_is_the_mass_that_moved():
    sharp, sunk = raw(SHARP, SHARP).weights_LHTS, raw(SUNK, SHARP).weights_LHTS
    np.testing.assert_allclose(change([sharp], [sharp]), [0, 0])
    # the two rows of SHARP that look at the first piece turn to the last
    np.testing.assert_allclose(change([sharp], [sunk]), [2 / 3, 0])
