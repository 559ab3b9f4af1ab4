"""Attention to mixtures of keys: `LowRank`, `MultiScale` and `Pooled` attend to M mixtures in place of S keys.

With a mixing matrix E (M x S, rows sum to one over the keys that the mask allows),
weights = softmax(q (E k)ᵀ / sqrt(K)) E: rows sum to one over the keys again, so that maps can be drawn. The cache holds
M keys and values in place of S.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mt.attention.contract import EncoderMixer, MemoryMixer, repeat_heads
from mt.attention.dropout import Dropout
from mt.attention.mask import real_keys

# B batch, H heads, G key-value heads, T queries, S keys, M mixtures, K head size, N sentences, R rows (hypotheses)


@dataclass(frozen=True)
class MixedSummary:
    """Mixed keys and values of N sentences, which mixtures hold a key, and which keys are real (not padding).

    `mixing_NMS` is the mixing itself where it cannot be made of `real_NS` alone.
    """

    k_NGMK: Tensor
    v_NGMK: Tensor
    mask_N11M: Tensor
    real_NS: Tensor
    mixing_NMS: Tensor | None = None

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.k_NGMK)

    def rows(self, index: Tensor) -> MixedSummary:
        mixing_NMS = None if self.mixing_NMS is None else self.mixing_NMS[index]
        keys = self.k_NGMK[index], self.v_NGMK[index], self.mask_N11M[index], self.real_NS[index]
        return MixedSummary(*keys, mixing_NMS)


class MixedKeys(EncoderMixer, MemoryMixer):
    """A subclass defines `mixing`; `mix` and `filled` can be overridden by something that costs less."""

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__()
        self.scale = head_size**-0.5
        self.dropout = Dropout(dropout)

    def mixing(self, real_BS: Tensor) -> Tensor:
        """mixing_BMS: rows sum to one over the real keys, or are zero where a mixture has none."""
        raise NotImplementedError

    def mix(self, x_BGSK: Tensor, real_BS: Tensor) -> Tensor:
        """x_BGMK = mixing @ x."""
        return self.mixing(real_BS).to(x_BGSK.dtype)[:, None] @ x_BGSK

    def filled(self, real_BS: Tensor) -> Tensor:
        """filled_BM: which mixtures hold any real key."""
        return self.mixing(real_BS).sum(dim=-1) > 0

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self._weights(q_BHTK, self.summarize(k_BGSK, k_BGSK, mask))

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self._attend(q_BHTK, self.summarize(k_BGSK, v_BGSK, mask))

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> MixedSummary:
        real_BS = real_keys(mask, k_BGSK)
        k_BGMK, v_BGMK = self.mix(torch.cat((k_BGSK, v_BGSK), dim=1), real_BS).chunk(2, dim=1)
        return MixedSummary(k_BGMK, v_BGMK, self.filled(real_BS)[:, None, None], real_BS)

    def read(self, q_NHUK: Tensor, summary: MixedSummary) -> Tensor:
        return self._attend(q_NHUK, summary)

    def read_weights(self, q_NHUK: Tensor, summary: MixedSummary) -> Tensor:
        return self._weights(q_NHUK, summary)

    def _attend(self, q_NHUK: Tensor, summary: MixedSummary) -> Tensor:
        shares_NHUM = self.dropout(self._shares(q_NHUK, summary).to(summary.v_NGMK.dtype))
        return shares_NHUM @ repeat_heads(summary.v_NGMK, q_NHUK.shape[1])

    def _weights(self, q_NHUK: Tensor, summary: MixedSummary) -> Tensor:
        mixing_NMS = self.mixing(summary.real_NS) if summary.mixing_NMS is None else summary.mixing_NMS
        return self._shares(q_NHUK, summary) @ mixing_NMS[:, None]

    def _shares(self, q_NHUK: Tensor, summary: MixedSummary) -> Tensor:
        scores_NHUM = (q_NHUK * self.scale) @ repeat_heads(summary.k_NGMK, q_NHUK.shape[1]).transpose(-1, -2)
        scores_NHUM = scores_NHUM.masked_fill(~summary.mask_N11M, float("-inf"))
        return scores_NHUM.softmax(dim=-1, dtype=torch.float32)
