"""Whether native code has the model that a checkpoint describes, and the sizes of its layers. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mt.checkpoint.card import ModelCard
from mt.kernels.dense_sizes import ACTIVATIONS, DenseSizes, LayerSizes, alike

# The only settings that the native code has; all other ones must be such that they change nothing in inference.
MODEL = {"_target_": "mt.model.seq2seq.Seq2Seq"}
LAYER = {"_target_": "mt.model.layer.LayerSettings"}
ENCODER = {"_target_": "mt.model.encoder.Encoder", "_partial_": True}
DECODER = {"_target_": "mt.model.decoder.Decoder", "_partial_": True}
DENSE = {"_target_": "mt.attention.dense.Dense", "_partial_": True}
SSRU = {"_target_": "mt.attention.ssru.Ssru", "_partial_": True}
GATES = ("element", "head")  # of an SSRU; the first is the one that a checkpoint need not name
ROUNDED = "mt.compression.quantization.int8_weights"  # changes how weights are stored: they come as floats
PRUNING = "mt.compression.pruning."
OF_TRAINING = ("dropout", "attention_dropout", "attention_dropout_of", "activation_dropout")
OF_LAYERS = (*("dim", "num_heads", "num_kv_heads", "feed_forward_dim", "head_size"), "activation", "norm")
OF_MODEL = ("recompute", "separator", "separator_after")  # change nothing in inference with dense attention
KNOWN = {
    "activation": ACTIVATIONS,
    "norm": ("layer", "rms"),
    "norm_position": ("pre", "post"),
    "positions": ("sinusoidal", "learned", "rotary", "randomized"),
}


def sizes_of(card: ModelCard, *, source_size: int, target_size: int) -> DenseSizes | None:
    """The sizes of a model that is dense and plain, after its changes; None for another one, or one that is wrong."""
    node: Any = card.model
    layer, encoder, decoder = (node.get(name) for name in ("layer", "encoder", "decoder"))
    of_layers = (*OF_LAYERS, "norm_position", "positions")
    is_plain = (
        _has(node, MODEL, (*("layer", "encoder", "decoder", "tie", "max_positions"), *OF_MODEL))
        and _has(layer, LAYER, (*of_layers, *OF_TRAINING))
        and _has(encoder, ENCODER, ("num_layers", "self_attention", "layer"))
        and _has(decoder, DECODER, ("num_layers", "self_attention", "cross_attention", "layer", "memory_dim"))
        and encoder.get("layer") is None
        and decoder.get("layer") is None
        and decoder.get("memory_dim") is None
        and all(part == DENSE for part in (encoder["self_attention"], decoder["cross_attention"]))
        and all(layer[name] in known for name, known in KNOWN.items())
    )
    recurrence = _recurrence(decoder["self_attention"]) if is_plain else None
    if recurrence is None:
        return None
    numbers: dict[str, Any] = {name: layer[name] for name in ("dim", "num_heads", "num_kv_heads", "feed_forward_dim")}
    numbers["head_size"] = layer["head_size"] or layer["dim"] // max(layer["num_heads"], 1)
    numbers |= {"encoder": encoder["num_layers"], "decoder": decoder["num_layers"]}
    numbers["max_positions"] = node["max_positions"]
    if not all(type(number) is int and number > 0 for number in numbers.values()):
        return None
    if numbers["num_heads"] % numbers["num_kv_heads"] or (layer["positions"] == "rotary" and numbers["head_size"] % 2):
        return None
    same = {name: numbers.pop(name) for name in ("num_heads", "num_kv_heads", "feed_forward_dim")}
    halves = [alike(numbers.pop(half), attentions=count, **same) for half, count in (("encoder", 1), ("decoder", 2))]
    words = {name: layer[name] for name in KNOWN}
    sizes = DenseSizes(
        **numbers,
        **words,
        encoder=halves[0],
        decoder=halves[1],
        recurrence=recurrence,
        source_size=source_size,
        target_size=target_size,
    )
    try:
        sizes = _changed(sizes, card.changes)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):  # wrong changes: torch says what is wrong
        return None
    return sizes if sizes.can_be_used() else None


def _recurrence(node: Any) -> str | None:
    """How the decoder looks back, as `DenseSizes` has it; None for what native code does not have."""
    if node == DENSE:
        return "dense"
    gate = node.get("per", GATES[0]) if _has(node, SSRU, ("per",)) else None
    return gate if gate in GATES else None


def _changed(sizes: DenseSizes, changes: Sequence[Mapping[str, Any]]) -> DenseSizes:
    """The sizes after pruning, as `mt.compression.pruning` does it to models. Raises ValueError and others for what
    would be refused there."""
    kept = {half: [_Kept(one) for one in getattr(sizes, half)] for half in ("encoder", "decoder")}
    for change in changes:
        target, arguments = change["_target_"], {name: what for name, what in change.items() if name != "_target_"}
        if target == ROUNDED and not arguments:
            continue
        name, of_parts = target.removeprefix(PRUNING), arguments.pop(target.rpartition("remove_")[2])
        if (
            not target.startswith(PRUNING)
            or arguments
            or name not in ("remove_heads", "remove_neurons", "remove_layers")
        ):
            raise ValueError(target)
        for part, what in of_parts.items():
            if name == "remove_layers":
                gone = _numbers(what, range(len(kept[part])))
                kept[part] = [one for number, one in enumerate(kept[part]) if number not in gone]
                if not kept[part]:
                    raise ValueError(part)
                continue
            half, layers, number, own = part.split(".")
            if layers != "layers" or not number.isdecimal():
                raise ValueError(part)
            kept[half][int(number)].remove(half, own, what)
    encoder, decoder = (tuple(one.sizes() for one in layers) for layers in kept.values())
    return replace(sizes, encoder=encoder, decoder=decoder)


ATTENTIONS = {"encoder": ("attention",), "decoder": ("self_attention", "cross_attention")}


class _Kept:
    """What is left of a layer: the numbers of its heads in the unpruned model, and how many neurons."""

    def __init__(self, layer: LayerSizes):
        self.layer, self.feed_forward_dim = layer, layer.feed_forward_dim
        self.heads = [list(range(count)) for count in layer.heads]

    def remove(self, half: str, part: str, what: Any) -> None:
        if part == "feed_forward":
            last = range(self.feed_forward_dim - what, self.feed_forward_dim) if type(what) is int else what
            self.feed_forward_dim -= len(_numbers(list(last), range(self.feed_forward_dim)))
            if self.feed_forward_dim < 1:
                raise ValueError(part)
            return
        which = ATTENTIONS[half].index(part)
        gone = _numbers(what, self.heads[which])
        self.heads[which] = [number for number in self.heads[which] if number not in gone]
        if not self.heads[which] or self.layer.kv_heads != self.layer.heads:
            raise ValueError(part)

    def sizes(self) -> LayerSizes:
        counts = tuple(map(len, self.heads))
        kv_heads = self.layer.kv_heads if counts == self.layer.heads else counts
        return LayerSizes(counts, kv_heads, self.feed_forward_dim)


def _numbers(what: Any, known: Sequence[int]) -> set[int]:
    """The numbers of a list, all of which are known. Raises ValueError."""
    if not isinstance(what, list) or not all(type(one) is int and one in known for one in what):
        raise ValueError(what)
    return set(what)


def _has(node: Any, named: Mapping[str, Any], known: Sequence[str]) -> bool:
    """Whether a node is a mapping with these values, and no other keys than the known ones."""
    return (
        isinstance(node, Mapping)
        and all(node.get(name) == value for name, value in named.items())
        and node.keys() <= {*named, *known}
        and all(name in node for name in known if name not in ("layer", "memory_dim", "per", *OF_MODEL))
    )
