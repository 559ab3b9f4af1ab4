"""Words that are hidden: which ones, by the pair's key alone, and what stays."""

import pytest

from mt.data.masking import MASK, Masked, Masking
from mt.data.pair import Pair
from mt.data.scenes.source import Scenes

PAIR = Pair("<2de> a red star, two blue fish", "ein roter Stern, zwei blaue Fische", links="1-0", image="a.png")


@pytest.mark.parametrize(
    ("masking", "expected"),
    [
        (Masking(colours=1.0), "<2de> a <mask> star, two <mask> fish"),
        (Masking(nouns=1.0), "<2de> a red <mask>, two blue <mask>"),
        (Masking(all=1.0), "<2de> <mask> <mask> <mask>, <mask> <mask> <mask>"),
        (Masking(), PAIR.source),
    ],
    ids=["colours", "nouns", "all", "nothing"],
)
def test_words_of_a_kind_are_hidden_and_all_else_stays(masking, expected):
    assert masking(PAIR, 7, {"<2de>"}) == PAIR._replace(source=expected)


def test_punctuation_that_stands_alone_stays():
    assert Masking(all=1.0)(Pair("a fish , two ... !", "x"), 7).source == "<mask> <mask> , <mask> ... !"


def test_german_colours_with_endings_and_nouns_in_any_form_are_hidden():
    pair = Pair("eine rote Blume neben zwei weißen Fledermäusen und einem grünen Baum", "x")
    hidden = Masking(colours=1.0, nouns=1.0)(pair, 1).source.split()
    assert [place for place, word in enumerate(hidden) if word == MASK] == [1, 2, 5, 6, 9, 10]


def test_the_key_decides_and_the_share_is_the_probability():
    masking = Masking(all=0.3)
    long = Pair(" ".join(["word"] * 2000), "x")
    assert masking(long, 1) == masking(long, 1) != masking(long, 2)
    assert masking(long, 1).source.split().count(MASK) == pytest.approx(600, abs=60)


def test_a_corpus_with_hidden_words_is_the_same_each_time():
    scenes = Scenes("test", 20, source="en", target="de")
    masked = Masked(scenes, Masking(colours=0.5))
    sources = [pair.source for pair in masked]
    assert sources == [pair.source for pair in masked] and any(MASK in source for source in sources)
    assert [pair.target for pair in masked] == [pair.target for pair in scenes]
    assert masked.fingerprint() != Masked(scenes, Masking(colours=0.6)).fingerprint()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masking(colours=1.5), r"masking.colours \(1.5\) must be from 0 to 1"),
        (lambda: Masking(nouns=0.5).check([], ["a"]), r"masking needs the symbol <mask>"),
        (lambda: Masking(sources=["b"]).check([MASK], ["a"]), "there is no source b, only a"),
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
