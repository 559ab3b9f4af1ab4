"""Attention over a document with a learned bias by the number of sentences between query and key (sentence
distances as in Bai et al. 2021, "Segatron: Segment-Aware Transformer"; a soft form of the groups of Bao et al. 2021,
"G-Transformer for Document-level Machine Translation").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.key_value import KeyValueEncoder, KeyValueMemory, KeyValueSummary, bias_at

# B batch, H heads, G key-value heads, T queries, S keys, K head size, D distances, N documents, R rows (hypotheses)


@dataclass(frozen=True)
class SectionsSummary:
    """Keys and values of N documents, and the bias of each key."""

    plain: KeyValueSummary
    bias_NH1S: Tensor

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.plain)

    def rows(self, index: Tensor) -> SectionsSummary:
        return SectionsSummary(self.plain.rows(index), self.bias_NH1S[index])


class Sections(KeyValueEncoder, KeyValueMemory):
    """softmax(q kᵀ / sqrt(K) + b[j - i]), for a key in sentence j and a query in sentence i of the document.

    Each head has its own b, zero at the start; distances beyond `furthest` count as `furthest`. So a head can learn to
    stay in its sentence (G-Transformer masks the others) or to look at the one before. Queries of the encoder are in
    their own sentence, those of cross-attention in sentence 0, the one to be translated. The model knows where
    sentences end (`separator`, `separator_after`); a source without separators is one sentence, and this is dense
    attention. Time and memory are those of dense attention, unfused. Raises ValueError for `furthest` below 1.
    """

    needs_from_source = ("segments_BS",)

    def __init__(self, num_heads: int, head_size: int, *, furthest: int = 4, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if furthest < 1:
            raise ValueError(f"furthest ({furthest}) must be at least 1")
        self.furthest = furthest
        self.bias_HD = nn.Parameter(torch.zeros(num_heads, 2 * furthest + 1))

    def bias(self, own_BT: Tensor, segments_BS: Tensor) -> Tensor:
        """bias_BHTS of queries in the sentences `own_BT` and keys in `segments_BS`."""
        distances_BTS = segments_BS[:, None] - own_BT[:, :, None]
        return bias_at(self.bias_HD, distances_BTS.clamp(-self.furthest, self.furthest) + self.furthest)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, segments_BS: Tensor | None = None) -> Tensor:
        if segments_BS is None:
            segments_BS = one_sentence(k_BGSK)
        return self._weights(q_BHTK, k_BGSK, mask, self.bias(segments_BS, segments_BS))

    def summarize(
        self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, segments_BS: Tensor | None = None
    ) -> SectionsSummary:
        if segments_BS is None:
            segments_BS = one_sentence(k_BGSK)
        return SectionsSummary(
            super().summarize(k_BGSK, v_BGSK, mask), self.bias(torch.zeros_like(segments_BS[:, :1]), segments_BS)
        )

    def read(self, q_NHUK: Tensor, summary: SectionsSummary) -> Tensor:
        return self.mix(self.read_weights(q_NHUK, summary), summary.plain.v_NGSK)

    def read_weights(self, q_NHUK: Tensor, summary: SectionsSummary) -> Tensor:
        plain = summary.plain
        return self._weights(q_NHUK, plain.k_NGSK, plain.mask_N11S, summary.bias_NH1S)

    def _weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, bias_BHTS: Tensor) -> Tensor:
        return (self.scores(q_BHTK, k_BGSK, mask).float() + bias_BHTS).softmax(dim=-1)


def one_sentence(k_BGSK: Tensor) -> Tensor:
    """segments_B1 (broadcast over keys) where no sentences are known."""
    return torch.zeros(len(k_BGSK), 1, dtype=torch.long, device=k_BGSK.device)
