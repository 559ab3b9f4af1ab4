"""Rectified linear attention, ReLA (Zhang et al. 2021, "Sparse Attention with Linear Units"): no exponentials."""

from __future__ import annotations

from torch import Tensor

from mt.attention.key_value import KeyValueMixer

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class Rectified(KeyValueMixer):
    """relu(scores) ** power, each row divided by its sum; a row without a positive score takes its best key.

    The paper does not normalise rows but the output of the heads; here rows sum to one as in every variant, so that
    weights can be compared and read as alignments. Power 2 is that of gated attention units (Hua et
    al. 2022). Time and memory are those of dense attention. Raises ValueError for a power below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, power: int = 1, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if power < 1:
            raise ValueError(f"power ({power}) must be at least 1")
        self.power = power

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        best_BHT1 = scores_BHTS.amax(dim=-1, keepdim=True)
        positive_BHTS = scores_BHTS.clamp_min(0)
        if self.power > 1:  # relative to the best score, so that powers do not underflow; rows stay the same
            positive_BHTS = (positive_BHTS / best_BHT1.where(best_BHT1 > 0, 1.0)) ** self.power
        alone_BHTS = (scores_BHTS == best_BHT1).to(positive_BHTS.dtype)
        kept_BHTS = positive_BHTS.where(best_BHT1 > 0, alone_BHTS)
        return kept_BHTS / kept_BHTS.sum(dim=-1, keepdim=True)
