"""Top-k attention: each query looks at the k keys that score best (Gupta et al. 2021, "Memory-efficient Transformers
via Top-k Attention").
"""

from __future__ import annotations

from torch import Tensor

from mt.attention.key_value import KeyValueMixer

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class TopK(KeyValueMixer):
    """softmax over the `k` best scores of a row; all other weights are exactly zero. Ties with the k-th key stay.

    Time and memory are those of dense attention, plus a search for the k-th score: the gain is sparse weights, not
    speed. Raises ValueError for k below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, k: int = 8, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if k < 1:
            raise ValueError(f"k ({k}) must be at least 1")
        self.k = k

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        if self.k < scores_BHTS.shape[-1]:
            least_BHT1 = scores_BHTS.topk(self.k, dim=-1).values[..., -1:]
            scores_BHTS = scores_BHTS.masked_fill(scores_BHTS < least_BHT1, float("-inf"))
        return scores_BHTS.softmax(dim=-1)
