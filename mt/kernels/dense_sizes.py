"""What a plain dense Transformer is made of, layer by layer, and the names and shapes of its weights.

Never imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

# D model, F feed-forward, A heads together, O outputs

ACTIVATIONS = ("relu", "gelu", "swiglu")
RECURRENCES = ("dense", "element", "head")  # in the order of `enum Recurrence` in decoding_step.h
SIDES = ("source", "target")
WHOLE = 16  # numbers of a vector: sizes are filled up with zeros


class LayerSizes(NamedTuple):
    """Heads and key-value heads of each attention (of self-attention, then of cross-attention), and neurons."""

    heads: tuple[int, ...]
    kv_heads: tuple[int, ...]
    feed_forward_dim: int


class LayerNames(NamedTuple):
    """Names of a layer's parts: its attentions, and its residual steps (self-attention, feed-forward, cross)."""

    prefix: str
    attentions: tuple[str, ...]
    residuals: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DenseSizes:
    """What a plain Transformer is made of; the names are those of `mt.model.layer.LayerSettings`.

    Layers may differ, as those of a pruned model do. `recurrence` is "dense" where the decoder looks back by attention;
    in place of that it may have an SSRU whose gates are those of an "element" or a "head" (`mt.attention.ssru`).
    """

    dim: int
    head_size: int
    activation: str
    norm: str
    norm_position: str
    positions: str
    max_positions: int
    encoder: tuple[LayerSizes, ...]
    decoder: tuple[LayerSizes, ...]
    source_size: int  # of the vocabularies
    target_size: int
    recurrence: str = "dense"

    def can_be_used(self) -> bool:
        """Whether the native code has all of it: it multiplies rows of whole vectors."""
        return self.dim % WHOLE == 0

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights, by their names in `mt.model.seq2seq.Seq2Seq` where nothing is tied."""
        D = self.dim
        names: dict[str, tuple[int, ...]] = {"source_embedding.tokens.weight": (self.source_size, D)}
        names |= {f"{name}.weight": (self.target_size, D) for name in ("target_embedding.tokens", "output")}
        if self.positions == "learned":
            names |= {f"{side}_embedding.positions.table.weight": (self.max_positions, D) for side in SIDES}
        norms = [] if self.norm_position == "post" else ["encoder.norm", "decoder.norm"]
        for layer, sizes in self.layers():
            for part, heads, kv_heads in zip(layer.attentions, sizes.heads, sizes.kv_heads, strict=True):
                A = heads * self.head_size
                attention = {"query": (A, D), "key_value": (2 * kv_heads * self.head_size, D), "output": (D, A)}
                for name, shape in attention.items():
                    names |= _linear(f"{layer.prefix}{part}.{name}", shape)
            F = sizes.feed_forward_dim
            up = F * (2 if self.activation == "swiglu" else 1)
            names |= _linear(f"{layer.prefix}feed_forward.up", (up, D))
            names |= _linear(f"{layer.prefix}feed_forward.down", (D, F))
            norms += [f"{layer.prefix}{part}_residual.norm" for part in layer.residuals]
        for norm in norms:
            names |= {f"{norm}.weight": (D,)} | ({f"{norm}.bias": (D,)} if self.norm == "layer" else {})
        return names

    def layers(self) -> list[tuple[LayerNames, LayerSizes]]:
        """The layers of the encoder, then those of the decoder."""
        encoder = (("attention",), ("attention", "feed_forward"))
        decoder = (("self_attention", "cross_attention"), ("self", "feed_forward", "cross"))
        halves: Sequence[tuple[str, tuple[LayerSizes, ...], tuple[tuple[str, ...], tuple[str, ...]]]] = (
            ("encoder", self.encoder, encoder),
            ("decoder", self.decoder, decoder),
        )
        return [
            (LayerNames(f"{half}.layers.{number}.", *parts), sizes)
            for half, of_half, parts in halves
            for number, sizes in enumerate(of_half)
        ]


def alike(
    num_layers: int, *, attentions: int, num_heads: int, num_kv_heads: int, feed_forward_dim: int
) -> tuple[LayerSizes, ...]:
    """Layers that are all the same, with so many attentions each: 1 in an encoder, 2 in a decoder."""
    return (LayerSizes((num_heads,) * attentions, (num_kv_heads,) * attentions, feed_forward_dim),) * num_layers


def _linear(name: str, shape: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
