"""Scaled dot-product attention (Vaswani et al. 2017): the dense mixer, with which all variants are compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.contract import repeat_heads
from mt.attention.key_value import KeyValueMixer
from mt.kernels.attention import attend, attends
from mt.kernels.products import multiplied_in

# B batch, H heads, G key-value heads, T queries, S keys, K head size

MANY_PRODUCTS = 100  # from so many sentences x heads on, a few batched products beat the fused kernel
SMALLEST_PRODUCT = 400  # below so many multiplications a product, torch loops over the batch, which is slow


class Dense(KeyValueMixer):
    """softmax(q kᵀ / sqrt(K)) v. Time and memory grow with T x S; the cache with the positions."""

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask)
        return scores_BHTS.softmax(dim=-1, dtype=torch.float32)

    def attend(
        self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, **known: Tensor | None
    ) -> Tensor:
        k_BHSK, v_BHSK = (repeat_heads(x, q_BHTK.shape[1]) for x in (k_BGSK, v_BGSK))
        if q_BHTK.device.type != "cpu":
            rate = self.dropout.rate if self.training else 0.0
            return nn.functional.scaled_dot_product_attention(
                q_BHTK, k_BHSK, v_BHSK, mask, dropout_p=rate, scale=self.scale
            )
        if not self.training and not torch.is_grad_enabled():
            if multiplied_in(q_BHTK.dtype) != q_BHTK.dtype and attends(q_BHTK, k_BGSK, v_BGSK, mask):
                return attend(q_BHTK, k_BGSK, v_BGSK, mask, self.scale)  # torch would multiply in bfloat16
            return attend_without_gradients(q_BHTK, k_BHSK, v_BHSK, mask, self.scale)
        if not (self.training and self.dropout.rate) and attends(q_BHTK, k_BGSK, v_BGSK, mask):
            return attend(q_BHTK, k_BGSK, v_BGSK, mask, self.scale)
        # For short sequences, plain products in bfloat16 take a fifth of the time of the CPU's fused kernel, which is
        # faster from thousands of pieces on (`Chunked`).
        return super().attend(q_BHTK, k_BHSK, v_BHSK, mask, **known)


def attend_without_gradients(
    q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """heads_BHTK on the CPU: one kernel where the work is small, else few large steps. X = B * H."""
    B, H, T, K = q_BHTK.shape
    S = k_BHSK.shape[2]
    if B * H < MANY_PRODUCTS:
        return nn.functional.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, mask, scale=scale)
    q_XTK, k_XSK, v_XSK = q_BHTK.reshape(-1, T, K), k_BHSK.reshape(-1, S, K), v_BHSK.reshape(-1, S, K)
    if mask is not None:
        bias = torch.zeros_like(mask, dtype=q_XTK.dtype).masked_fill_(~mask, float("-inf"))
        bias_XTS = bias.expand(B, H, -1, S).reshape(B * H, -1, S)
        scores_XTS = torch.baddbmm(bias_XTS, q_XTK, k_XSK.transpose(1, 2), alpha=scale)
    elif T * S * K < SMALLEST_PRODUCT:
        scores_XTS = (q_XTK.unsqueeze(2) * k_XSK.unsqueeze(1)).sum(-1).mul_(scale)
    else:
        scores_XTS = torch.baddbmm(q_XTK.new_empty(1, 1, 1), q_XTK, k_XSK.transpose(1, 2), beta=0, alpha=scale)
    weights_XTS = softmax_of_rows(scores_XTS).to(v_XSK.dtype)
    if T * S * K < SMALLEST_PRODUCT:
        heads_XTK = (weights_XTS.unsqueeze(-1) * v_XSK.unsqueeze(1)).sum(2)
    else:
        heads_XTK = weights_XTS @ v_XSK
    return heads_XTK.view(B, H, T, K)


def softmax_of_rows(scores_XTS: Tensor) -> Tensor:
    """softmax(dim=-1) in float32; rows shorter than a vector register become columns, which is 5 times faster."""
    S = scores_XTS.shape[-1]
    if S >= 16:
        return scores_XTS.softmax(-1, dtype=torch.float32)
    columns = scores_XTS.view(-1, S).t().contiguous().softmax(0, dtype=torch.float32)
    return columns.t().contiguous().view_as(scores_XTS)
