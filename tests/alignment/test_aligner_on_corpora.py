"""The statistical aligner on text whose links people drew, and on the bundled corpus: as good as the documents say."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from mt.alignment.statistical_aligner import StatisticalAligner
from mt.words import split_words

ROOT = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("MT_CORPORA", ROOT.parent / "shared" / "corpora"))
spec = importlib.util.spec_from_file_location("aligners", ROOT / "scripts" / "aligners.py")
aligners = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = aligners  # dataclasses look for their module there
spec.loader.exec_module(aligners)


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
    aligner = StatisticalAligner(map(split_words, row.sources), map(split_words, row.targets)).fit(samples=4)
    rate = aligners.rate_of(list(aligner.links()), row.gold)
    assert rate.aer < eflomal - 0.02
    assert aligner.certainty.is_noise == (name == "ja-en")  # which has 291 sentences
