"""Attention without its tail: weights below a share of the row's largest weight are set to zero."""

from __future__ import annotations

from torch import Tensor

from mt.attention.key_value import KeyValueMixer

# B batch, H heads, G key-value heads, T queries, S keys, K head size


class Threshold(KeyValueMixer):
    """softmax over the keys whose weight is at least `share` of the row's largest: at least one key is kept.

    Time and memory are those of dense attention. Raises ValueError for a share outside (0, 1].
    """

    def __init__(self, num_heads: int, head_size: int, *, share: float = 0.05, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if not 0 < share <= 1:
            raise ValueError(f"share ({share}) must be above 0 and at most 1")
        self.share = share

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        # relative to the largest, a weight is exp(score - largest score)
        relative_BHTS = (scores_BHTS - scores_BHTS.amax(dim=-1, keepdim=True)).exp()
        return scores_BHTS.masked_fill(relative_BHTS < self.share, float("-inf")).softmax(dim=-1)
