"""Cross-attention with a prior from word alignments: which source pieces a target piece is usually linked to.

Biases from alignments inside attention are those of Cohn et al. 2016 ("Incorporating Structural Alignment Biases into
an Attentional Neural Translation Model"); a lexicon as log(floor + P) inside a softmax is that of Arthur et al. 2016
("Incorporating Discrete Translation Lexicons into Neural Machine Translation"), who have it on the output; alignment
heads beside other heads, those of Alkhouli et al. 2018 ("On the Alignment Problem in Multi-Head Attention-Based Neural
Machine Translation").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.key_value import KeyValueMemory, KeyValueSummary

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, R rows, U = R / N x T


class Prior(KeyValueMemory):
    """softmax(q kᵀ / sqrt(K) + a_h log(floor + P[x_s | y_t])): row t reads target piece y_t, x_s is the piece of key s.

    P is counted over the links of the training corpus (`mt.model.lexicon`) before training. Row t reads y_t and
    predicts the next piece, so it sees nothing of the future; P shows which source piece was just translated. a_h, the
    strength of each head, is learned. Half of the heads start at 1: while scores are small, their rows are close to P.
    The others start at 0, which is dense attention: they find the source of the next piece. Where nothing is known of
    y_t (the first row, pieces without links) all keys have the same bias, which changes nothing. Time and memory are
    those of dense attention, unfused. Raises ValueError for a floor that is not above 0.
    """

    needs_from_decoder = ("prior_RTS",)

    def __init__(self, num_heads: int, head_size: int, *, floor: float = 1e-3, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if not floor > 0:
            raise ValueError(f"floor ({floor}) must be above 0")
        self.floor = floor
        self.strength_H = nn.Parameter((torch.arange(num_heads) < (num_heads + 1) // 2).float())

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, prior_B1TS: Tensor | None = None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask)
        if prior_B1TS is not None:
            # minus log(floor), the same for all keys, so a row without a prior is exactly that of dense attention
            bias_B1TS = (prior_B1TS.float() / self.floor).log1p()
            scores_BHTS = scores_BHTS.float() + self.strength_H.float()[:, None, None] * bias_B1TS
        return scores_BHTS.softmax(dim=-1, dtype=torch.float32)

    def read(self, q_NHUK: Tensor, summary: KeyValueSummary, prior_RTS: Tensor | None = None) -> Tensor:
        return self.mix(self.read_weights(q_NHUK, summary, prior_RTS), summary.v_NGSK)

    def read_weights(self, q_NHUK: Tensor, summary: KeyValueSummary, prior_RTS: Tensor | None = None) -> Tensor:
        prior_N1US = None if prior_RTS is None else prior_RTS[:, None]
        return self.weights(q_NHUK, summary.k_NGSK, summary.mask_N11S, prior_N1US)
