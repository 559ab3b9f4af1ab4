"""Self-attention between the regions of a picture with a learned bias by rows and columns between them (Liu et al.
2021, "Swin Transformer", without windows).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.key_value import KeyValueEncoder, bias_at

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N pairs of distances


class Spatial(KeyValueEncoder):
    """softmax(q kᵀ / sqrt(K) + b[rows between, columns between]); each head has its own b, zero at the start.

    Distances beyond `furthest` count as `furthest`. A key or a query that is no region of a picture gets no bias: for
    text this is dense attention. Time and memory are those of dense attention, unfused. Raises ValueError for
    `furthest` below 1.
    """

    needs_from_source = ("places_BS2",)

    def __init__(self, num_heads: int, head_size: int, *, furthest: int = 7, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if furthest < 1:
            raise ValueError(f"furthest ({furthest}) must be at least 1")
        self.furthest = furthest
        self.bias_HN = nn.Parameter(torch.zeros(num_heads, (2 * furthest + 1) ** 2))

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, places_BS2: Tensor | None = None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        if places_BS2 is None:
            return scores_BHTS.softmax(dim=-1)
        return (scores_BHTS + self._bias(places_BS2)).softmax(dim=-1)

    def _bias(self, places_BS2: Tensor) -> Tensor:
        """bias_BHSS of queries and keys at these rows and columns."""
        distances_BSS2 = (places_BS2[:, None] - places_BS2[:, :, None]).clamp(-self.furthest, self.furthest)
        rows_BSS, columns_BSS = (distances_BSS2 + self.furthest).unbind(-1)
        bias_BHSS = bias_at(self.bias_HN, rows_BSS * (2 * self.furthest + 1) + columns_BSS)
        is_region_BS = places_BS2[..., 0] >= 0
        both_BSS = is_region_BS[:, None] & is_region_BS[:, :, None]
        return bias_BHSS * both_BSS[:, None]
