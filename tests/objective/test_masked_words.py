"""Masked words: which are hidden, what the decoder reads to restore them, and that a picture helps."""

from types import SimpleNamespace

import pytest
import torch

from mt.data.batching import Cursor, TokenBatches
from mt.data.masking import MASK
from mt.data.source import Text
from mt.data.tokenizer import EOS, TokenizerPair
from mt.objective.label_smoothing import LabelSmoothedCrossEntropy
from mt.objective.masked_words import MaskedWords, Pieces
from tests.training.runs import SEEN, make_model, make_seeing_model

VOCABULARY = ["<pad>", "<unk>", "<s>", "</s>", "<2de>", MASK, "▁re", "d", "▁star", ".", "▁", "x"]


class Spelled:
    """A tokenizer of these pieces."""

    size, reserved_symbols = len(VOCABULARY), ("<2de>", MASK)

    def pieces(self, ids):
        return [VOCABULARY[id_] for id_ in ids]


def text_of(*words):
    return Text.of([[VOCABULARY.index(piece) for piece in words]])


def hidden_in(text, rate, keys=range(200)):
    """For each key, the pieces that it hides."""
    pieces, found = Pieces.of(Spelled()), []
    for key in keys:
        of_key = pieces.hidden(text, torch.tensor([key]), rate)
        found.append("".join("x" if is_hidden else "." for is_hidden in of_key.is_hidden_BS[0].tolist()))
    return found


def test_whole_words_are_hidden_and_never_tags_marks_and_hidden_words():
    text = text_of("<2de>", "▁re", "d", "▁star", ".", MASK, "▁", "x")
    found = hidden_in(text, 0.5)
    assert set(found) == {f".{one}{two}..{last}." for one in ("..", "xx") for two in ".x" for last in ("..", ".x")}
    hidden = Pieces.of(Spelled()).hidden(text, torch.tensor([3]), 0.999999)
    assert Spelled().pieces(hidden.source.ids_BS[0].tolist()) == [
        *("<2de>", MASK, MASK, MASK, ".", MASK, "▁", MASK, "</s>"),
    ]
    assert hidden.wanted_BS.tolist() == text.ids_BS.tolist()
    assert hidden.read_BS.tolist() == [[VOCABULARY.index(MASK), *text.ids_BS[0].tolist()[:-1]]]


def test_words_are_hidden_at_the_rate_by_key_and_place_alone():
    found = hidden_in(text_of("▁star", "▁re", "d"), 0.3, range(2000))
    assert sum(one.startswith("x") for one in found) / 2000 == pytest.approx(0.3, abs=0.03)
    longer = hidden_in(text_of("▁star", "▁re", "d", "▁star", "."), 0.3, range(2000))
    assert [one[:3] for one in longer] == [one[:3] for one in found]


@pytest.mark.parametrize("has_pictures", [True, False], ids=["pictures", "text"])
def test_the_loss_is_that_of_the_hidden_pieces_beside_the_inner_one(prepared, has_pictures):
    reading = SEEN if has_pictures else {}
    batch, _ = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1, **reading).read(Cursor())
    model = make_seeing_model(prepared, dropout=0.0) if has_pictures else make_model(prepared, dropout=0.0)
    inner = LabelSmoothedCrossEntropy()
    objective = MaskedWords(inner=inner, weight=0.25, rate=0.4)
    objective.check_tokenizers(prepared.tokenizers)
    loss = objective(model, batch)
    hidden = Pieces.of(prepared.tokenizers.source).hidden(batch.source, batch.keys_B, 0.4)
    assert hidden.source.parts.keys() == batch.source.parts.keys()
    log_probs = model.output(model(hidden.source, hidden.read_BS)).log_softmax(dim=-1)
    nats = -log_probs.gather(2, hidden.wanted_BS.unsqueeze(2)).squeeze(2)[hidden.is_hidden_BS].sum()
    torch.testing.assert_close(loss.sums["masked_words"], nats, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(loss.minimised, inner(model, batch).minimised + 0.25 * nats, rtol=1e-4, atol=1e-4)
    assert int(loss.counts["masked_words"]) == int(hidden.is_hidden_BS.sum()) > 0
    assert not (hidden.is_hidden_BS & (hidden.wanted_BS <= EOS)).any()


def test_a_picture_is_encoded_once(prepared):
    batch, _ = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=300, seed=1, **SEEN).read(Cursor())
    model, calls = make_seeing_model(prepared), []
    model.image.register_forward_hook(lambda *_: calls.append(1))
    objective = MaskedWords(inner=LabelSmoothedCrossEntropy())
    objective.check_tokenizers(prepared.tokenizers)
    objective(model, batch).minimised.backward()
    assert len(calls) == 1


def test_what_cannot_restore_words_is_refused(prepared):
    objective, tokenizer = MaskedWords(inner=LabelSmoothedCrossEntropy()), prepared.tokenizers.source
    two = TokenizerPair(tokenizer, tokenizer.from_bytes(tokenizer.to_bytes()))
    with pytest.raises(ValueError, match=r"needs one vocabulary of both sides: tokenizer\.joint=true"):
        objective.check_tokenizers(two)
    with pytest.raises(ValueError, match=r"needs the symbol <mask>: tokenizer\.reserved_symbols=\['<mask>'\]"):
        Pieces.of(SimpleNamespace(reserved_symbols=()))
    with pytest.raises(ValueError, match="needs a model that reads text"):
        objective.check(SimpleNamespace(source_embedding=None))
    for setting, value in (("weight", 0.0), ("rate", 1.0)):
        with pytest.raises(ValueError, match=rf"objective\.{setting} \({value}\) must be above 0"):
            MaskedWords(inner=LabelSmoothedCrossEntropy(), **{setting: value})
