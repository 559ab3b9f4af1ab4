"""A test set under noise: every kind has its row, and a copied word is expected in the translation."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from mt.data.held_out import HeldOut
from mt.data.images.store import SOUNDS, Pictures
from mt.data.noise.kinds import KINDS
from mt.evaluation.robustness import PLAIN, robustness, robustness_table, with_noise
from mt.evaluation.tokenization import Tokenization
from mt.inference.request import held_out_requests

SOURCES = ["Ein Mann steht dort .", "Zwei blaue Hunde laufen ."] * 3
TEST = HeldOut("test", SOURCES, ["a man stands there .", "x y z q ."] * 3)


class Seen(NamedTuple):
    """A picture or a sound as its reader gives it."""

    values: np.ndarray
    digest: bytes


def as_they_are(test):
    """A translator that copies what the source has at its ends, and knows the rest only without noise."""
    known = dict(zip(TEST.sources, TEST.targets, strict=True))
    return [known.get(source, source) for source in test.sources]


def test_every_kind_is_scored_and_compared_with_plain_text():
    found = robustness(TEST, as_they_are, Tokenization(tokenize="13a", ter="tercom"))
    assert list(found) == [PLAIN, *KINDS]
    assert found[PLAIN].bleu > 99.9 and found["capitals"].bleu < 5
    text = robustness_table({"test": {name: one.to_dict() for name, one in found.items()}})
    assert "test, plain (+0.0 BLEU)" in text and f"test, capitals ({found['capitals'].bleu - 100:+.1f} BLEU)" in text


@pytest.mark.parametrize("kind", KINDS)
def test_under_noise_a_model_that_sees_and_hears_gets_the_same_pictures_and_sounds(kind):
    pictures, waves = Pictures(), Pictures(kind=SOUNDS)
    for number in range(len(TEST)):
        pictures.add(Seen(np.full((8, 8, 3), number, np.uint8), bytes([number])))
        waves.add(Seen(np.full(9, number, np.int16), bytes([number])))
    names = [f"{number}" for number in range(len(TEST))]
    test = replace(TEST, images=names, boxes=["0:1,1,2,2"] * 6, pictures=pictures, sounds=names, waves=waves)
    for number, (one, other) in enumerate(
        zip(held_out_requests(test), held_out_requests(with_noise(test, kind)), strict=True)
    ):
        assert one.picture is not None and (other.picture == one.picture).all() and (other.picture == number).all()
        assert one.sound is not None and (other.sound == one.sound).all()


def test_a_test_with_possible_links_is_scored_too():
    linked = replace(TEST, links=["0-0 1?1"] * 6)
    assert list(robustness(linked, as_they_are, Tokenization())) == [PLAIN, *KINDS]


def test_the_same_noise_is_drawn_every_time_and_copies_are_in_the_references():
    once, again = (with_noise(TEST, "copied") for _ in range(2))
    assert once == again and once.sources != TEST.sources
    for source, target, plain in zip(once.sources, once.targets, TEST.targets, strict=True):
        [word] = set(target.split()) - set(plain.split())
        assert word in source.split()
    assert len(set(once.sources)) == len(once)  # another word for every line
