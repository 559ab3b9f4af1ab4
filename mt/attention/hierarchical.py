"""Attention over three levels of a document: pieces, sentences, the whole document (after Werlen et al. 2018,
"Document-Level Neural Machine Translation with Hierarchical Attention Networks").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import EncoderMixer, MemoryMixer, repeat_heads
from mt.attention.dropout import Dropout
from mt.attention.mask import real_keys

# B batch, H heads, G key-value heads, T queries, S keys, K head size, J sentences of a document, C means (J + 1),
# M places (S + C), N documents, R rows (hypotheses), L levels

LEVELS = 3  # pieces, sentences, the document


@dataclass(frozen=True)
class HierarchicalSummary:
    """Keys and values of N documents, then those of their sentences and of the whole; `means` makes these of pieces."""

    k_NGMK: Tensor
    v_NGMK: Tensor
    mask_N11M: Tensor
    means_NCS: Tensor

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.k_NGMK)

    def rows(self, index: Tensor) -> HierarchicalSummary:
        return HierarchicalSummary(self.k_NGMK[index], self.v_NGMK[index], self.mask_N11M[index], self.means_NCS[index])


class Hierarchical(EncoderMixer, MemoryMixer):
    """sum over levels l of g_l softmax(q k_lᵀ / sqrt(K)) v_l, with the gate g = softmax(q W + b) of each head.

    k and v of a sentence, and of the document, are means over their pieces; in a map their weight is spread evenly over
    these pieces. The model knows where sentences end (`separator`, `separator_after`); a source without separators is
    one sentence. In the paper a gate mixes two levels of earlier sentences into a state; here the gate is over three
    levels of one memory. Sentences after the first max_sentences - 1 count as one. Time and memory are those of dense
    attention with max_sentences + 1 more keys. Raises ValueError for `max_sentences` below 1.
    """

    needs_from_source = ("segments_BS",)

    def __init__(self, num_heads: int, head_size: int, *, max_sentences: int = 16, dropout: float = 0.0):
        super().__init__()
        if max_sentences < 1:
            raise ValueError(f"max_sentences ({max_sentences}) must be at least 1")
        self.scale, self.max_sentences = head_size**-0.5, max_sentences
        self.dropout = Dropout(dropout)
        self.gate_HKL = nn.Parameter(torch.randn(num_heads, head_size, LEVELS) * 0.02)
        self.bias_H1L = nn.Parameter(torch.tensor([2.0, 0.0, 0.0]).repeat(num_heads, 1, 1))  # pieces: 0.79

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, segments_BS: Tensor | None = None) -> Tensor:
        return self._weights(q_BHTK, self.summarize(k_BGSK, k_BGSK, mask, segments_BS))

    def attend(
        self,
        q_BHTK: Tensor,
        k_BGSK: Tensor,
        v_BGSK: Tensor,
        mask: Tensor | None,
        segments_BS: Tensor | None = None,
    ) -> Tensor:
        return self._attend(q_BHTK, self.summarize(k_BGSK, v_BGSK, mask, segments_BS))

    def summarize(
        self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, segments_BS: Tensor | None = None
    ) -> HierarchicalSummary:
        real_BS = real_keys(mask, k_BGSK)
        if segments_BS is None:
            segments_BS = torch.zeros_like(real_BS, dtype=torch.long)
        means_BCS = self._means(real_BS, segments_BS)
        mask_BM = torch.cat((real_BS, means_BCS.sum(dim=-1) > 0), dim=1)
        means_B1CS = means_BCS.to(k_BGSK.dtype)[:, None]
        k_BGMK, v_BGMK = (torch.cat((x, means_B1CS @ x), dim=2) for x in (k_BGSK, v_BGSK))
        return HierarchicalSummary(k_BGMK, v_BGMK, mask_BM[:, None, None], means_BCS)

    def read(self, q_NHUK: Tensor, summary: HierarchicalSummary) -> Tensor:
        return self._attend(q_NHUK, summary)

    def read_weights(self, q_NHUK: Tensor, summary: HierarchicalSummary) -> Tensor:
        return self._weights(q_NHUK, summary)

    def _means(self, real_BS: Tensor, segments_BS: Tensor) -> Tensor:
        """means_BCS: rows that take the mean over a sentence's pieces (zero: no such sentence), and over all pieces."""
        sentences = torch.arange(self.max_sentences, device=real_BS.device)
        from_first_BS = segments_BS - segments_BS.amin(dim=1, keepdim=True)
        is_inside_BJS = from_first_BS.clamp_max(self.max_sentences - 1)[:, None] == sentences[:, None]
        members_BCS = (torch.cat((is_inside_BJS, torch.ones_like(real_BS)[:, None]), dim=1) & real_BS[:, None]).float()
        return members_BCS / members_BCS.sum(dim=-1, keepdim=True).clamp_min(1)

    def _attend(self, q_NHUK: Tensor, summary: HierarchicalSummary) -> Tensor:
        shares_NHUM = self.dropout(self._shares(q_NHUK, summary).to(summary.v_NGMK.dtype))
        return shares_NHUM @ repeat_heads(summary.v_NGMK, q_NHUK.shape[1])

    def _weights(self, q_NHUK: Tensor, summary: HierarchicalSummary) -> Tensor:
        num_means, num_keys = summary.means_NCS.shape[1:]
        of_pieces, of_means = self._shares(q_NHUK, summary).split((num_keys, num_means), dim=-1)
        return of_pieces + of_means @ summary.means_NCS[:, None]

    def _shares(self, q_NHUK: Tensor, summary: HierarchicalSummary) -> Tensor:
        """shares_NHUM of each piece, each sentence and the document; rows sum to one over all of them."""
        num_means, num_keys = summary.means_NCS.shape[1:]
        scores_NHUM = (q_NHUK * self.scale) @ repeat_heads(summary.k_NGMK, q_NHUK.shape[1]).transpose(-1, -2)
        scores_NHUM = scores_NHUM.float().masked_fill(~summary.mask_N11M, float("-inf"))
        gate_NHUL = (q_NHUK.float() @ self.gate_HKL.float() + self.bias_H1L.float()).softmax(dim=-1)
        levels = scores_NHUM.split((num_keys, num_means - 1, 1), dim=-1)
        gates = gate_NHUL.split(1, dim=-1)
        return torch.cat([g * scores.softmax(dim=-1) for g, scores in zip(gates, levels, strict=True)], dim=-1)
