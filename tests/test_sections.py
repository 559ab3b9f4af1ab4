"""Sentences of documents from training to translation: attention that knows where they end, in both slots."""

import pytest

from mt.data.document import BEFORE
from mt.inference.translator import Translator
from mt.train import main as train
from mt.translate import main
from tests.conftest import composed_settings, train_overrides

SECTIONS = [f"attention@model.{slot}=sections" for slot in ("encoder.self_attention", "decoder.cross_attention")]


@pytest.fixture(scope="module")
def run(corpus_folder, tmp_path_factory):
    work = tmp_path_factory.mktemp("sections")
    more = ["data.document.context_before=1", "data/cleaning=off", "schedule.warmup_steps=10"]
    quick = ["trainer.max_steps=80", "validation.attention_lines=0", "search=greedy", "search.max_length=3"]
    train(composed_settings([*train_overrides(corpus_folder, work), *SECTIONS, *more, *quick]))
    return work / "run"


def test_cross_attention_learns_which_sentence_is_to_be_translated(run):
    translator = Translator.load(run, device="cpu")
    assert translator.tokenizers.source.pieces([translator.model.source_embedding.separator]) == [BEFORE]
    for layer in translator.model.decoder.layers:
        mixer = layer.cross_attention.mixer
        further, before, own, later = mixer.bias_HD.split((mixer.furthest - 1, 1, 1, mixer.furthest), dim=1)
        assert (own > before + 0.2).all()
        assert not further.any() and not later.any()  # there is one sentence before it, and none behind
    (layer,) = translator.model.encoder.layers
    assert (layer.attention.mixer.bias_HD != 0).sum(1).tolist() == [3, 3]  # from either sentence to each


def test_a_sentence_is_translated_behind_those_before_it(run, capsys):
    translator = Translator.load(run, device="cpu")
    sources = ["eins zwei drei vier", "eins zwei drei vier <|before|> acht acht", "acht acht <|before|> sechs"]
    alone = [next(translator.translate([source])).text for source in sources]
    assert len(set(alone)) == 3
    assert [each.text for each in translator.translate(sources)] == alone
    flags = ["--checkpoint", str(run), "--device", "cpu", "--document"]
    assert main([*flags, "eins zwei drei vier", "acht acht", "sechs"]) == 0
    assert capsys.readouterr().out.splitlines() == alone
