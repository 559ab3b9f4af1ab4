"""A retriever that hears as well as sees: what it finds by sounds, and how it judges pairs."""

from functools import partial
from itertools import islice

import pytest
import torch

from mt.attention.dense import Dense
from mt.checkpoint.steps import find_step
from mt.data.images.settings import ImageSettings
from mt.data.scenes.source import Scenes
from mt.data.sounds.settings import SoundSettings
from mt.data.tokenizer import TokenizerPair
from mt.inference.retriever import Query, Retriever, index_of
from mt.inference.translator import Translator
from mt.model.decoder import Decoder
from mt.model.encoder import Encoder
from mt.model.image_encoder import ImageEncoder
from mt.model.layer import LayerSettings
from mt.model.seq2seq import Seq2Seq
from mt.model.shared_space import SharedSpace
from mt.model.sound_encoder import SoundEncoder

PAIRS = list(islice(Scenes("test", target="de", said="full", heard=True), 3))
NAMES = [pair.image for pair in PAIRS]
SOUNDS = SoundSettings()


@pytest.fixture(scope="module")
def retriever(finding_run):
    tokenizers = TokenizerPair.load(find_step(finding_run))
    sound = partial(SoundEncoder, rate=SOUNDS.rate, seconds=SOUNDS.seconds, num_layers=1, self_attention=Dense)
    image = partial(
        ImageEncoder, size=64, channels=[4, 8], strides=[8, 2], num_layers=1, self_attention=Dense, scales=[1]
    )
    torch.manual_seed(4)
    model = Seq2Seq(
        layer=LayerSettings(dim=16, num_heads=2, num_kv_heads=2, feed_forward_dim=16),
        encoder=partial(Encoder, num_layers=1, self_attention=Dense),
        decoder=partial(Decoder, num_layers=1, self_attention=Dense, cross_attention=Dense),
        source_vocab_size=tokenizers.source.size,
        target_vocab_size=tokenizers.target.size,
        beside={"image": image, "sound": sound},
        space=partial(SharedSpace, width=8, hidden=12, judges=True),
    )
    translator = Translator(model.eval(), tokenizers, device="cpu")
    translator.images, translator.sounds, translator.language = ImageSettings(), SOUNDS, "de"
    return Retriever(translator, "a model")


def indexed(retriever, kind):
    return index_of(retriever, kind, NAMES, about={"folder": None}, say=pytest.fail)


def test_a_text_finds_sounds_by_what_they_add_and_a_sound_is_like_itself(retriever):
    index = indexed(retriever, "sound")
    how = {"best": 3, "candidates": 3, "language": None}
    found = retriever.find(index, Query("text", PAIRS[0].target), **how)
    assert {one.name for one in found} == set(NAMES) and len({one.gain_nats for one in found}) == 3
    heard = retriever.reader("sound", None)(NAMES[1]).values
    same = {one.name: one for one in retriever.find(index, Query("sound", values=heard), **how)}
    assert same[NAMES[1]].cosine == pytest.approx(1, abs=1e-3) and same[NAMES[1]].gain_nats is None


def test_a_sound_finds_pictures_by_their_vectors(retriever):
    heard = retriever.reader("sound", None)(NAMES[0]).values
    found = retriever.find(
        indexed(retriever, "image"), Query("sound", values=heard), best=2, candidates=3, language=None
    )
    assert len(found) == 2 and found[0].cosine >= found[1].cosine and found[0].gain_nats is None


def test_log_probs_and_judgements_are_the_same_in_any_batch_and_order(retriever, monkeypatch):
    pictures = [retriever.reader("image", None)(name).values for name in NAMES]
    ids = retriever.ids([pair.target for pair in PAIRS])
    pairs = [(text, picture) for text in ids for picture in pictures]
    tagged = [(text, "<2de>", picture) for text, picture in pairs]
    judged, likely = retriever.judgements("image", pairs), retriever.log_probs("image", tagged)
    alone = [retriever.judgements("image", [pair])[0] for pair in pairs]
    assert judged == pytest.approx(alone, abs=1e-4) and len({round(one, 5) for one in judged}) == 9
    monkeypatch.setattr("mt.inference.retriever.PAIRS_AT_ONCE", 2)
    assert retriever.log_probs("image", tagged[::-1]) == pytest.approx(likely[::-1], abs=1e-3)


def test_a_text_is_as_likely_as_its_pieces_and_no_likelier_than_the_least_likely_one(retriever):
    seen = retriever.reader("image", None)(NAMES[0]).values
    ids = retriever.ids([pair.target for pair in PAIRS])
    pairs = [(one, None, picture) for one in ids for picture in (seen, None)]
    totals, least = retriever.log_probs("image", pairs), retriever.least_log_probs("image", pairs)
    for (one, *_), total, lowest in zip(pairs, totals, least, strict=True):
        assert total <= lowest < 0 and lowest <= total / (len(one) + 1)
    alone = [retriever.least_log_probs("image", [pair])[0] for pair in pairs]
    assert alone == pytest.approx(least, abs=1e-4)


def test_log_probs_of_logits_in_bfloat16_are_sums_in_float32(retriever, monkeypatch):
    pairs = [(ids, "<2de>", None) for ids in retriever.ids([pair.target for pair in PAIRS])]
    decodable, extend = retriever.translator.decodable, retriever.translator.decodable.extend

    def rounded(dtype):
        def extended(tokens_RT, state):
            logits_RTV, state = extend(tokens_RT, state)
            return logits_RTV.bfloat16().to(dtype), state

        monkeypatch.setattr(decodable, "extend", extended)
        return retriever.log_probs("image", pairs)

    assert rounded(torch.bfloat16) == rounded(torch.float32)
