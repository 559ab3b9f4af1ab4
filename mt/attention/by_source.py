"""Cross-attention to several sources: a softmax within each, and a gate over sources (Libovicky and Helcl 2017,
"Attention Strategies for Multi-Source Sequence-to-Sequence Learning", hierarchical combination).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import MemoryMixer
from mt.attention.dense import Dense
from mt.attention.key_value import KeyValueSummary
from mt.attention.mask import real_keys
from mt.attention.source_facts import SOURCES

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, U queries side by side, M sources


@dataclass(frozen=True)
class BySourceSummary:
    """Keys and values of N sentences; `members_NMS` says which keys are of which source. None: all are of the text."""

    plain: KeyValueSummary
    members_NMS: Tensor | None

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.plain)

    def rows(self, index: Tensor) -> BySourceSummary:
        members_NMS = None if self.members_NMS is None else self.members_NMS[index]
        return BySourceSummary(self.plain.rows(index), members_NMS)


class BySource(MemoryMixer):
    """sum over sources m of g_m softmax(q k_mᵀ / sqrt(K)) v_m, with the gate g = softmax(q W + b) of each head.

    Only sources that the sentence has are in the gate. A picture of many regions so has no more weight than a sentence
    of few pieces. For text alone this is dense attention, exactly. In the paper attention over sources reads the
    vectors that they gave; here the gate reads the query. Time and memory are those of dense attention, unfused.
    """

    needs_from_source = ("sources_BS",)

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__()
        self.dense = Dense(num_heads, head_size, dropout=dropout)
        self.gate_HKM = nn.Parameter(torch.randn(num_heads, head_size, len(SOURCES)) * 0.02)
        self.bias_H1M = nn.Parameter(torch.zeros(num_heads, 1, len(SOURCES)))

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, sources_BS: Tensor | None = None) -> Tensor:
        return self.read_weights(q_BHTK, self.summarize(k_BGSK, k_BGSK, mask, sources_BS))

    def attend(
        self,
        q_BHTK: Tensor,
        k_BGSK: Tensor,
        v_BGSK: Tensor,
        mask: Tensor | None,
        sources_BS: Tensor | None = None,
    ) -> Tensor:
        return self.read(q_BHTK, self.summarize(k_BGSK, v_BGSK, mask, sources_BS))

    def summarize(
        self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, sources_BS: Tensor | None = None
    ) -> BySourceSummary:
        plain = self.dense.summarize(k_BGSK, v_BGSK, mask)
        if sources_BS is None:
            return BySourceSummary(plain, None)
        known_M1 = torch.tensor(SOURCES, device=sources_BS.device)[:, None]
        return BySourceSummary(plain, (sources_BS[:, None] == known_M1) & real_keys(mask, k_BGSK)[:, None])

    def read(self, q_NHUK: Tensor, summary: BySourceSummary) -> Tensor:
        if summary.members_NMS is None:
            return self.dense.read(q_NHUK, summary.plain)
        return self.dense.mix(self.read_weights(q_NHUK, summary), summary.plain.v_NGSK)

    def read_weights(self, q_NHUK: Tensor, summary: BySourceSummary) -> Tensor:
        if summary.members_NMS is None:
            return self.dense.read_weights(q_NHUK, summary.plain)
        scores_NHUS = self.dense.scores(q_NHUK, summary.plain.k_NGSK, None).float()
        gate_NHUM = q_NHUK.float() @ self.gate_HKM.float() + self.bias_H1M.float()
        has_N1M = summary.members_NMS.any(dim=-1)[:, None]
        gate_NHUM = gate_NHUM.masked_fill(~has_N1M[:, None], float("-inf")).softmax(dim=-1)
        weights_NHUS = torch.zeros_like(scores_NHUS)
        for members_NS, g_NHU in zip(summary.members_NMS.unbind(1), gate_NHUM.unbind(-1), strict=True):
            # the lowest number in place of minus infinity: a sentence without this source has no weight, and no NaN
            inside_N11S = members_NS[:, None, None]
            own_NHUS = scores_NHUS.masked_fill(~inside_N11S, torch.finfo(scores_NHUS.dtype).min).softmax(dim=-1)
            weights_NHUS = weights_NHUS + own_NHUS * inside_N11S * g_NHU[..., None]
        return weights_NHUS
