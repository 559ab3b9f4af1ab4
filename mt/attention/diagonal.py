"""Cross-attention along the diagonal: "local-m" (Luong et al. 2015, "Effective Approaches to Attention-based Neural
Machine Translation").
"""

from __future__ import annotations

import torch
from torch import Tensor

from mt.attention.key_value import KeyValueMemory, KeyValueSummary
from mt.attention.local import bell, num_real

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, R rows, U = R / N x T


class Diagonal(KeyValueMemory):
    """softmax(q kᵀ / sqrt(K) - (s - p)² / (2 σ²)), with the centre p = t, the target position, or the last real key.

    σ is half of `reach`, in keys; the paper cuts a window at the reach and has no bell around this centre. It assumes
    the same order in source and target: words in other places are out of reach. `mt.attention.local.Local` predicts the
    centre instead. Time and memory are those of dense attention. Raises ValueError for a reach that is not above 0.
    """

    needs_from_decoder = ("position", "period")

    def __init__(self, num_heads: int, head_size: int, *, reach: float = 8.0, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if not reach > 0:
            raise ValueError(f"reach ({reach}) must be above 0")
        self.reach = reach

    def weights(
        self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, position: int = 0, period: int | None = None
    ) -> Tensor:
        """The first query is at `position`; after each `period` queries, positions start at `position` again."""
        length = q_BHTK.shape[2]
        places_T1 = position + torch.arange(length, device=q_BHTK.device)[:, None] % (period or max(1, length))
        centres_B1T1 = torch.minimum(places_T1, num_real(k_BGSK, mask) - 1)
        return (self.scores(q_BHTK, k_BGSK, mask).float() + bell(centres_B1T1, k_BGSK.shape[2], self.reach)).softmax(-1)

    def read(self, q_NHUK: Tensor, summary: KeyValueSummary, position: int = 0, period: int | None = None) -> Tensor:
        return self.mix(self.read_weights(q_NHUK, summary, position, period), summary.v_NGSK)

    def read_weights(
        self, q_NHUK: Tensor, summary: KeyValueSummary, position: int = 0, period: int | None = None
    ) -> Tensor:
        return self.weights(q_NHUK, summary.k_NGSK, summary.mask_N11S, position, period)
