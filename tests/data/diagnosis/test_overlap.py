"""Each held-out line counts once, as the nearest that a training pair came to it."""

import pytest

from mt.data.diagnosis.overlap import Overlap
from mt.data.diagnosis.section import Level
from mt.data.pair import Pair

VALID = [
    Pair("A cat.", "Eine Katze."),
    Pair("A dog.", "Ein Hund."),
    Pair("A cow.", "Eine Kuh."),
    Pair("A hen.", "Ein Huhn."),
]
TRAIN = [
    Pair("A cat.", "Die Katze."),  # the source
    Pair("A cat.", "Eine Katze."),  # and then the pair
    Pair("a  DOG.", "ein hund."),  # the pair, except for case and blanks
    Pair("A cow.", "Ein Rind."),  # the source
    Pair("One hen.", "Ein Huhn."),  # the target
    Pair("A goose.", "Eine Gans."),
]


def overlap(held_out, train=TRAIN):
    watching = Overlap(held_out)
    for pair in train:
        watching.see(pair)
    return watching


def test_lines_count_as_their_nearest():
    section = overlap({"valid": VALID}).section("pair", [])
    assert section.numbers["valid"] == {
        "lines": 4,
        "the same pair": 1,
        "except for case and blanks": 1,
        "only the same source": 1,
        "only the same target": 1,
    }


@pytest.mark.parametrize(
    "rule, levels",
    [
        ("none", [Level.IMPROVE, Level.IMPROVE]),
        ("pair", [Level.NOTE, Level.IMPROVE]),
        ("source", [Level.NOTE]),
        ("either", [Level.NOTE]),
    ],
)
def test_what_cleaning_drops_is_no_fault(rule, levels):
    assert [finding.level for finding in overlap({"valid": VALID}).section(rule, []).findings] == levels


def test_test_lines_that_choose_the_checkpoint_are_reported():
    (finding,) = overlap({"valid": VALID, "test": VALID[:2]}, train=[]).section("pair", VALID).findings
    assert "100 % of the sources of test are in valid" in finding.what


def test_nothing_in_common_is_nothing_to_say():
    assert overlap({"valid": VALID}, train=[Pair("A goose.", "Eine Gans.")]).section("none", []).findings == []


def test_equal_captions_of_two_pictures_are_not_the_same_pair():
    captions = [Pair("", "a star", image=f"{name}.png") for name in "abc"]
    found = overlap({"valid": captions[:2]}, captions[1:])
    counts = found.counts("valid")
    assert list(counts.values()) == [1, 0, 0, 1]  # b.png is in train; a.png shares its caption alone
