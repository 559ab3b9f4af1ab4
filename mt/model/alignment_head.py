"""Heads that only align: own queries to the keys of a cross-attention, trained while the model is frozen.

After Shift-AET (Chen et al. 2020, "Accurate Word Alignment Induction from Neural Machine Translation"), which learns
queries and keys. Here the keys are the layer's own, so that any mixer works and nothing more is cached.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mt.attention.multi_head import MultiHead
from mt.attention.reading import Reading
from mt.kernels.linear import Linear
from mt.model.seq2seq import Seq2Seq

# R rows, T target positions, S source length, D model, H heads, K head size


class AlignmentHead(nn.Module):
    """Reads the states after decoder layer `layer`; a tap sees its heads as an additional layer after all others.

    `dim` is the width of the states, `size` that of the queries of all heads together.
    """

    def __init__(self, dim: int, size: int, layer: int):
        super().__init__()
        self.layer = layer
        self.norm, self.query = nn.LayerNorm(dim), Linear(dim, size)

    def forward(self, states_RTD: Tensor, attention: MultiHead, summary: Any, reading: Reading) -> Tensor:
        """weights_RHTS: attention weights of the heads over the memory that `attention` summarized."""
        # R T (H K) -> R H T K
        q_RHTK = self.query(self.norm(states_RTD)).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        return attention.weights_of(q_RHTK, summary, reading)


def last_but_one(num_layers: int) -> int:
    """The decoder layer, from 0, whose attention is taken for links where none is named; the only one of one layer."""
    return max(0, num_layers - 2)


def add_alignment_head(model: Seq2Seq, *, layer: int) -> Seq2Seq:
    """The model with a fresh alignment head after decoder layer `layer`, from 0; it translates as before.

    Raises ValueError for a layer that does not exist, and for a model that has an alignment head already.
    """
    decoder = model.decoder
    if not 0 <= layer < len(decoder.layers):
        raise ValueError(f"alignment head: layer ({layer}) must be from 0 to {len(decoder.layers) - 1}")
    if decoder.alignment_head is not None:
        raise ValueError("alignment head: the model has one already")
    query = decoder.layers[layer].cross_attention.query
    decoder.alignment_head = AlignmentHead(query.in_features, query.out_features, layer)
    return model
