"""Scores with another picture: it is another one, whatever stands in the next line."""

import numpy as np
import pytest

from mt.evaluation.beside import others_of


def pictures(text):
    """An array for each letter; equal letters are equal pictures, a dash is none."""
    return [None if letter == "-" else np.array([ord(letter)], np.uint8) for letter in text]


@pytest.mark.parametrize(
    ("lines", "step", "others"),
    [
        ("abc", 1, "bca"),
        ("aaabbc", 1, "bbbcca"),  # several captions of a picture
        ("a-b-", 1, "b-a-"),
        ("abcd", 2, "cdab"),  # of sentences that come twice, not the one of the twin
        ("ab", 2, "ba"),
    ],
)
def test_every_line_gets_a_picture_that_is_not_its_own(lines, step, others):
    found = others_of(pictures(lines), step, "images.txt")
    assert "".join("-" if one is None else chr(one[0]) for one in found) == others


@pytest.mark.parametrize("lines", ["a", "aa", "a-"])
def test_where_there_is_no_other_one_it_is_said(lines):
    with pytest.raises(ValueError, match=r"images.txt: --with-another needs at least two different ones"):
        others_of(pictures(lines), 1, "images.txt")
