"""Sparsemax and 1.5-entmax: weights with exact zeros and useful gradients.

Sparsemax (alpha 2) is the point of the simplex nearest to the scores (Martins and Astudillo 2016); 1.5-entmax
is between it and softmax (Peters et al. 2019, "Sparse Sequence-to-Sequence Models"). Both are computed by sorting.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mt.attention.key_value import KeyValueMixer

# B batch, H heads, G key-value heads, T queries, S keys, K head size

ALPHAS = (1.5, 2.0)
FAR = -2.0  # below the largest score, scaled by alpha - 1: weights are zero from 1 below it on


class Entmax(KeyValueMixer):
    """alpha-entmax of the scores in place of softmax. Time: that of dense attention and a sort of every row.

    Raises ValueError for an alpha that is not in ALPHAS.
    """

    def __init__(self, num_heads: int, head_size: int, *, alpha: float = 1.5, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if alpha not in ALPHAS:
            raise ValueError(f"alpha ({alpha}) must be one of {', '.join(map(str, ALPHAS))}")
        self.alpha = alpha

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        scores_BHTS = self.scores(q_BHTK, k_BGSK, mask).float()
        return _Entmax.apply(scores_BHTS, self.alpha)


class _Entmax(torch.autograd.Function):
    @staticmethod
    def forward(context, scores, alpha):
        z = (scores - scores.amax(dim=-1, keepdim=True)) * (alpha - 1)
        z = z.clamp_min(FAR)  # minus infinity cannot be summed
        threshold = _sparsemax_threshold(z) if alpha == 2.0 else _entmax15_threshold(z)
        weights = (z - threshold).clamp_min(0) ** (1 / (alpha - 1))
        context.save_for_backward(weights)
        context.alpha = alpha
        return weights

    @staticmethod
    def backward(context, gradient):
        (weights,) = context.saved_tensors
        # d weights / d scores = diag(s) - s sᵀ / sum(s), s = weights ** (2 - alpha) on the support
        s = torch.where(weights > 0, weights ** (2 - context.alpha), 0.0)
        mean = (gradient * s).sum(dim=-1, keepdim=True) / s.sum(dim=-1, keepdim=True)
        return s * (gradient - mean), None


def _sparsemax_threshold(z: Tensor) -> Tensor:
    ranked = z.sort(dim=-1, descending=True).values
    ranks = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    sums = ranked.cumsum(dim=-1) - 1
    size = (ranks * ranked > sums).sum(dim=-1, keepdim=True)
    return sums.gather(-1, size - 1) / size


def _entmax15_threshold(z: Tensor) -> Tensor:
    ranked = z.sort(dim=-1, descending=True).values
    ranks = torch.arange(1, z.shape[-1] + 1, device=z.device, dtype=z.dtype)
    mean = ranked.cumsum(dim=-1) / ranks
    spread = ranks * ((ranked**2).cumsum(dim=-1) / ranks - mean**2)
    thresholds = mean - ((1 - spread) / ranks).clamp_min(0).sqrt()
    size = (thresholds <= ranked).sum(dim=-1, keepdim=True)
    return thresholds.gather(-1, size - 1)
