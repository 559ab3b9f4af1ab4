"""Target words are strongly, weakly or not aligned, by the share of their weight on what they are linked to."""

import numpy as np
import pytest

from mt.alignment.alignment import Alignment
from mt.alignment.strength import strengths
from mt.inference.part import Part, strengths_of


@pytest.mark.parametrize(
    ("row", "links", "expected"),
    [
        ([0.5, 0.3, 0.2], {(0, 0)}, "strong"),
        ([0.49, 0.31, 0.2], {(0, 0)}, "weak"),
        ([0.3, 0.3, 0.4], {(0, 0), (1, 0)}, "strong"),
        ([0.1, 0.2, 0.7], {(1, 0)}, "weak"),
        ([0.19, 0.21, 0.6], {(0, 0)}, "none"),
        ([0.0, 0.0, 1.0], set(), "none"),
        ([0.0, 0.0, 0.0], set(), "none"),
    ],
)
def test_strength_is_the_share_of_weight_on_linked_words(row, links, expected):
    assert strengths(np.array([row]), links) == [expected]


def part(weights, links, *, first_target):
    weights = np.array(weights)
    words = Alignment(
        source_pieces=["s"] * weights.shape[1],
        target_pieces=["t"] * weights.shape[0],
        weights_TS=weights,
        layer=0,
        heads=(0,),
        shift=1,
        sink_mass=0.0,
    )
    none_S = np.zeros(weights.shape[1])
    return Part(words, links, none_S, none_S.astype(bool), 0, first_target)


def test_words_of_several_parts_follow_one_another_and_words_without_a_part_are_not_aligned():
    parts = [part([[1.0, 0.0], [0.4, 0.6]], {(0, 0), (0, 1)}, first_target=0), part([[1.0]], {(0, 0)}, first_target=1)]
    assert strengths_of(parts, 2) == ["strong", "weak"]  # the second word is in both parts: that of the first counts
    assert strengths_of(parts[1:], 3) == ["none", "strong", "none"]
