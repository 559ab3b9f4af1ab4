"""The statistical aligner on text whose links people drew, and on the bundled corpus: as good as the documents say."""

import random

import pytest

from mt.alignment.statistical_aligner import StatisticalAligner
from mt.words import split_words
from tests.alignment.aligners_script import aligners
from tests.corpora import CORPORA


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("name", "eflomal"),  # its AER with the same text, by grow-diag
    [("ja-en", 0.65), ("Hansards, 1,000", 0.137), ("bundled, 200", 0.25), ("bundled, 2,000", 0.144)],
)
def test_links_are_better_than_those_of_eflomal(name, eflomal):
    try:
        row = aligners.ROWS[name](CORPORA)
    except FileNotFoundError:
        pytest.skip(f"needs a corpus that is not in {CORPORA}; MT_CORPORA names another folder")
    aligner = StatisticalAligner(map(split_words, row.sources), map(split_words, row.targets)).fit()
    rate = aligners.rate_of(list(aligner.links()), row.gold)
    assert rate.aer < eflomal - 0.02
    assert aligner.certainty.is_noise == (name == "ja-en")  # which has 291 sentences
    certainty = aligner.certainty_of(len(row.gold), aligner.certainty.threshold)
    is_marked = aligners.has_possible(row.gold)
    assert is_marked == name.startswith("Hansards")
    expected = certainty.expected_aer_with_possible if is_marked else certainty.expected_aer
    assert abs(expected - rate.aer) < 0.05


@pytest.mark.parametrize(("shuffled", "is_noise"), [(1.0, True), (0.3, False)])
def test_links_are_said_to_be_noise_where_sentences_do_not_belong_together(shuffled, is_noise):
    row = aligners.ROWS["bundled, 200"](CORPORA)
    last = int(shuffled * len(row.targets))
    targets = [*random.Random(1).sample(row.targets[:last], last), *row.targets[last:]]
    aligner = StatisticalAligner(map(split_words, row.sources), map(split_words, targets)).fit()
    assert aligner.certainty.is_noise == is_noise
