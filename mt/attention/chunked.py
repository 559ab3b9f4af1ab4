"""Exact softmax attention in blocks of queries and keys, which never holds a map of all (Rabe and Staats 2021,
"Self-attention Does Not Need O(n²) Memory").
"""

from __future__ import annotations

import torch
import torch.utils.checkpoint
from torch import Tensor

from mt.attention.contract import repeat_heads
from mt.attention.dense import Dense
from mt.attention.dropout import refuse_weight_dropout

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class Chunked(Dense):
    """Dense attention to rounding, with `block` queries times `block` keys at a time, also backward.

    Peak memory grows with T + S in place of T x S; backward the blocks are computed again, which takes a third more
    time. Dropout of weights is dense attention's alone: raises ValueError for it, and for a block below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, block: int = 256, dropout: float = 0.0):
        super().__init__(num_heads, head_size)
        if block < 1:
            raise ValueError(f"block ({block}) must be at least 1")
        refuse_weight_dropout(dropout, "chunked attention")
        self.block = block

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        k_BHSK, v_BHSK = (repeat_heads(x, q_BHTK.shape[1]) for x in (k_BGSK, v_BGSK))
        heads = []
        for start in range(0, q_BHTK.shape[2], self.block):
            rows = slice(start, start + self.block)
            own = mask if mask is None or mask.shape[-2] == 1 else mask[:, :, rows]
            arguments = (q_BHTK[:, :, rows], k_BHSK, v_BHSK, own)
            if torch.is_grad_enabled():
                heads.append(torch.utils.checkpoint.checkpoint(self._rows, *arguments, use_reentrant=False))
            else:
                heads.append(self._rows(*arguments))
        return torch.cat(heads, dim=2).to(v_BGSK.dtype)

    def _rows(self, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask: Tensor | None) -> Tensor:
        """Some queries, all keys, block by block: sums relative to the largest score so far."""
        largest_BHT1 = q_BHTK.new_full((*q_BHTK.shape[:3], 1), float("-inf"), dtype=torch.float32)
        total_BHT1 = torch.zeros_like(largest_BHT1)
        sum_BHTK = torch.zeros_like(q_BHTK, dtype=torch.float32)
        for start in range(0, k_BHSK.shape[2], self.block):
            columns = slice(start, start + self.block)
            own = None if mask is None else mask[..., columns]
            scores_BHTS = self.scores(q_BHTK, k_BHSK[:, :, columns], own).float()
            now_BHT1 = torch.maximum(largest_BHT1, scores_BHTS.amax(dim=-1, keepdim=True))
            base_BHT1 = now_BHT1.masked_fill(now_BHT1 == float("-inf"), 0.0)  # nothing to look at so far
            shares_BHTS = (scores_BHTS - base_BHT1).exp()
            before_BHT1 = (largest_BHT1 - base_BHT1).exp()
            total_BHT1 = total_BHT1 * before_BHT1 + shares_BHTS.sum(dim=-1, keepdim=True)
            sum_BHTK = sum_BHTK * before_BHT1 + (shares_BHTS.to(v_BHSK.dtype) @ v_BHSK[:, :, columns]).float()
            largest_BHT1 = now_BHT1
        return sum_BHTK / total_BHT1
