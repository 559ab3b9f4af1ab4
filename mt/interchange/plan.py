"""The plan of a model: its settings and weights as plain data, which every target reads.

`Plan.settings` names what decides the model's translations, as the settings files name it; a target has a rule for each
(`mt.interchange.fate`). Everything is read from the model itself, not from its description, so that models changed
after their training are described as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mt.alignment.choice import Choice
from mt.attention.multi_head import MultiHead
from mt.attention.rotary import Rotary
from mt.checkpoint.card import ModelCard
from mt.checkpoint.folder import LoadedModel
from mt.checkpoint.steps import SHORTLIST
from mt.compression.pruning import with_all_heads
from mt.data.document import AFTER, BEFORE
from mt.data.tokenizer import BOS, EOS, PAD, UNK, TokenizerPair
from mt.inference.batches import longest_target
from mt.inference.tags import Tags
from mt.inference.translator import MAX_PIECES
from mt.model.decoder import DecoderLayer
from mt.model.embedding import Embedding, LearnedPositions, SinusoidalPositions, sinusoids
from mt.model.encoder import Encoder, EncoderLayer
from mt.model.layer import NORMS
from mt.model.rounded import floats_again
from mt.model.seq2seq import Seq2Seq
from mt.search.beam import Beam, adjusted
from mt.search.greedy import Greedy
from mt.search.search import Search

# D model, P positions

LEAST_TABLE = 1024  # rows of a table of positions that the model computes for any length
MOST_NAMED = 4  # tags in a value
TRANSFORMER = "transformer"


@dataclass(frozen=True)
class AttentionPlan:
    """The attention of a slot: the name of its variant (that of its file in mt/attention), and its settings."""

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        named = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.kind} ({named})" if named else self.kind


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """Sizes of a layer. Those of an encoder's layer have one attention, those of a decoder's self- and cross-attention.

    `heads`: of each attention (heads, key-value heads, size of a head).
    """

    heads: tuple[tuple[int, int, int], ...]
    feed_forward_dim: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A model as data. Arrays are float32 and copies: a target may change them.

    weights       by their names in the model; matrices that are tied are one array under several names
    source_table, target_table   table_PD that is added to the embedded pieces; None for rotary positions
    max_length    most pieces of a side, EOS or BOS included, None: no limit of the model
    search        the checkpoint's search as a beam: its size, length penalty and longest output
    alignment     where alignments are read
    head_layer    the decoder layer after which an alignment head reads (`mt.model.alignment_head`); None: there is none
    kept_heads    numbers of the heads of each decoder layer's cross-attention that are not removed, which are zeros
    separators    ids of the pieces between a sentence and the context before and after it; None: there is none
    """

    source_language: str
    target_language: str
    settings: Mapping[str, Any]
    encoder: tuple[LayerPlan, ...]
    decoder: tuple[LayerPlan, ...]
    weights: Mapping[str, np.ndarray]
    source_table: np.ndarray | None
    target_table: np.ndarray | None
    constants: Mapping[str, float]
    tokenizers: TokenizerPair
    max_pieces: int
    max_length: int | None
    search: Beam
    alignment: Choice
    has_shortlist: bool
    head_layer: int | None
    kept_heads: tuple[tuple[int, ...], ...]
    separators: tuple[int | None, int | None]

    @cached_property
    def dim(self) -> int:
        """D."""
        return self.weights["target_embedding.tokens.weight"].shape[1]

    def setting(self, name: str) -> Any:
        """The value of a setting."""
        return self.settings[name]

    @property
    def is_pre_norm(self) -> bool:
        """Whether norms stand before each part of a layer, and after the last layer."""
        return self.settings["layer.norm_position"] == "pre"

    @property
    def is_joint(self) -> bool:
        """Whether both sides have one vocabulary."""
        return self.tokenizers.is_joint

    def search_settings(self) -> dict[str, Any]:
        """The search as an exported folder has it."""
        names = ("size", "length_penalty", "max_length")
        return {name: getattr(self.search, name) for name in names}

    def uniform_heads(self) -> tuple[int, int, int] | None:
        """(heads, key-value heads, size of a head) if all attentions have the same; None otherwise."""
        found = {heads for layer in (*self.encoder, *self.decoder) for heads in layer.heads}
        return found.pop() if len(found) == 1 else None


