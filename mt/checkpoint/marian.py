"""A Marian folder of transformers (Helsinki-NLP/opus-mt-…) as a loaded checkpoint, for a training that starts from it.

Two things are not carried, because this project's models do not have them: the bias of the output (`final_logits_bias`;
a warning says how large it is), and target pieces that are in target.spm and not in vocab.json. Tables of positions
become learned ones: Marian's sinusoids are others than ours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentencepiece import sentencepiece_model_pb2
from torch import Tensor

from mt.checkpoint.folder import LoadedModel, ModelCard, load_weights
from mt.checkpoint.rebuild import build
from mt.checkpoint.small_file import check_file, read_json
from mt.checkpoint.tensor_file import TensorFile
from mt.data.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, TokenizerPair

# D model, P positions, V pieces

log = logging.getLogger(__name__)

CONFIG, WEIGHTS = "config.json", "model.safetensors"
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "swish": "swish", "silu": "swish"}  # ours, by their name
MAX_BYTES = 2**26  # of a vocabulary
LEARNED, UNKNOWN, CONTROL = 1, 2, 3  # types of pieces, as numbers of sentencepiece's protocol
SPECIAL = {PAD: "<pad>", UNK: "<unk>", BOS: "<s>", EOS: "</s>"}


def is_marian(folder: Path) -> bool:
    """Whether a folder has a Marian model of transformers."""
    return (folder / CONFIG).is_file() and read_json(folder / CONFIG).get("model_type") == "marian"


def load_marian(folder: Path) -> LoadedModel:
    """The model with its weights, and tokenizers. Raises ValueError for what this project's models cannot hold."""
    config = read_json(folder / CONFIG)
    _check(config, folder)
    tokenizers, rows = _tokenizers(folder, config)
    weights = TensorFile(folder / WEIGHTS)
    usual = _sinusoids(int(config["max_position_embeddings"]), int(config["d_model"]))
    found = {
        **dict(_layers(config, weights)),
        **_embeddings(config, weights, rows),
        **{  # transformers saves no table, mt.export does
            f"{side}_embedding.positions.table.weight": weights.get(f"model.{half}.embed_positions.weight", usual)
            for half, side in (("encoder", "source"), ("decoder", "target"))
        },
    }
    source_language, target_language = _languages(folder)
    card = ModelCard(model=_node(config), source_language=source_language, target_language=target_language)
    sizes = {"source_vocab_size": tokenizers.source.size, "target_vocab_size": tokenizers.target.size}
    model = build(card.model, **sizes)
    load_weights(model, found, folder / WEIGHTS)
    bias = weights.get("final_logits_bias")
    if bias is not None and bool(bias.any()):
        log.warning(
            "%s: the bias of the output (up to %.2g nats) is not carried: this project's models have none",
            folder,
            float(bias.abs().max()),
        )
    return LoadedModel(folder=folder, card=card, model=model, tokenizers=tokenizers, search=None)


def _check(config: Mapping[str, Any], folder: Path) -> None:
    path = folder / CONFIG
    if config.get("activation_function") not in ACTIVATIONS:
        raise ValueError(
            f"{path}: activation_function ({config.get('activation_function')}) must be one of {', '.join(ACTIVATIONS)}"
        )
    if config.get("scale_embedding") is not True:
        raise ValueError(f"{path}: scale_embedding ({config.get('scale_embedding')}) must be true")
    for name in ("attention_heads", "ffn_dim"):
        values = [config.get(f"{half}_{name}") for half in ("encoder", "decoder")]
        if values[0] != values[1]:
            raise ValueError(f"{path}: encoder_{name} and decoder_{name} ({values[0]}, {values[1]}) must be equal")
    if not (folder / WEIGHTS).is_file():
        raise ValueError(
            f"{folder} has no {WEIGHTS}: save the model again with transformers (save_pretrained), which writes it;"
            " pickled weights are not read"
        )


def _node(config: Mapping[str, Any]) -> dict[str, Any]:
    """`model` of the settings that build this model."""
    dense = {"_target_": "mt.attention.dense.Dense", "_partial_": True}
    return {
        "_target_": "mt.model.seq2seq.Seq2Seq",
        "layer": {
            "_target_": "mt.model.layer.LayerSettings",
            "dim": config["d_model"],
            "num_heads": config["encoder_attention_heads"],
            "num_kv_heads": config["encoder_attention_heads"],
            "feed_forward_dim": config["encoder_ffn_dim"],
            "activation": ACTIVATIONS[config["activation_function"]],
            "norm": "layer",
            "norm_position": "post",
            "positions": "learned",
        },
        "encoder": {
            "_target_": "mt.model.encoder.Encoder",
            "_partial_": True,
            "num_layers": config["encoder_layers"],
            "self_attention": dense,
        },
        "decoder": {
            "_target_": "mt.model.decoder.Decoder",
            "_partial_": True,
            "num_layers": config["decoder_layers"],
            "self_attention": dense,
            "cross_attention": dense,
        },
        "tie": "target" if _is_tied(config) else "none",
        "max_positions": config["max_position_embeddings"],
    }


def _is_tied(config: Mapping[str, Any]) -> bool:
    """Whether the output is the decoder's embedding."""
    return bool(config.get("tie_word_embeddings", True))


