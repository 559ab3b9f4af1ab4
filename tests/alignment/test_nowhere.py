"""Target words that no source word supports, by links that were learned."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save

from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.nowhere import BESIDE, FLAGGED, INTERCEPT, OWN, Nowhere, beside
from mt.checkpoint.manifest import add_file
from mt.checkpoint.steps import PRIORS, find_step
from mt.inference.job import Job
from mt.inference.options import Options
from mt.inference.records import Text, from_nowhere
from mt.inference.translation import Candidate, Translation
from mt.inference.window import Window

GERMAN, ENGLISH = "eins zwei drei vier fünf sechs Haus Hund rot", "one two three four five six house dog red"
SOURCE = "eins zwei drei vier fünf sechs".split()


@pytest.fixture(scope="module")
def nowhere():
    words = zip(GERMAN.casefold().split(), ENGLISH.split(), strict=True)
    return Nowhere(LexiconPriors(dict.fromkeys(words, 50.0)))


def test_words_that_the_source_has_are_supported_and_others_are_not(nowhere):
    support = nowhere.support(SOURCE, "One two three dog red four five six.".split())
    assert (np.delete(support, [3, 4]) > 0.5).all() and (support[[3, 4]] < 0.1).all()


def test_a_phrase_that_was_put_in_is_named(nowhere):
    chances = nowhere.chances(SOURCE, "one two three dog red house four five six".split())
    assert np.flatnonzero(chances >= FLAGGED).tolist() == [3, 4, 5]
    assert (nowhere.chances(SOURCE, "one two three four five six".split()) < FLAGGED).all()
    named = nowhere.named(SOURCE, "one two three dog red house four five six".split())
    assert [place for place, _ in named] == [3, 4, 5] and all(FLAGGED <= chance <= 1 for _, chance in named)


def test_no_word_is_named_where_words_are_not_known(nowhere):
    """Of an empty source, as of a picture, and of text without blanks."""
    assert nowhere.named([], ["dog"]) == nowhere.named("I like cats .".split(), ["我非常喜欢小猫咪。"]) == []


def test_the_chance_is_a_logistic_function_of_the_word_and_those_beside_it(nowhere):
    target = "one dog three".split()
    support = nowhere.support(SOURCE, target)
    around = [support[1], (support[0] + support[2]) / 2, support[1]]
    expected = [
        1 / (1 + np.exp(OWN * own + BESIDE * near - INTERCEPT)) for own, near in zip(support, around, strict=True)
    ]
    np.testing.assert_allclose(nowhere.chances(SOURCE, target), expected)
    assert beside(np.array([0.25])).tolist() == [0.25]


def test_a_side_without_words_supports_nothing_and_a_long_line_is_read(nowhere):
    assert nowhere.support([], ["dog"]).tolist() == [0.0] and nowhere.support(SOURCE, []).tolist() == []
    assert len(nowhere.support(["Hund"] * 250, ["dog"] * 210)) == 210


def test_a_record_names_them_by_their_place_in_the_line(nowhere):
    texts = [
        Text(Translation(source, (Candidate(text, -1.0, -1.0),)), [])
        for source, text in (("eins zwei", "one two"), (" ".join(SOURCE), "one two dog red three four five six"))
    ]
    found = from_nowhere(texts, 0, nowhere)
    assert [(word["position"], word["word"]) for word in found] == [(4, "dog"), (5, "red")]
    assert all(FLAGGED <= word["chance"] <= 1 for word in found)


def test_coverage_names_them_where_the_checkpoint_has_learned_links(trained_run, tmp_path):
    step = shutil.copytree(find_step(trained_run), tmp_path / "step_000001")

    def found():
        rows = Job([step], Options(device="cpu", json=True, coverage=True))(Window(0, ["eins zwei", " "])).text
        return [json.loads(row)["translations"][0].get("from_nowhere") for row in rows.splitlines()]

    assert found() == [None, None]
    known = LexiconPriors({("eins", "one"): 50.0, ("zwei", "two"): 50.0})
    add_file(step, PRIORS, save(known.arrays()))
    assert found() == [[], []]
