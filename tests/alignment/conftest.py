"""A fresh checkpoint to align with, and a stand-in for the aligner."""

import pytest
import torch

from mt.checkpoint.card import ModelCard
from mt.checkpoint.folder import write_checkpoint
from mt.checkpoint.rebuild import build
from mt.data.tokenizer import TokenizerSettings, train_tokenizers
from mt.inference.aligner import Aligner
from tests.alignment.known_aligner import KnownAligner


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A step folder with a fresh model of 2 layers and 2 heads."""
    lines = [
        f"der {adjective} Hund sieht {noun}" for adjective in ("alte", "junge") for noun in ("Katzen", "Häuser")
    ] * 5
    tokenizers = train_tokenizers(lines, lines, len(lines), TokenizerSettings(vocab_size=300))
    slot = {"_target_": "mt.attention.dense.Dense", "_partial_": True}
    layer = {
        "_target_": "mt.model.layer.LayerSettings",
        "dim": 16,
        "num_heads": 2,
        "num_kv_heads": 2,
        "feed_forward_dim": 8,
    }
    node = {
        "_target_": "mt.model.seq2seq.Seq2Seq",
        "layer": layer,
        "encoder": {"_target_": "mt.model.encoder.Encoder", "_partial_": True, "num_layers": 1, "self_attention": slot},
        "decoder": {
            "_target_": "mt.model.decoder.Decoder", "_partial_": True, "num_layers": 2,
            "self_attention": slot, "cross_attention": slot,
        },
    }  # fmt: skip
    torch.manual_seed(0)
    model = build(node, source_vocab_size=tokenizers.source.size, target_vocab_size=tokenizers.target.size)
    folder = tmp_path_factory.mktemp("run") / "step_000001"
    card = ModelCard(model=node, source_language="xx", target_language="yy")
    weights = dict(model.named_parameters())
    write_checkpoint(folder, card=card, weights=weights, tokenizers=tokenizers, scores={})
    return folder


@pytest.fixture
def aligner(monkeypatch):
    """Loading any checkpoint gives the stand-in, which remembers how it was loaded."""
    known = KnownAligner()

    def load(checkpoint, **how):
        known.loaded = (str(checkpoint), how)
        return known

    monkeypatch.setattr(Aligner, "load", load)
    return known


@pytest.fixture
def files(tmp_path):
    """Three lines, the second blank; their mirrored translation."""
    (tmp_path / "en").write_text("the old house\n \nyes\u2028 no $x <b>\n", encoding="utf-8")
    (tmp_path / "de").write_text("Haus alte das\n\nb x nein ja\n", encoding="utf-8")
    (tmp_path / "wa").write_text("0-2 1-1 2?0\n\n0-3\n", encoding="utf-8")
    return tmp_path
