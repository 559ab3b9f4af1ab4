"""The lexicon is what the corpus's links say, comes with the checkpoint, and stays as it is."""

import logging
from collections import Counter
from functools import partial

import pytest
import torch
from safetensors.torch import load_file

from mt.attention.prior import Prior
from mt.checkpoint.outline import kept_tensors
from mt.data.batching import TokenBatches
from mt.data.tokenizer import NUM_SPECIAL
from mt.objective.guided import Guidance
from mt.training import source_lexicon
from mt.training.distributed import Ranks
from mt.training.source_lexicon import LexiconSettings, fill_lexicon
from mt.training.word_links import guide_of
from tests.training.runs import assert_same, make_model, make_trainer

TABLE = ("lexicon.pieces_VM", "lexicon.shares_VM")
with_prior = partial(make_model, cross_attention=Prior)


def fill(model, prepared, links=None, guidance=None):
    fill_lexicon(model, LexiconSettings(links=links), guidance or Guidance(), prepared, Ranks())


@pytest.fixture(scope="module")
def lexicon(prepared):
    model = with_prior(prepared)
    fill(model, prepared)
    return model.lexicon


def test_it_says_where_rows_that_read_a_piece_are_guided_to_on_average(prepared, lexicon):
    guide = guide_of(Guidance(links="learned"), prepared)
    counted, totals = Counter(), Counter()
    batches = TokenBatches(prepared.train, prepared.tokenizers, max_tokens=5000, seed=0, shuffle=False, guide=guide)
    for batch in batches.once():
        for b, t, s in batch.guide_BTS.nonzero().tolist():
            pieces, count = (
                (int(batch.target_in_BT[b, t]), int(batch.source.ids_BS[b, s])),
                float(batch.guide_BTS[b, t, s]),
            )
            counted[pieces] += count
            totals[pieces[0]] += count
    size = prepared.tokenizers.source.size
    found = lexicon(torch.arange(size)[None], torch.arange(size)[None])[0]
    expected = torch.zeros(size, size)
    for (target, source), count in counted.items():
        expected[target, source] = count / totals[target]
    assert len(totals) > 5 and (expected > 0.9).any()
    kept = expected.topk(lexicon.pieces_VM.shape[1]).values[:, -1:]
    torch.testing.assert_close(found, expected.masked_fill(expected < kept, 0), rtol=1e-5, atol=1e-6)
    assert not found[:NUM_SPECIAL].any()


def test_it_says_words_that_are_translations(prepared, lexicon):
    tokenizers = prepared.tokenizers
    right = 0
    for source, target in {"eins": "one", "zwei": "two", "vier": "four", "acht": "eight"}.items():
        tokens = torch.tensor([tokenizers.target.encode(target)])
        said, other = (
            lexicon(tokens, torch.tensor([tokenizers.source.encode(word)])).sum(-1).mean() for word in (source, "drei")
        )
        right += bool(said > other + 0.1)
    assert right >= 3


def test_links_are_those_that_guide_unless_others_are_asked_for(prepared, monkeypatch):
    asked = []
    monkeypatch.setattr(source_lexicon, "_fill", lambda lexicon, links, prepared: asked.append(links))
    model = with_prior(prepared)
    fill(model, prepared)
    fill(model, prepared, guidance=Guidance(links="given"))
    fill(model, prepared, "learned", Guidance(links="given"))
    assert asked == ["learned", "given", "learned"]


def test_mistakes_and_what_is_not_heard_are_reported(prepared, caplog):
    with pytest.raises(ValueError, match=r"lexicon.links \(guessed\) must be one of given, learned, or null"):
        LexiconSettings(links="guessed")
    with pytest.raises(ValueError, match=r"lexicon.links \(given\) needs a corpus with word links"):
        fill(with_prior(prepared), prepared, "given")
    with caplog.at_level(logging.WARNING):
        fill(make_model(prepared), prepared)
        assert not caplog.text
        fill(make_model(prepared), prepared, "learned")
    assert "lexicon.links (learned) is not used" in caplog.text


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_run_resumes_exactly_with_the_lexicon_of_its_checkpoint(prepared, lexicon, tmp_path, ema_decay):
    def trainer(name, *, is_filled=True, **settings):
        model = with_prior(prepared)
        if is_filled:
            model.lexicon.load_state_dict(lexicon.state_dict())
        return make_trainer(prepared, tmp_path / name, model=model, ema_decay=ema_decay, **settings)

    whole = trainer("whole", max_steps=8)
    whole.run()
    trainer("cut", max_steps=3).run()
    resumed = trainer("cut", max_steps=8, resume=True, is_filled=False)
    assert torch.equal(resumed.learner.model.lexicon.pieces_VM, lexicon.pieces_VM)
    resumed.run()
    assert_same(kept_tensors(whole.learner.model), kept_tensors(resumed.learner.model))
    saved = load_file(tmp_path / "cut" / "last" / "model.safetensors")
    for name, table in zip(TABLE, (lexicon.pieces_VM, lexicon.shares_VM), strict=True):
        assert torch.equal(saved[name], table) and saved[name].dtype == table.dtype