def plan_of(loaded: LoadedModel) -> Plan:
    """The plan of a checkpoint as it was loaded (`load_checkpoint`), before anything packs its matrices.

    Raises ValueError for a model that does not read text.
    """
    assert isinstance(loaded.model, Seq2Seq)
    model: Any = floats_again(loaded.model)  # its parts have the types that their checks find
    tokenizers, card = loaded.tokenizers, loaded.card
    if model.source_embedding is None:
        raise ValueError("encoder: this model does not read text, and exports are made for text")
    if model.beside:
        names = ", ".join(model.beside)
        raise ValueError(f"beside ({names}): this model also reads what is not text, and exports are made for text")
    kept_heads = tuple(_kept(layer.cross_attention) for layer in model.decoder.layers)
    alignment = _choice(loaded.folder, model.decoder, kept_heads)
    with_all_heads(model)
    encoder, decoder = (_layers(half.layers) for half in (model.encoder, model.decoder))
    search = _beam(loaded.search)
    has_shortlist = (loaded.folder / SHORTLIST).is_file()
    max_pieces = card.max_pieces or MAX_PIECES
    if model.max_length is not None:
        max_pieces = min(max_pieces, model.max_length - 1)
    length = max(LEAST_TABLE, longest_target(max_pieces) + 1)
    return Plan(
        source_language=card.source_language,
        target_language=card.target_language,
        settings={
            **_model_settings(model, encoder, decoder, tokenizers),
            "changes": tuple(str(change["_target_"]).rpartition(".")[2] for change in card.changes),
            "tags": _tags(card, tokenizers),
            "document": " ".join(s for s in (BEFORE, AFTER) if s in tokenizers.source.reserved_symbols),
            "search": _search_value(loaded.search, search),
            "search.min_length": search.min_length or None,
            "search.no_repeat_ngram": search.no_repeat_ngram or None,
            "alignment": _alignment_value(alignment),
            "alignment.shift": alignment.shift or None,
            "alignment.signal": None if alignment.signal == "weights" else alignment.signal,
            "alignment.threshold": alignment.threshold,
            "shortlist": SHORTLIST if has_shortlist else None,
        },
        encoder=encoder,
        decoder=decoder,
        weights=_weights(model),
        source_table=_table(model.source_embedding, length),
        target_table=_table(model.target_embedding, length),
        constants=_constants(model),
        tokenizers=tokenizers,
        max_pieces=max_pieces,
        max_length=model.max_length,
        search=replace(search, min_length=0, no_repeat_ngram=0),
        alignment=alignment,
        has_shortlist=has_shortlist,
        head_layer=None if model.decoder.alignment_head is None else model.decoder.alignment_head.layer,
        kept_heads=kept_heads,
        separators=(model.source_embedding.separator, model.source_embedding.separator_after),
    )


def _kept(attention: MultiHead) -> tuple[int, ...]:
    return tuple(range(attention.num_maps)) if attention.kept_heads is None else attention.kept_heads


def _choice(folder: Path, decoder: Any, kept_heads: Sequence[Sequence[int]]) -> Choice:
    """Where alignments are read, without removed heads: for their zeros an engine has weights, and the model none."""
    found = Choice.load(folder, num_layers=decoder.num_maps, num_heads=decoder.layers[0].cross_attention.num_maps)
    layer = found.layer if found.layer < len(decoder.layers) else decoder.alignment_head.layer
    left = tuple(head for head in found.heads if head in kept_heads[layer])
    if not left:
        raise ValueError(
            f"{folder}: alignments are read at heads {found.heads} of layer {layer}, which were removed; `python -m"
            " mt.align choose` finds others"
        )
    return replace(found, heads=left)


