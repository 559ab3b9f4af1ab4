"""Cross-attention around a place that the query predicts: "local-p" (Luong et al. 2015, "Effective Approaches to
Attention-based Neural Machine Translation").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.key_value import KeyValueMemory
from mt.attention.precision import full_precision

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class Local(KeyValueMemory):
    """softmax(q kᵀ / sqrt(K) - (s - p)² / (2 σ²)), with the centre p = (S - 1) sigmoid(u . tanh(W q)) of S real keys.

    Each head has its own W and u; σ is half of `reach`, in keys. The bell is inside the softmax, so that rows sum to
    one and the centre has a gradient; the paper cuts at the reach and multiplies afterwards. Time and memory are those
    of dense attention. Raises ValueError for a reach that is not above 0.
    """

    def __init__(self, num_heads: int, head_size: int, *, reach: float = 8.0, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if not reach > 0:
            raise ValueError(f"reach ({reach}) must be above 0")
        self.reach = reach
        self.inner_HKK = nn.Parameter(torch.randn(num_heads, head_size, head_size) * head_size**-0.5)
        self.outer_HK1 = nn.Parameter(torch.randn(num_heads, head_size, 1) * head_size**-0.5)

    def centres(self, q_BHTK: Tensor, real_B111: Tensor) -> Tensor:
        """centres_BHT1, from 0 to the last of the real keys, of which there are `real_B111`."""
        with full_precision(q_BHTK):  # the 8 bits of bfloat16 cannot tell thousands of places apart
            inner_BHTK = (q_BHTK.float() @ self.inner_HKK.float()).tanh()
            return (real_B111 - 1) * (inner_BHTK @ self.outer_HK1.float()).sigmoid()

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        centres_BHT1 = self.centres(q_BHTK, num_real(k_BGSK, mask))
        return (self.scores(q_BHTK, k_BGSK, mask).float() + bell(centres_BHT1, k_BGSK.shape[2], self.reach)).softmax(-1)


def num_real(k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
    """The number of keys of each sentence, without padding: B 1 1 1, or 1 1 1 1 if all are the same."""
    if mask is None:
        return torch.full((1, 1, 1, 1), float(k_BGSK.shape[2]), device=k_BGSK.device)
    return mask.sum(dim=-1, keepdim=True).float()


def bell(centres_BHT1: Tensor, num_keys: int, reach: float) -> Tensor:
    """-(s - p)² / (2 σ²) for each key s and centre p, with σ half of `reach`: added to scores before the softmax."""
    distances_BHTS = torch.arange(num_keys, device=centres_BHT1.device) - centres_BHT1
    return -distances_BHTS.square() / (2 * (reach / 2) ** 2)
