"""A test set under noise: every kind has its row, and a copied word is expected in the translation."""

from mt.data.held_out import HeldOut
from mt.data.noise.kinds import KINDS
from mt.evaluation.robustness import PLAIN, robustness, robustness_table, with_noise
from mt.evaluation.tokenization import Tokenization

SOURCES = ["Ein Mann steht dort .", "Zwei blaue Hunde laufen ."] * 3
TEST = HeldOut("test", SOURCES, ["a man stands there .", "x y z q ."] * 3)


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


def test_the_same_noise_is_drawn_every_time_and_copies_are_in_the_references():
    once, again = (with_noise(TEST, "copied") for _ in range(2))
    assert once == again and once.sources != TEST.sources
    for source, target, plain in zip(once.sources, once.targets, TEST.targets, strict=True):
        [word] = set(target.split()) - set(plain.split())
        assert word in source.split()
    assert len(set(once.sources)) == len(once)  # another word for every line
