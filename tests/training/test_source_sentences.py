"""Attention that asks where sentences end is told by the corpus's settings."""

import pytest

from mt.attention.dense import Dense
from mt.attention.hierarchical import Hierarchical
from mt.attention.sections import Sections
from mt.data.document import BEFORE, DocumentSettings
from mt.training.source_sentences import check_sentences, with_separator
from tests.training.runs import make_model


class OfPieces:
    """A tokenizer as far as it is asked."""

    size = 7

    def pieces(self, ids):
        return [["<pad>", "<unk>", "<s>", "</s>", "<fr>", BEFORE, "a"][id_] for id_ in ids]


def test_the_separator_is_the_piece_behind_each_sentence_of_context():
    two = DocumentSettings(context_before=2)
    assert with_separator({"tie": "all", "separator": None}, two, OfPieces()) == {"tie": "all", "separator": 5}
    assert with_separator({"separator": 6}, two, OfPieces()) == {"separator": 6}
    for settings in (DocumentSettings(), DocumentSettings(context_after=2)):
        assert with_separator({"separator": None}, settings, OfPieces()) == {"separator": None}


@pytest.mark.parametrize(
    "slots, is_told",
    [({"cross_attention": Hierarchical}, True), ({"encoder": Sections}, True), ({"encoder": Dense}, False)],
    ids=["cross-attention", "encoder", "nobody asks"],
)
def test_attention_that_sees_one_sentence_where_it_asks_for_several_is_told_of(prepared, caplog, slots, is_told):
    model = make_model(prepared, **slots)
    check_sentences(model)
    assert ("one sentence in each source" in caplog.text) == is_told
    caplog.clear()
    model.separator = 4
    check_sentences(model)
    assert not caplog.text