def _model_settings(
    model: Any, encoder: tuple[LayerPlan, ...], decoder: tuple[LayerPlan, ...], tokenizers: TokenizerPair
) -> dict[str, Any]:
    """Settings of the model, named as in configs/model."""
    layers = (*encoder, *decoder)
    heads = [one for layer in layers for one in layer.heads]
    first, dim = model.decoder.layers[0], model.target_embedding.tokens.embedding_dim
    sizes = {size for _, _, size in heads}
    is_usual = sizes == {dim // max(count for count, _, _ in heads)}
    return {
        "encoder": _kind(model.encoder, Encoder),
        "encoder.layer": _one(_kind(layer, EncoderLayer) for layer in model.encoder.layers),
        "decoder.layer": _one(_kind(layer, DecoderLayer) for layer in model.decoder.layers),
        "encoder.num_layers": len(encoder),
        "decoder.num_layers": len(decoder),
        "encoder.self_attention": _attention(getattr(layer, "attention", None) for layer in model.encoder.layers),
        "decoder.self_attention": _attention(getattr(layer, "self_attention", None) for layer in model.decoder.layers),
        "decoder.cross_attention": _attention(layer.cross_attention for layer in model.decoder.layers),
        "layer.num_heads": _one(count for count, _, _ in heads),
        "layer.num_kv_heads": _one(count for _, count, _ in heads),
        "layer.head_size": None if is_usual else _one(size for _, _, size in heads),
        "layer.feed_forward_dim": _one(layer.feed_forward_dim for layer in layers),
        "layer.activation": _activation(first),
        "layer.norm": next(name for name, norm in NORMS.items() if type(first.cross_residual.norm) is norm),
        "layer.norm_position": "pre" if first.cross_residual.is_pre else "post",
        "layer.positions": _positions(model),
        "tie": _tie(model),
        "vocabulary": "joint" if tokenizers.is_joint else "separate",
        "lexicon": None if model.lexicon is None else "yes",
    }


def _kind(module: nn.Module, usual: type) -> str:
    """ "transformer" for the usual class of its place, else the name of its file: "gated_unit"."""
    return TRANSFORMER if type(module) is usual else type(module).__module__.rpartition(".")[2]


def _one(values: Iterable[Any]) -> Any:
    """The value if all are equal, else all different ones in their order."""
    found = list(dict.fromkeys(values))
    return found[0] if len(found) == 1 else tuple(found)


def _attention(frames: Iterable[Any]) -> AttentionPlan:
    """The variant of a slot in all layers."""
    found: list[AttentionPlan] = []
    for frame in frames:
        one = AttentionPlan("none") if not isinstance(frame, MultiHead) else _variant(frame.mixer)
        if one not in found:
            found.append(one)
    return found[0] if len(found) == 1 else AttentionPlan(" and ".join(map(str, found)))


def _variant(mixer: nn.Module) -> AttentionPlan:
    given = inspect.signature(type(mixer).__init__).parameters
    plain = {name: getattr(mixer, name, None) for name in given if name not in ("num_heads", "head_size", "dropout")}
    settings = {name: value for name, value in plain.items() if isinstance(value, (bool, int, float, str, tuple))}
    return AttentionPlan(type(mixer).__module__.rpartition(".")[2], settings)


def _layers(layers: Iterable[nn.Module]) -> tuple[LayerPlan, ...]:
    found = []
    for layer in layers:
        frames = [part for part in layer.children() if isinstance(part, MultiHead)]
        up = getattr(getattr(layer, "feed_forward", None), "down", None)
        heads = tuple((one.num_heads, one.num_kv_heads, one.head_size) for one in frames)
        found.append(LayerPlan(heads=heads, feed_forward_dim=0 if up is None else up.in_features))
    return tuple(found)


def _activation(layer: Any) -> str:
    part = getattr(layer, "feed_forward", None)
    if part is None:
        return "none"
    if part.is_gated:
        return "swiglu"
    # relu is part of the product before it (`mt.kernels.linear`)
    return {"unchanged": "relu", "gelu": "gelu", "silu": "swish"}[part.activation.__name__]


def _positions(model: Seq2Seq) -> str:
    positions = model.target_embedding.positions
    if any(isinstance(module, Rotary) for module in model.modules()):
        return "rotary"
    if isinstance(positions, LearnedPositions):
        return "learned"
    # randomized ones are drawn in training only: a finished model has sinusoids at 0, 1, 2, …
    return "sinusoidal" if isinstance(positions, SinusoidalPositions) else "none"


def _tie(model: Seq2Seq) -> str:
    if model.output.weight is not model.target_embedding.tokens.weight:
        return "none"
    return "all" if model.is_source_tied else "target"


def _table(embedding: Embedding, length: int) -> np.ndarray | None:
    positions = embedding.positions
    if isinstance(positions, LearnedPositions):
        return array(positions.table.weight)
    if isinstance(positions, SinusoidalPositions):
        return array(sinusoids(0, length, positions.dim, torch.device("cpu")))
    return None


def _constants(model: Any) -> dict[str, float]:
    """Small numbers that hardly show in probabilities, and are compared in the exported files: exactly these."""
    rotary = next((module for module in model.modules() if isinstance(module, Rotary)), None)
    return {
        "norm_epsilon": float(model.decoder.layers[0].cross_residual.norm.eps),
        "embedding_scale": float(model.target_embedding.scale),
        **({} if rotary is None else {"rotary_base": float(rotary.base)}),
        **{"pad_id": PAD, "unk_id": UNK, "bos_id": BOS, "eos_id": EOS},
    }


def _weights(model: nn.Module) -> dict[str, np.ndarray]:
    """Weights by name; a tied one is one array."""
    arrays: dict[int, np.ndarray] = {}
    found = {}
    for name, tensor in (*model.named_parameters(remove_duplicate=False), *model.named_buffers()):
        if id(tensor) not in arrays:
            arrays[id(tensor)] = array(tensor)
        found[name] = arrays[id(tensor)]
    return found


def array(tensor: torch.Tensor) -> np.ndarray:
    """A copy as float32, or as it is if it holds whole numbers."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy().copy()


def _beam(search: Search | None) -> Beam:
    """The checkpoint's search as a beam with one result; sampling becomes the usual beam, greedy search one of 1."""
    if search is None:
        return Beam()
    size = search.size if isinstance(search, Beam) else 1 if isinstance(search, Greedy) else Beam().size
    found = adjusted(search, beam_size=size, n_best=1)
    assert isinstance(found, Beam)
    return found


def _search_value(given: Search | None, beam: Beam) -> str:
    was = "" if given is None or isinstance(given, Beam) else f" (was {type(given).__name__.lower()})"
    return f"beam {beam.size}, length penalty {beam.length_penalty:g}{was}"


def _alignment_value(choice: Choice) -> str:
    return f"layer {choice.layer}, heads {','.join(map(str, choice.heads))}"


def _tags(card: ModelCard, tokenizers: TokenizerPair) -> str:
    known = Tags.of(card, tokenizers.source).known
    return " ".join(known[:MOST_NAMED]) + (f" … {len(known)}" if len(known) > MOST_NAMED else "")
