"""Removes heads, neurons and layers of a model: its matrices become smaller, and what is removed is gone.

Each function is a change of a checkpoint (`changes:` in model.yaml). Loading builds the whole model, applies the
changes, and loads the weights that are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mt.attention.multi_head import MultiHead
from mt.model.feed_forward import FeedForward
from mt.model.layer import Layers
from mt.model.seq2seq import Seq2Seq

# H heads, K head size, D model, F neurons of a feed-forward part

HALVES = ("encoder", "decoder")
SLOTS = {  # of attention, by the names of the parts in the halves
    "encoder": ("encoder", "attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}


def attentions(model: Seq2Seq) -> dict[str, MultiHead]:
    """Every attention with heads, by its name in the model: "encoder.layers.0.attention"."""
    return {name: part for name, part in model.named_modules() if isinstance(part, MultiHead)}


def slot_of(name: str) -> str:
    """ "encoder", "decoder" or "cross", of an attention's name."""
    half, part = name.partition(".")[0], name.rpartition(".")[2]
    return next(slot for slot, known in SLOTS.items() if known == (half, part))


def feed_forwards(model: Seq2Seq) -> dict[str, FeedForward]:
    """Every feed-forward part, by its name in the model: "encoder.layers.0.feed_forward"."""
    return {name: part for name, part in model.named_modules() if isinstance(part, FeedForward)}


def remove_heads(model: Seq2Seq, *, heads: Mapping[str, Sequence[int]]) -> Seq2Seq:
    """The model without these heads, by the name of their attention and their numbers in the unpruned model, from 0.

    Where attention is read (`mt.alignment.tap`), heads keep their numbers, and a removed one has only zeros. Raises
    ValueError for what is not there or already gone, for all heads of an attention, for shared key-value heads, and for
    attention that has weights of its own for each head.
    """
    known = attentions(model)
    for name, numbers in heads.items():
        attention = known.get(name)
        if attention is None:
            raise ValueError(f"remove_heads: {name} must be one of {', '.join(known)}")
        refuse_heads(name, attention)
        kept = list(range(attention.num_heads)) if attention.kept_heads is None else list(attention.kept_heads)
        for number in numbers:
            if number not in kept:
                raise ValueError(f"remove_heads: {name} has no head {number}, only {', '.join(map(str, kept))}")
        left = [number for number in kept if number not in numbers]
        if not left:
            raise ValueError(f"remove_heads: {name} must keep at least one of its {len(kept)} heads")
        reader = _alignment_head(model, attention)
        _keep_heads(attention, [kept.index(number) for number in left], left, reader)
    return model


def _alignment_head(model: nn.Module, attention: MultiHead) -> nn.Linear | None:
    """The queries of the alignment head that reads the keys of this attention, if there is one."""
    decoder: Any = getattr(model, "decoder", None)
    head: Any = getattr(decoder, "alignment_head", None)
    if head is None or decoder.layers[head.layer].cross_attention is not attention:
        return None
    return head.query


def refuse_heads(name: str, attention: MultiHead) -> None:
    """Raises ValueError for an attention whose heads cannot be removed one by one."""
    if attention.num_kv_heads != attention.num_heads:
        raise ValueError(f"remove_heads: {name} shares its key-value heads, so that none can be removed alone")
    own = [*attention.mixer.parameters(), *attention.mixer.buffers()]
    if own or type(attention) is not MultiHead:
        raise ValueError(
            f"remove_heads: {name} ({type(attention.mixer).__name__}) has weights of its own for each head"
        )


def _keep_heads(attention: MultiHead, places: Sequence[int], numbers: Sequence[int], reader: nn.Linear | None) -> None:
    """Keeps the heads at these places, which have these numbers in the unpruned model; `reader`: other queries."""
    K, num_maps = attention.head_size, attention.num_maps
    rows = [place * K + offset for place in places for offset in range(K)]
    width = attention.num_heads * K
    for queries in filter(None, (attention.query, reader)):
        _keep_outputs(queries, rows)
    _keep_outputs(attention.key_value, [*rows, *[width + row for row in rows]])
    _keep_inputs(attention.output, rows)
    attention.num_heads = attention.num_kv_heads = len(places)
    attention.kept_heads, attention.num_maps = tuple(numbers), num_maps


