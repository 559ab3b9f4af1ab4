"""Exports for CTranslate2 (github.com/OpenNMT/CTranslate2): a model file, vocabularies, and a program to run it.

The specification is built from its two halves, because `TransformerSpec.from_config` knows neither rotary positions nor
groups of key-value heads. CTranslate2 rounds weights in place, so every array that it gets is a copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mt.checkpoint.folder import LoadedModel
from mt.data.tokenizer import NUM_SPECIAL, Tokenizer
from mt.inference.decodable import Decodable
from mt.inference.shortlist import Shortlist
from mt.interchange.ctranslate2_engine import RUNNER, RUNNER_FILE, CTranslate2Engine, CTranslate2Searcher
from mt.interchange.engine import Engine
from mt.interchange.fate import (
    EXACT,
    FLOATS,
    LEFT_OUT,
    REFUSED,
    ZEROS,
    Fate,
    Rules,
    attention,
    changed,
    exact,
    left_out,
    one_of,
)
from mt.interchange.plan import TRANSFORMER, Plan
from mt.interchange.whole_search import WholeBeam, WholeDecodable

# H heads, G key-value heads, K size of a head, D model

SAME_INTEGERS = "--quantization int8 writes the same integers, and rounds what they are multiplied with"
NO_OPERATION = "CTranslate2 has no such operation"
USE = """\
```sh
pip install ctranslate2 sentencepiece
python translate.py < lines.txt
```

