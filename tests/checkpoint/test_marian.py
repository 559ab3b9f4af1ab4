"""A Marian folder of transformers is read as a checkpoint: the same scores, and a training starts from it."""

import json
import logging
from importlib.util import find_spec

import pytest
import sentencepiece
import torch

from mt.checkpoint.marian import is_marian, load_marian
from mt.data.source import Text
from mt.data.tokenizer import BOS, NUM_SPECIAL
from mt.training.starting_point import StartingPoint
from tests.conftest import reversed_pairs

SOURCES, TARGETS = reversed_pairs(300, 5)


@pytest.fixture
def marian(tmp_path):
    """A fresh model as transformers saves it, with two sentencepiece models and one vocabulary; and the model."""
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed: make test-transformers")
    from transformers import MarianConfig, MarianMTModel

    folder, pieces = tmp_path / "opus", {"</s>": 0, "<unk>": 1}
    folder.mkdir()
    for side, lines in (("source", SOURCES), ("target", TARGETS)):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_prefix=str(folder / side),
            vocab_size=40,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        processor = sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm"))
        for id_ in range(3, len(processor)):
            pieces.setdefault(processor.id_to_piece(id_), len(pieces))
    pieces["<pad>"] = len(pieces)
    (folder / "vocab.json").write_text(json.dumps(pieces), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"source_lang": "de", "target_lang": "en"}), "utf-8")
    torch.manual_seed(1)
    sizes = {f"{half}_{name}": value for half in ("encoder", "decoder") for name, value in _SIZES.items()}
    config = MarianConfig(
        vocab_size=len(pieces), pad_token_id=pieces["<pad>"], decoder_start_token_id=pieces["<pad>"], **sizes, **_REST
    )
    model = MarianMTModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" in name:  # not saved
                continue
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    return folder, model, pieces


_SIZES = {"layers": 2, "attention_heads": 2, "ffn_dim": 20}
_REST = {
    **{"d_model": 12, "max_position_embeddings": 50, "activation_function": "swish", "scale_embedding": True},
    **{"eos_token_id": 0, "forced_eos_token_id": None},
}


@torch.inference_mode()
def test_the_same_pieces_have_the_same_scores(marian, caplog):
    folder, theirs, known = marian
    assert is_marian(folder)
    with caplog.at_level(logging.WARNING):
        loaded = load_marian(folder)
    assert not caplog.records
    source, target = loaded.tokenizers.source, loaded.tokenizers.target
    columns = [known[piece] for piece in target.pieces(range(NUM_SPECIAL, target.size))]
    for line, translation in zip(SOURCES[:6], TARGETS[:6], strict=True):
        ids, out = source.encode(line), target.encode(translation)
        ours = loaded.model.eval()(Text.of([ids]), torch.tensor([[BOS, *out]]))
        ours = loaded.model.output(ours)[0, :, NUM_SPECIAL:]
        given = torch.tensor([[known[piece] for piece in source.pieces(ids)] + [known["</s>"]]])
        prefix = torch.tensor([[known["<pad>"], *(known[piece] for piece in target.pieces(out))]])
        scores = theirs(input_ids=given, decoder_input_ids=prefix).logits[0][:, columns]
        assert torch.allclose(ours, scores, atol=1e-5)


def test_start_from_takes_it_and_a_bias_is_told(marian, tmp_path, caplog):
    folder, theirs, _ = marian
    theirs.final_logits_bias.fill_(0.5)
    theirs.save_pretrained(folder)
    with caplog.at_level(logging.WARNING):
        start = StartingPoint.of({"start_from": str(folder), "folder": str(tmp_path / "run")})
    assert "the bias of the output (up to 0.5 nats) is not carried" in caplog.text
    assert start.checkpoint.card.target_language == "en" and start.tokenizers.target.size > NUM_SPECIAL
    model = load_marian(folder).model
    for parameter in model.parameters():
        parameter.data.zero_()
    start.load_weights(model, start.tokenizers)
    assert all(bool(parameter.any()) for name, parameter in model.named_parameters() if "norm.bias" not in name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"activation_function": "tanh"}, r"activation_function \(tanh\) must be one of relu, gelu, swish"),
        ({"scale_embedding": False}, r"scale_embedding \(False\) must be true"),
        ({"decoder_ffn_dim": 7}, r"encoder_ffn_dim and decoder_ffn_dim \(20, 7\) must be equal"),
        ({}, "has no model.safetensors: save the model again with transformers"),
    ],
)
def test_what_our_models_cannot_hold_is_refused_in_one_line(changes, said, tmp_path):
    sizes = {f"{half}_{name}": value for half in ("encoder", "decoder") for name, value in _SIZES.items()}
    body = {"model_type": "marian", **sizes, **_REST, **changes}
    (tmp_path / "config.json").write_text(json.dumps(body), "utf-8")
    with pytest.raises(ValueError, match=said):
        load_marian(tmp_path)
