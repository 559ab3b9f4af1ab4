"""Self-attention with a learned bias by the distance between query and key (Shaw et al. 2018, "Self-Attention
with Relative Position Representations"; one number in place of a vector as in Raffel et al. 2020, "T5").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mt.attention.key_value import KeyValueCausal, KeyValueEncoder

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N buckets


class Relative(KeyValueEncoder, KeyValueCausal):
    """softmax(q kᵀ / sqrt(K) + b[bucket(s - t)]); each head has its own b, zero at the start.

    Half of the `buckets` are for keys after the query, which a decoder does not use. In each half, the first half of
    the buckets are single distances, the others are logarithmic ranges; all distances from `furthest` on share the
    last. Time and memory are those of dense attention, without its fused kernel. For self-attention only: source and
    target positions have no common distance. Raises ValueError for buckets that are no multiple of 4, and for a
    `furthest` that is not above the single distances.
    """

    def __init__(self, num_heads: int, head_size: int, *, buckets: int = 32, furthest: int = 128, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if buckets < 4 or buckets % 4:
            raise ValueError(f"buckets ({buckets}) must be a multiple of 4")
        if furthest <= buckets // 4:
            raise ValueError(f"furthest ({furthest}) must be above {buckets // 4}, a quarter of the buckets")
        self.buckets, self.furthest = buckets, furthest
        self.bias_HN = nn.Parameter(torch.zeros(num_heads, buckets))

    def bucket(self, distances_TS: Tensor) -> Tensor:
        """bucket_TS of s - t."""
        half, single = self.buckets // 2, self.buckets // 4
        size_TS = distances_TS.abs()
        share_TS = (size_TS.clamp_min(single) / single).log() / math.log(self.furthest / single)
        grown_TS = (single + (share_TS * (half - single)).long()).clamp_max(half - 1)
        return torch.where(size_TS < single, size_TS, grown_TS) + half * (distances_TS > 0)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        num_queries, num_keys = q_BHTK.shape[2], k_BGSK.shape[2]
        # the last query is at the position of the last key
        positions_T = torch.arange(num_keys - num_queries, num_keys, device=q_BHTK.device)
        distances_TS = torch.arange(num_keys, device=q_BHTK.device)[None] - positions_T[:, None]
        bias_HTS = self.bias_HN.float()[:, self.bucket(distances_TS)]
        return (self.scores(q_BHTK, k_BGSK, mask).float() + bias_HTS).softmax(dim=-1)
