"""Scaled dot-product attention (Vaswani et al. 2017): the dense mixer, first of the variants and their yardstick."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mt.attention.contract import CausalMixer, MemoryMixer, gather_hypotheses, repeat_heads, scatter_hypotheses
from mt.attention.dropout import Dropout
from mt.attention.mask import causal_mask

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, R rows (hypotheses)

MANY_PRODUCTS = 100  # of a batch, from which several passes over all of them beat a fused kernel on each
SMALLEST_PRODUCT = 400  # below so many multiplications each, torch does products of a batch one by one in a plain loop
BLOCK = 16  # positions that a cache takes memory for at a time


@dataclass(frozen=True)
class DenseSummary:
    """Cross-attention's cache: keys and values of N sentences and the mask over their S positions."""

    k_NGSK: Tensor
    v_NGSK: Tensor
    mask_N11S: Tensor | None

    def rows(self, index: Tensor) -> DenseSummary:
        mask = None if self.mask_N11S is None else self.mask_N11S[index]
        return DenseSummary(self.k_NGSK[index], self.v_NGSK[index], mask)


@dataclass(frozen=True)
class DensePast:
    """Self-attention's cache: keys and values of the positions so far; None before the first.

    Without gradients both lie in one tensor, positions first, and `index` says which of its rows are meant (None: all,
    as they are). They are picked when the next positions are written: a beam that is reordered at every step is copied
    once a step, in one go.
    """

    k_BGSK: Tensor | None = None
    v_BGSK: Tensor | None = None
    both_S2BGK: Tensor | None = None
    index: Tensor | None = None

    @property
    def length(self) -> int:
        return 0 if self.k_BGSK is None else self.k_BGSK.shape[2]

    def append(self, k_BGTK: Tensor, v_BGTK: Tensor) -> DensePast:
        if self.k_BGSK is None or self.v_BGSK is None:
            return DensePast(k_BGTK, v_BGTK)
        if torch.is_grad_enabled():  # nothing may be written into what the backward pass will read
            old_k, old_v = (x if self.index is None else x[self.index] for x in (self.k_BGSK, self.v_BGSK))
            return DensePast(torch.cat((old_k, k_BGTK), dim=2), torch.cat((old_v, v_BGTK), dim=2))
        old_S2BGK = self.both_S2BGK
        if old_S2BGK is None:
            old_S2BGK = torch.stack((self.k_BGSK, self.v_BGSK)).permute(3, 0, 1, 2, 4)
        (B, G, T, K), S = k_BGTK.shape, self.length
        # in sizes that come again, so that memory which is freed can be used by the next step
        both_S2BGK = k_BGTK.new_empty(-(-(S + T) // BLOCK) * BLOCK, 2, B, G, K)[: S + T]
        if self.index is None:
            both_S2BGK[:S] = old_S2BGK
        else:
            torch.index_select(old_S2BGK, 2, self.index, out=both_S2BGK[:S])
        both_2BGSK = both_S2BGK.permute(1, 2, 3, 0, 4)
        both_2BGSK[0, :, :, S:], both_2BGSK[1, :, :, S:] = k_BGTK, v_BGTK
        return DensePast(*both_2BGSK.unbind(), both_S2BGK)

    def rows(self, index: Tensor) -> DensePast:
        if self.k_BGSK is None:
            return self
        return replace(self, index=index if self.index is None else self.index[index])


class Dense(MemoryMixer, CausalMixer):
    """softmax(q kᵀ / sqrt(K)) v. Time and memory grow with T x S; the cache with the positions."""

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__()
        self.scale = head_size**-0.5
        self.dropout = Dropout(dropout)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        k_BHSK = repeat_heads(k_BGSK, q_BHTK.shape[1])
        scores_BHTS = (q_BHTK * self.scale) @ k_BHSK.transpose(-1, -2)
        if mask is not None:
            scores_BHTS = scores_BHTS.masked_fill(~mask, float("-inf"))
        return scores_BHTS.softmax(dim=-1, dtype=torch.float32)

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        k_BHSK, v_BHSK = (repeat_heads(x, q_BHTK.shape[1]) for x in (k_BGSK, v_BGSK))
        if q_BHTK.device.type != "cpu":
            rate = self.dropout.rate if self.training else 0.0
            return nn.functional.scaled_dot_product_attention(
                q_BHTK, k_BHSK, v_BHSK, mask, dropout_p=rate, scale=self.scale
            )
        if not self.training and not torch.is_grad_enabled():
            return attend_without_gradients(q_BHTK, k_BHSK, v_BHSK, mask, self.scale)
        # For the short sequences of translation, plain products beat the CPU's fused kernel, above all backward.
        return self.dropout(self.weights(q_BHTK, k_BHSK, mask).to(v_BHSK.dtype)) @ v_BHSK

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> DenseSummary:
        if not torch.is_grad_enabled():  # laid out once for all the steps that read them
            k_BGSK, v_BGSK = k_BGSK.contiguous(), v_BGSK.contiguous()
        return DenseSummary(k_BGSK, v_BGSK, mask)

    def read(self, q_RHTK: Tensor, summary: DenseSummary) -> Tensor:
        q_NHUK = gather_hypotheses(q_RHTK, summary.k_NGSK.shape[0])
        return scatter_hypotheses(self.attend(q_NHUK, summary.k_NGSK, summary.v_NGSK, summary.mask_N11S), len(q_RHTK))

    def read_weights(self, q_RHTK: Tensor, summary: DenseSummary) -> Tensor:
        q_NHUK = gather_hypotheses(q_RHTK, summary.k_NGSK.shape[0])
        return scatter_hypotheses(self.weights(q_NHUK, summary.k_NGSK, summary.mask_N11S), len(q_RHTK))

    def start(self) -> DensePast:
        return DensePast()

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: DensePast) -> tuple[Tensor, DensePast]:
        now = past.append(k_BGTK, v_BGTK)
        mask = causal_mask(q_BHTK.shape[2], past.length, q_BHTK.device)
        return self.attend(q_BHTK, now.k_BGSK, now.v_BGSK, mask), now


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
