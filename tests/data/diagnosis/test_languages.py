"""Each side is held against its language code; pairs that are swapped are found without knowing the language."""

import random

import pytest

from mt.data.bundled.source import Bundled
from mt.data.diagnosis.languages import SideLanguage, View, languages_section
from mt.data.diagnosis.section import Level
from mt.data.diagnosis.side_model import SideModel
from mt.data.pair import Pair

PAIRS = [Pair(*pair[:2]) for pair in Bundled(split="train", size=800, seed=2)]
SWAPPED = [Pair(pair.target, pair.source) for pair in PAIRS]
RUSSIAN = [
    Pair(
        pair.source, "".join(chr(ord("а") + ord(letter) % 32) if letter.isalpha() else letter for letter in pair.target)
    )
    for pair in PAIRS
]


def found(pairs, codes, name="train"):
    section = languages_section([View(name, pairs, codes)])
    return [(finding.level, finding.line()) for finding in section.findings]


def test_right_codes_are_no_finding():
    assert found(PAIRS, ("en", "de")) == []
    assert found(PAIRS, ("en-GB", "de_AT")) == []


@pytest.mark.parametrize(
    "pairs, codes, level, words",
    [
        (SWAPPED, ("en", "de"), Level.STOP, "the sides of train are swapped"),
        (PAIRS, ("ru", "de"), Level.STOP, "written in Latin letters, unlike ru (it looks like en)"),
        (PAIRS, ("fr", "de"), Level.IMPROVE, "the source side of train looks like en rather than fr"),
        ([Pair(pair.source, pair.source) for pair in PAIRS], ("en", "de"), Level.STOP, "target side of train is in en"),
        ([Pair(pair.target, pair.source) for pair in RUSSIAN], ("en", "ru"), Level.STOP, "sides of train are swapped"),
    ],
    ids=["swapped", "other-letters", "other-language", "same-language", "swapped-letters"],
)
def test_wrong_sides_are_found(pairs, codes, level, words):
    assert any(one == level and words in line for one, line in found(pairs, codes))


def test_an_unknown_language_is_left_alone():
    assert found(PAIRS, ("qaa", "qab")) == []


def test_views_with_the_same_fault_share_a_finding():
    views = [View(name, SWAPPED, ("en", "de")) for name in ("train", "valid", "test")]
    stops = [finding for finding in languages_section(views).findings if finding.level == Level.STOP]
    assert len(stops) == 1
    assert "the sides of train, valid, test are swapped" in stops[0].what


@pytest.mark.parametrize("codes", [("en", "de"), ("qaa", "qab")])
@pytest.mark.parametrize("share, level", [(0.02, Level.IMPROVE), (0.25, Level.STOP)])
def test_some_swapped_pairs_are_found_whatever_the_language(codes, share, level):
    rng = random.Random(3)
    mixed = [other if rng.random() < share else pair for pair, other in zip(PAIRS, SWAPPED, strict=True)]
    ((found_level, line),) = found(mixed, codes)
    assert found_level == level
    assert "of the pairs of train look swapped" in line


def test_the_side_model_learns_both_sides_from_the_corpus():
    model = SideModel(PAIRS)
    assert sum(model.odds(pair.source) > 0 > model.odds(pair.target) for pair in PAIRS) > 0.99 * len(PAIRS)


def test_a_side_without_letters_is_no_language():
    side = SideLanguage.of(["1 2 3", "4 - 5"], "en")
    assert (side.script, side.looks_like, side.has_wrong_letters) == (None, None, False)