def remove_neurons(model: Seq2Seq, *, neurons: Mapping[str, int | Sequence[int]]) -> Seq2Seq:
    """The model without these neurons, by the name of their feed-forward part: their places, or how many.

    A number removes the last ones, which is the same where weights are loaded afterwards. Raises ValueError for what is
    not there, and for all neurons of a part.
    """
    known = feed_forwards(model)
    for name, which in neurons.items():
        part = known.get(name)
        if part is None:
            raise ValueError(f"remove_neurons: {name} must be one of {', '.join(known)}")
        width = part.down.in_features
        gone = set(range(width - which, width)) if isinstance(which, int) else set(which)
        kept = [place for place in range(width) if place not in gone]
        if not kept or len(kept) != width - len(gone):
            raise ValueError(f"remove_neurons: {name} has {width} neurons, of which one at least must stay")
        _keep_outputs(part.up, [*kept, *[width + place for place in kept]] if part.is_gated else kept)
        _keep_inputs(part.down, kept)
    return model


def remove_layers(model: Seq2Seq, *, layers: Mapping[str, Sequence[int]]) -> Seq2Seq:
    """The model without these layers, by half ("encoder", "decoder") and number, from 0; the others move up.

    Raises ValueError for what is not there, for all layers of a half, and for a decoder with an alignment head.
    """
    for half, numbers in layers.items():
        if half not in HALVES:
            raise ValueError(f"remove_layers: {half} must be one of {', '.join(HALVES)}")
        part: Any = getattr(model, half)
        count = len(part.layers)
        for number in numbers:
            if not 0 <= number < count:
                raise ValueError(f"remove_layers: {half} has no layer {number}, only 0 to {count - 1}")
        if len(set(numbers)) >= count:
            raise ValueError(f"remove_layers: {half} has layers 0 to {count - 1}, of which one at least must stay")
        if half == "decoder" and numbers and part.alignment_head is not None:
            raise ValueError("remove_layers: the decoder has an alignment head, which reads one of its layers")
        part.layers = Layers(layer for number, layer in enumerate(part.layers) if number not in numbers)
    return model


def _keep_outputs(linear: nn.Linear, rows: Sequence[int]) -> None:
    linear.weight = _kept(linear.weight, rows, 0)
    if linear.bias is not None:
        linear.bias = _kept(linear.bias, rows, 0)
    linear.out_features = len(rows)


def _keep_inputs(linear: nn.Linear, columns: Sequence[int]) -> None:
    linear.weight, linear.in_features = _kept(linear.weight, columns, 1), len(columns)


def _kept(parameter: Tensor, places: Sequence[int], dim: int) -> nn.Parameter:
    index = torch.tensor(list(places), device=parameter.device)
    with torch.no_grad():
        return nn.Parameter(parameter.index_select(dim, index), requires_grad=parameter.requires_grad)


def with_all_heads(model: nn.Module) -> nn.Module:
    """The model with heads that give nothing in place of removed ones: for programs that know one number of heads.

    It computes the same, and heads have their numbers.
    """
    for attention in [part for part in model.modules() if isinstance(part, MultiHead) and part.kept_heads is not None]:
        assert attention.kept_heads is not None
        K, num_maps = attention.head_size, attention.num_maps
        rows = [number * K + offset for number in attention.kept_heads for offset in range(K)]
        for queries in filter(None, (attention.query, _alignment_head(model, attention))):
            _spread(queries, rows, num_maps * K, 0)
        _spread(attention.key_value, [*rows, *[num_maps * K + row for row in rows]], 2 * num_maps * K, 0)
        _spread(attention.output, rows, num_maps * K, 1)
        attention.num_heads = attention.num_kv_heads = num_maps
        attention.kept_heads = None
    return model


def _spread(linear: nn.Linear, places: Sequence[int], size: int, dim: int) -> None:
    """Puts the rows (dim 0, with the bias) or columns of a matrix at these places of a larger one, of zeros."""
    index = torch.tensor(list(places), device=linear.weight.device)

    def spread(tensor: Tensor) -> nn.Parameter:
        shape = [size if place == dim else length for place, length in enumerate(tensor.shape)]
        return nn.Parameter(tensor.detach().new_zeros(shape).index_copy(dim, index, tensor.detach()))

    linear.weight = spread(linear.weight)
    if dim == 0:
        linear.bias, linear.out_features = spread(linear.bias), size
    else:
        linear.in_features = size
