"""Attention that asks where sentences end is told by the corpus's settings."""

import pytest

from mt.attention.dense import Dense
from mt.attention.hierarchical import Hierarchical
from mt.attention.sections import Sections
from mt.data.document import AFTER, BEFORE, DocumentSettings
from mt.training.source_sentences import check_sentences, with_separator
from tests.training.runs import make_model


class OfPieces:
    """A tokenizer as far as it is asked."""

    size = 8

    def pieces(self, ids):
        return [["<pad>", "<unk>", "<s>", "</s>", "<fr>", BEFORE, AFTER, "a"][id_] for id_ in ids]


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("after", [0, 1])
def test_separators_are_the_pieces_that_stand_by_each_sentence_of_context(before, after):
    model = {"tie": "all", "separator": None, "separator_after": None}
    found = with_separator(model, DocumentSettings(context_before=before, context_after=after), OfPieces())
    assert found == {"tie": "all", "separator": 5 if before else None, "separator_after": 6 if after else None}


def test_a_separator_that_the_settings_name_stays():
    both = DocumentSettings(context_before=2, context_after=2)
    assert with_separator({"separator": 7}, both, OfPieces()) == {"separator": 7}


@pytest.mark.parametrize(
    "slots, is_told",
    [({"cross_attention": Hierarchical}, True), ({"encoder": Sections}, True), ({"encoder": Dense}, False)],
    ids=["cross-attention", "encoder", "nobody asks"],
)
def test_attention_that_sees_one_sentence_where_it_asks_for_several_is_reported_of(prepared, caplog, slots, is_told):
    model = make_model(prepared, **slots)
    check_sentences(model)
    assert ("each source is one sentence" in caplog.text) == is_told
    caplog.clear()
    model.source_embedding.separator = 4
    check_sentences(model)
    assert not caplog.text
