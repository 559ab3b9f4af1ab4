"""Exact softmax attention in blocks of queries and keys, which never stores a whole map (Rabe and Staats 2021,
"Self-attention Does Not Need O(n²) Memory"; Dao et al. 2022, "FlashAttention").
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from mt.attention.contract import repeat_heads
from mt.attention.dense import Dense
from mt.attention.dropout import refuse_weight_dropout
from mt.attention.key_value import KeyValuePast

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class Chunked(Dense):
    """Dense attention, up to rounding, by torch's fused kernel, which works in blocks, also in the backward pass.

    Peak memory grows with T + S in place of T x S. Raises ValueError for dropout of weights, which only dense attention
    has.
    """

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__(num_heads, head_size)
        refuse_weight_dropout(dropout, "chunked attention")

    def attend(
        self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, **known: Tensor | None
    ) -> Tensor:
        return self._fused(q_BHTK, k_BGSK, v_BGSK, mask)

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: KeyValuePast) -> tuple[Tensor, KeyValuePast]:
        if past.length or q_BHTK.shape[2] == 1:
            return super().extend(q_BHTK, k_BGTK, v_BGTK, past)
        # whole targets: is_causal, because a mask would itself have T x T places
        return self._fused(q_BHTK, k_BGTK, v_BGTK, None, is_causal=True), past.append(k_BGTK, v_BGTK)

    def _fused(
        self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, *, is_causal: bool = False
    ) -> Tensor:
        k_BHSK, v_BHSK = (repeat_heads(x, q_BHTK.shape[1]) for x in (k_BGSK, v_BGSK))
        return scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, mask, is_causal=is_causal, scale=self.scale)
