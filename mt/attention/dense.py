"""Scaled dot-product attention (Vaswani et al. 2017): the dense mixer, first of the variants and their yardstick."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import CausalMixer, MemoryMixer, gather_hypotheses, repeat_heads, scatter_hypotheses
from mt.attention.dropout import Dropout
from mt.attention.mask import causal_mask

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, R rows (hypotheses)


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
    """Self-attention's cache: keys and values of the positions so far; None before the first."""

    k_BGSK: Tensor | None = None
    v_BGSK: Tensor | None = None

    @property
    def length(self) -> int:
        return 0 if self.k_BGSK is None else self.k_BGSK.shape[2]

    def append(self, k_BGTK: Tensor, v_BGTK: Tensor) -> DensePast:
        if self.k_BGSK is None or self.v_BGSK is None:
            return DensePast(k_BGTK, v_BGTK)
        return DensePast(torch.cat((self.k_BGSK, k_BGTK), dim=2), torch.cat((self.v_BGSK, v_BGTK), dim=2))

    def rows(self, index: Tensor) -> DensePast:
        if self.k_BGSK is None or self.v_BGSK is None:
            return self
        return DensePast(self.k_BGSK.index_select(0, index), self.v_BGSK.index_select(0, index))


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
        # For the short sequences of translation, plain products beat the CPU's fused kernel, above all backward.
        return self.dropout(self.weights(q_BHTK, k_BHSK, mask).to(v_BHSK.dtype)) @ v_BHSK

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> DenseSummary:
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