def _languages(folder: Path) -> tuple[str, str]:
    for name, keys in (
        ("export.json", ("source_language", "target_language")),
        ("tokenizer_config.json", ("source_lang", "target_lang")),
    ):
        body = read_json(folder / name) if (folder / name).is_file() else {}
        if all(isinstance(body.get(key), str) for key in keys):
            return str(body[keys[0]]), str(body[keys[1]])
    raise ValueError(f"{folder}: tokenizer_config.json must name source_lang and target_lang")


Rows = tuple[Sequence[int], Sequence[int]]  # of Marian's embeddings, for each piece of ours: source, target


def _tokenizers(folder: Path, config: Mapping[str, Any]) -> tuple[TokenizerPair, Rows]:
    """Tokenizers with our ids, and the rows of their pieces."""
    if any((folder / name).is_file() for name in ("tokenizer.model", "source.model")):  # written by mt.export
        pair = TokenizerPair.load(folder)
        return pair, (range(pair.source.size), range(pair.target.size))
    ids = {"source": _vocabulary(folder / "vocab.json")}
    has_two = (folder / "target_vocab.json").is_file()
    ids["target"] = _vocabulary(folder / "target_vocab.json") if has_two else ids["source"]
    start, sides, rows = int(config["decoder_start_token_id"]), [], []
    for side, known in ids.items():
        model = _model(folder / f"{side}.spm")
        kept = [one for one in model.pieces if one.type not in (UNKNOWN, CONTROL)]
        if side == "target":
            kept = [one for one in kept if one.piece in known]
        sides.append(Tokenizer(_renumbered(model, kept)))
        special = [known["<pad>"], known["<unk>"], start, known["</s>"]]
        rows.append([*special, *(known.get(one.piece, known["<unk>"]) for one in kept)])
    return TokenizerPair(sides[0], sides[1]), (rows[0], rows[1])


def _vocabulary(path: Path) -> dict[str, int]:
    try:
        check_file(path, MAX_BYTES)
        body = json.loads(path.read_text("utf-8"))
        found = {str(piece): int(id_) for piece, id_ in body.items()}
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a vocabulary of Marian: {type(error).__name__} {error}") from None
    if missing := [piece for piece in ("<pad>", "<unk>", "</s>") if piece not in found]:
        raise ValueError(f"{path} must have the pieces {', '.join(missing)}")
    return found


def _model(path: Path) -> Any:
    model: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is loaded
    try:
        check_file(path, MAX_BYTES)
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # the protocol's own kinds of error
        raise ValueError(f"{path} is not a sentencepiece model: {type(error).__name__}") from None
    return model


def _renumbered(model: Any, pieces: Sequence[Any]) -> bytes:
    """The model with our special pieces first, and these after them."""
    made: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is loaded
    made.CopyFrom(model)
    del made.pieces[:]
    for id_, piece in SPECIAL.items():
        made.pieces.add(piece=piece, score=0.0, type=UNKNOWN if id_ == UNK else CONTROL)
    made.pieces.extend(pieces)
    spec = made.trainer_spec
    spec.pad_id, spec.unk_id, spec.bos_id, spec.eos_id = PAD, UNK, BOS, EOS
    spec.pad_piece, spec.unk_piece, spec.bos_piece, spec.eos_piece = (SPECIAL[id_] for id_ in (PAD, UNK, BOS, EOS))
    return made.SerializeToString()


def _embeddings(config: Mapping[str, Any], weights: Mapping[str, Tensor], rows: Rows) -> dict[str, Tensor]:
    source, target = (list(of) for of in rows)
    shared = weights.get("model.shared.weight")
    encoder = weights.get("model.encoder.embed_tokens.weight", shared)
    decoder = weights.get("model.decoder.embed_tokens.weight", shared)
    if encoder is None or decoder is None:
        raise ValueError("model.shared.weight is missing: these are not the weights of a Marian model")
    found = {"source_embedding.tokens": encoder[source], "target_embedding.tokens": decoder[target]}
    if not _is_tied(config):
        found["output"] = weights["lm_head.weight"][target]
    return {f"{name}.weight": table_VD for name, table_VD in found.items()}


def _layers(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    attentions = {
        "encoder": {"self_attn": ("attention", "attention_residual")},
        "decoder": {
            "self_attn": ("self_attention", "self_residual"),
            "encoder_attn": ("cross_attention", "cross_residual"),
        },
    }
    for half, slots in attentions.items():
        for number in range(config[f"{half}_layers"]):
            theirs, ours = f"model.{half}.layers.{number}", f"{half}.layers.{number}"
            names = {
                "fc1": "feed_forward.up",
                "fc2": "feed_forward.down",
                "final_layer_norm": "feed_forward_residual.norm",
            }
            for slot, (attention, residual) in slots.items():
                names |= {f"{slot}.q_proj": f"{attention}.query", f"{slot}.out_proj": f"{attention}.output"}
                names[f"{slot}_layer_norm"] = f"{residual}.norm"
                for part in ("weight", "bias"):
                    both = [weights[f"{theirs}.{slot}.{one}_proj.{part}"] for one in ("k", "v")]
                    yield f"{ours}.{attention}.key_value.{part}", torch.cat(both)
            for their_name, our_name in names.items():
                for part in ("weight", "bias"):
                    yield f"{ours}.{our_name}.{part}", weights[f"{theirs}.{their_name}.{part}"]


def _sinusoids(length: int, dim: int) -> Tensor:
    """table_PD of Marian: sin and cos of position / 10000 ** (2i / D), halves side by side."""
    speeds = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), speeds)
    return torch.cat((angles.sin(), angles.cos()[:, : dim // 2]), dim=1)[:, :dim].float()