`Translator` in `translate.py` does the same from Python: `Translator(".", device="cuda").translate(["A line."])`. It
asks CTranslate2 for the n best of a beam search and ranks them by the length penalty of the training, which CTranslate2
does not have.
"""


def _window(value: Any, plan: Plan) -> Fate:
    if value.kind == "window":
        return Fate(EXACT, "checked by scores of decoding: CTranslate2 does not use the window to score given targets")
    return Fate(EXACT) if value.kind in ("dense", "chunked") else Fate(REFUSED, NO_OPERATION)


def _alignment(value: Any, plan: Plan) -> Fate:
    if plan.alignment.layer >= len(plan.decoder):
        return Fate(LEFT_OUT, "an alignment head beside the decoder's layers; translations do not need it")
    return Fate(
        EXACT, "one sentence at a time: in a batch, CTranslate2 gives first pieces the weights of another sentence"
    )


def _single(value: Any, plan: Plan) -> Fate:
    if isinstance(value, tuple):
        return Fate(REFUSED, "CTranslate2 has one number for all layers")
    return Fate(EXACT)


RULES: Rules = {
    "encoder": one_of(TRANSFORMER, why=NO_OPERATION),
    "encoder.layer": one_of(TRANSFORMER, why=NO_OPERATION),
    "decoder.layer": one_of(TRANSFORMER, why=NO_OPERATION),
    "encoder.num_layers": exact(),
    "decoder.num_layers": exact(),
    "encoder.self_attention": attention("dense", "chunked", why=NO_OPERATION),
    "decoder.self_attention": _window,
    "decoder.cross_attention": attention("dense", "chunked", why=NO_OPERATION),
    "layer.num_heads": _single,
    "layer.num_kv_heads": _single,
    "layer.head_size": _single,
    "layer.feed_forward_dim": exact(),
    "layer.activation": one_of("relu", "gelu", "swish", "swiglu", why=NO_OPERATION),
    "layer.norm": one_of("layer", "rms", why=NO_OPERATION),
    "layer.norm_position": one_of("pre", "post", why=NO_OPERATION),
    "layer.positions": one_of("sinusoidal", "learned", "rotary", why=NO_OPERATION),
    "tie": exact(),
    "vocabulary": exact(),
    "lexicon": one_of(None, why=NO_OPERATION),
    "changes": changed(remove_heads=ZEROS, int8_weights=f"{FLOATS}; {SAME_INTEGERS}"),
    "tags": exact(),
    "document": exact(),
    "search": exact(),
    "search.min_length": left_out("CTranslate2 would renormalize the probabilities"),
    "search.no_repeat_ngram": left_out("translate.py does not have it"),
    "alignment": _alignment,
    "alignment.shift": left_out("CTranslate2 gives the weights; links made of them must be shifted"),
    "alignment.signal": left_out("CTranslate2 gives weights, not norms of values"),
    "alignment.threshold": left_out("CTranslate2 gives the weights; apply it where links are made of them"),
    "shortlist": exact("as vocabulary mapping (use_vmap); exact one sentence at a time: a batch shares its candidates"),
}


class CTranslate2:
    """The target."""

    rules = RULES
    search = WholeBeam

    def write(
        self, plan: Plan, loaded: LoadedModel, folder: Path, *, quantization: str | None, **flags: Any
    ) -> Mapping[str, str]:
        spec = specification(plan)
        for side, register in (
            (plan.tokenizers.source, spec.register_source_vocabulary),
            (plan.tokenizers.target, spec.register_target_vocabulary),
        ):
            register(side.pieces(range(side.size)))
        if plan.has_shortlist:
            sizes = {"source_size": plan.tokenizers.source.size, "target_size": plan.tokenizers.target.size}
            mapping = folder / "vocabulary_mapping.txt"
            mapping.write_text(vocabulary_mapping(Shortlist.load(loaded.folder, **sizes), plan), "utf-8")
            spec.register_vocabulary_mapping(str(mapping))
        spec.validate()
        spec.optimize(quantization=quantization)
        spec.save(str(folder))
        (folder / "vocabulary_mapping.txt").unlink(missing_ok=True)  # saved as vmap.txt
        shutil.copy(RUNNER_FILE, folder / RUNNER)
        return {"Use": USE}

    def engine(self, folder: Path) -> Engine:
        return CTranslate2Engine(folder)

    def decodable(self, folder: Path, *, device: str, shortlist: bool) -> Decodable:
        return WholeDecodable(CTranslate2Searcher(folder, device=device, shortlist=shortlist), None)


TARGET = CTranslate2()


def specification(plan: Plan) -> Any:
    """The model as CTranslate2 describes it, with all weights."""
    from ctranslate2.specs import transformer_spec

    common, heads, size = _common(plan)
    window = plan.settings["decoder.self_attention"]
    aligned = plan.alignment.layer < len(plan.decoder)
    own = {"alignment_layer": plan.alignment.layer, "alignment_heads": len(plan.alignment.heads)} if aligned else {}
    spec = transformer_spec.TransformerSpec(
        transformer_spec.TransformerEncoderSpec(len(plan.encoder), heads, **common),
        transformer_spec.TransformerDecoderSpec(len(plan.decoder), heads, **common, **own),
    )
    weights = plan.weights
    for half, embeddings, side, table in (
        (spec.encoder, spec.encoder.embeddings[0], "source", plan.source_table),
        (spec.decoder, spec.decoder.embeddings, "target", plan.target_table),
    ):
        embeddings.weight = weights[f"{side}_embedding.tokens.weight"].copy()
        half.scale_embeddings = True  # by sqrt(D)
        if table is not None:
            half.position_encodings.encodings = table.copy()
    spec.decoder.projection.weight = weights["output.weight"].copy()
    if plan.is_pre_norm:
        _norm(spec.encoder.layer_norm, weights, "encoder.norm")
        _norm(spec.decoder.layer_norm, weights, "decoder.norm")
    for number, layer in enumerate(spec.encoder.layer):
        name = f"encoder.layers.{number}"
        _self_attention(layer.self_attention, weights, f"{name}.attention", f"{name}.attention_residual.norm")
        _feed_forward(layer.ffn, weights, name, is_gated=common["ffn_glu"])
    for number, layer in enumerate(spec.decoder.layer):
        name = f"decoder.layers.{number}"
        _self_attention(layer.self_attention, weights, f"{name}.self_attention", f"{name}.self_residual.norm")
        if window.kind == "window":
            # on self-attention alone: elsewhere CTranslate2 would cut the memory; it counts the position itself
            layer.self_attention.__dict__["sliding_window"] = np.dtype("int32").type(window.settings["reach"] + 1)
        first = plan.alignment.heads if aligned and number == plan.alignment.layer else ()
        _cross_attention(layer.attention, plan, f"{name}.cross_attention", first, size)
        _norm(layer.attention.layer_norm, weights, f"{name}.cross_residual.norm")
        _feed_forward(layer.ffn, weights, name, is_gated=common["ffn_glu"])
    _configure(spec.config, plan)
    return spec


def _common(plan: Plan) -> tuple[dict[str, Any], int, int]:
    """What both halves have in common, the number of heads and their size."""
    from ctranslate2.specs import common_spec

    found = plan.uniform_heads()
    assert found is not None, "rules refuse a model whose heads differ between layers"
    heads, groups, size = found
    activations = {"relu": "RELU", "gelu": "GELU", "swish": "SWISH", "swiglu": "SWISH"}
    activation = plan.settings["layer.activation"]
    common = {
        "pre_norm": plan.is_pre_norm,
        "activation": getattr(common_spec.Activation, activations[activation]),
        "ffn_glu": activation == "swiglu",
        "rms_norm": plan.settings["layer.norm"] == "rms",
        "num_heads_kv": groups if groups != heads else None,
        "head_dim": size if heads * size != plan.dim else None,
    }
    if plan.settings["layer.positions"] == "rotary":
        # 0: the whole head; halves, not neighbours, are rotated together
        common |= {"rotary_dim": 0, "rotary_interleave": False, "rotary_base": plan.constants["rotary_base"]}
    return common, heads, size


def _configure(config: Any, plan: Plan) -> None:
    config.add_source_eos = True
    config.layer_norm_epsilon = plan.constants["norm_epsilon"]
    config.bos_token, config.eos_token, config.unk_token = "<s>", "</s>", "<unk>"
    config.decoder_start_token = "<s>"


def _norm(spec: Any, weights: Mapping[str, np.ndarray], name: str) -> None:
    spec.gamma = weights[f"{name}.weight"].copy()
    if f"{name}.bias" in weights:  # RMSNorm has none
        spec.beta = weights[f"{name}.bias"].copy()


def _linear(spec: Any, weights: Mapping[str, np.ndarray], name: str) -> None:
    spec.weight, spec.bias = weights[f"{name}.weight"].copy(), weights[f"{name}.bias"].copy()


def _self_attention(spec: Any, weights: Mapping[str, np.ndarray], name: str, norm: str) -> None:
    """Queries, keys and values are one product in CTranslate2."""
    for part in ("weight", "bias"):
        both = np.concatenate([weights[f"{name}.query.{part}"], weights[f"{name}.key_value.{part}"]])
        setattr(spec.linear[0], part, both)
    _linear(spec.linear[1], weights, f"{name}.output")
    _norm(spec.layer_norm, weights, norm)


def _feed_forward(spec: Any, weights: Mapping[str, np.ndarray], layer: str, *, is_gated: bool) -> None:
    name = f"{layer}.feed_forward"
    if is_gated:
        for part in ("weight", "bias"):
            gate, up = np.split(weights[f"{name}.up.{part}"], 2)
            setattr(spec.linear_0, part, gate.copy())
            setattr(spec.linear_0_noact, part, up.copy())
    else:
        _linear(spec.linear_0, weights, f"{name}.up")
    _linear(spec.linear_1, weights, f"{name}.down")
    _norm(spec.layer_norm, weights, f"{layer}.feed_forward_residual.norm")


def _cross_attention(spec: Any, plan: Plan, name: str, first: Sequence[int], size: int) -> None:
    """Cross-attention, with the heads `first` before the others: CTranslate2 gives the mean of the first n."""
    parts = ("query", "key_value", "output")
    arrays = {part: [plan.weights[f"{name}.{part}.{of}"].copy() for of in ("weight", "bias")] for part in parts}
    heads, groups = len(arrays["query"][1]) // size, len(arrays["key_value"][1]) // size // 2
    order = [*first, *(head for head in range(heads) if head not in first)]
    if order != list(range(heads)):
        rows = np.concatenate([np.arange(head * size, (head + 1) * size) for head in order])
        # key-value heads that are shared are repeated, because sharing is by the order of heads
        of_groups = np.concatenate([np.arange(size) + head // (heads // groups) * size for head in order])
        both = np.concatenate([of_groups, of_groups + groups * size])
        arrays["query"] = [array[rows] for array in arrays["query"]]
        arrays["key_value"] = [array[both] for array in arrays["key_value"]]
        arrays["output"][0] = arrays["output"][0][:, rows]
        if groups != heads:
            spec.num_heads_kv = np.dtype("int32").type(heads)
    for linear, part in zip(spec.linear, parts, strict=True):
        linear.weight, linear.bias = (np.ascontiguousarray(array) for array in arrays[part])


def vocabulary_mapping(shortlist: Shortlist, plan: Plan) -> str:
    """The shortlist as CTranslate2 reads it: a source piece, a tab, target pieces; of no piece: candidates of all."""
    source, target = plan.tokenizers.source, plan.tokenizers.target
    lines = [f"\t{_pieces(target, shortlist.frequent)}"]
    for id_, piece in enumerate(source.pieces(range(source.size))):
        own = shortlist.pieces[shortlist.starts[id_] : shortlist.starts[id_ + 1]]
        if len(own):
            lines.append(f"{piece}\t{_pieces(target, own)}")
    return "".join(f"{line}\n" for line in lines)


def _pieces(tokenizer: Tokenizer, ids: np.ndarray) -> str:
    return " ".join(tokenizer.pieces([id_ for id_ in ids if id_ >= NUM_SPECIAL]))
