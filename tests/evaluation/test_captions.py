"""Scores of captions: CIDEr-D as the public scorer has it, references and truth of drawn scenes."""

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from mt.data.held_out import HeldOut
from mt.data.scenes.scene import Scene
from mt.data.scenes.source import Scenes
from mt.evaluation.captions import Truth, caption_scores, truth_of, truths_of
from mt.evaluation.cider import cider_d, words_of_caption
from mt.evaluation.tokenization import Tokenization

NUMBERS = Path(__file__).with_name("cider_numbers.json")  # what pycocoevalcap's CiderScorer gives, times 100
HOW = Tokenization(tokenize="13a", ter="tercom")


def random_captions(seed):
    """(hypotheses, references) of a few pictures, in words."""
    random = Random(seed)
    words = [f"w{number}" for number in range(random.choice((4, 8, 20)))]

    def caption(base=None):
        if base and random.random() < 0.6:
            return [word if random.random() < 0.8 else random.choice(words) for word in base]
        return [random.choice(words) for _ in range(random.randint(1, 9))]

    references = []
    for _ in range(random.randint(2, 12)):
        first = caption()
        references.append([first, *(caption(first) for _ in range(random.randint(0, 4)))])
    return [caption(of_picture[0]) for of_picture in references], references


def test_cider_d_is_that_of_the_public_scorer():
    stored = json.loads(NUMBERS.read_text("utf-8"))
    assert len(stored) == 100
    for seed, expected in enumerate(stored):
        assert cider_d(*random_captions(seed)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_words_of_a_caption_have_neither_case_nor_punctuation():
    assert words_of_caption("A red star, and the cat's Straße.") == [
        "a",
        "red",
        "star",
        "and",
        "the",
        "cat's",
        "strasse",
    ]


@pytest.mark.parametrize("references", [[], [[["a"]], []]])
def test_pictures_without_references_are_refused(references):
    with pytest.raises(ValueError, match="each with references"):
        cider_d([["a"]] * len(references), references)


def test_references_are_full_descriptions_and_truth_is_all_that_is_true():
    pair = next(pair for pair in Scenes("test", target="en", said="full") if pair.image.count("|") == 3)
    truth = truth_of(pair.image, pair.target, "en")
    assert len(truth.references) == 5 and truth.references[0] == pair.target
    assert set(truth.references) < truth.true
    assert truth_of("photo.png", "a cat", "en") == Truth(["a cat"], None)
    assert truth_of(pair.image, "un chat", "fr") == Truth(["un chat"], None)


def test_right_captions_are_all_true_and_others_are_not():
    pairs = list(islice(Scenes("test", target="de", said="full"), 30))
    held_out = HeldOut("test", ["<2de>"] * 30, [p.target for p in pairs], images=[p.image for p in pairs])
    known = truths_of(held_out, "en")
    best = caption_scores(held_out.targets, known, HOW)
    assert best["true_captions"] == 100 and best["caption_bleu"] == 100
    shifted = caption_scores(held_out.targets[1:] + held_out.targets[:1], known, HOW)
    assert shifted["true_captions"] < 10 and shifted["cider_d"] < best["cider_d"] / 2
    assert truths_of(HeldOut("test", ["a sentence"], ["ein Satz"], images=[pairs[0].image]), "de") is None
    assert all(Scene.of(pair.image).text == pair.image for pair in pairs)
