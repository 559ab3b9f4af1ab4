"""Minimum Bayes risk: expected utilities are sacrebleu's, and the text that is most like the others wins."""

import random

import pytest
from sacrebleu.metrics import BLEU, CHRF

from mt.inference.translator import Translator
from mt.search.hypothesis import Hypothesis
from mt.search.mbr import MinimumBayesRisk
from mt.search.utilities import UTILITIES
from mt.similarity import SIMILARITIES

SCORERS = {"chrf": CHRF(), "bleu": BLEU(effective_order=True)}
WORDS = "Der Hund läuft, durch den grünen Park. Zwei 3,5 % rot-blau (sehr) 犬が 走る a b".split()


@pytest.mark.parametrize("utility", UTILITIES)
def test_expected_utility_is_the_mean_of_sacrebleu_over_all_pairs(utility):
    draw = random.Random(1)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 12))) for _ in range(20)]
    texts += [*texts[:5], "", "x"]
    scorer = SCORERS[utility]
    expected = [sum(scorer.sentence_score(text, [other]).score for other in texts) / len(texts) for text in texts]
    assert SIMILARITIES[utility].expected(texts) == pytest.approx(expected)
    of_one = [scorer.sentence_score(text, [texts[0]]).score for text in texts]
    assert SIMILARITIES[utility].to(texts[0], texts) == pytest.approx(of_one)


def test_every_utility_has_its_function():
    assert set(UTILITIES) == SIMILARITIES.keys()
    with pytest.raises(ValueError, match=r"utility \(comet\) must be one of chrf, bleu"):
        MinimumBayesRisk(utility="comet")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 1}, r"samples \(1\) must be at least 2"),
        ({"samples": 4, "n_best": 5}, r"n_best \(5\) must be at most samples \(4\)"),
        ({"epsilon": 1.5}, r"epsilon \(1.5\) must be from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MinimumBayesRisk(**settings)


def test_the_text_most_like_the_others_comes_first_and_each_text_once():
    texts = ["a red dog runs", "a red dog ran", "a red dog runs", "forty blue ships"]
    drawn = [Hypothesis((place,), -place, 0.0, True) for place in range(len(texts))]
    best = MinimumBayesRisk(n_best=4).ranked(drawn, texts, SIMILARITIES["chrf"].expected)
    assert [texts[one.ids[0]] for one in best] == ["a red dog runs", "a red dog ran", "forty blue ships"]
    assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)
    assert best[0].log_prob == 0  # the likelier of two with the same text


def test_a_line_is_translated_alike_in_any_batch(trained_run):
    translator = Translator.load(trained_run, device="cpu")
    lines = ["drei vier fünf", "eins", "zwei drei vier eins acht neun", "sieben"]
    search = MinimumBayesRisk(samples=8, n_best=2)
    together = list(translator.translate(lines, search=search, seed=3))
    for number, line in enumerate(lines):
        [alone] = translator.translate([line], search=search, seed=3, first_line=number)
        assert [one.text for one in alone.candidates] == [one.text for one in together[number].candidates]
    scores = [one.score for one in together[0].candidates]
    assert 100 >= scores[0] >= scores[-1] >= 0
