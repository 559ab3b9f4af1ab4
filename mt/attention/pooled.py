"""Cross-attention and encoder self-attention to means of neighbouring keys at one scale."""

from __future__ import annotations

from mt.attention.multi_scale import MultiScale


class Pooled(MultiScale):
    """Attention to the mean of every `factor` neighbouring keys (memory compression, Liu et al. 2018, by pooling).

    Time and memory are those of dense attention divided by the factor. Raises ValueError for a factor below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, factor: int = 3, dropout: float = 0.0):
        super().__init__(num_heads, head_size, factors=(factor,), dropout=dropout)
        self.factor = factor
