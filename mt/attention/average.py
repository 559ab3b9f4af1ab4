"""Average attention (Zhang et al. 2018, "Accelerating Neural Transformer via an Average Attention Network")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mt.attention.contract import CausalMixer, repeat_heads
from mt.attention.dropout import refuse_weight_dropout

# B batch, H heads, G key-value heads, T queries, S keys, K head size


@dataclass(frozen=True)
class AveragePast:
    """The sum of all values so far, and how many there were."""

    sum_BG1K: Tensor | None = None
    count: int = 0

    def rows(self, index: Tensor) -> AveragePast:
        return self if self.sum_BG1K is None else AveragePast(self.sum_BG1K[index], self.count)


class Average(CausalMixer):
    """Every position takes the mean of all values up to its own; queries and keys are not used.

    Time and memory of a decoding step do not grow with the position. The paper's gate and feed-forward part belong to
    the layer, not to the mixer. It is refused in an encoder, where every position would get the same mean. Raises
    ValueError for dropout of weights.
    """

    asks_queries = False

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__()
        refuse_weight_dropout(dropout, "average attention")

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        B, H, T, _ = q_BHTK.shape
        seen = torch.ones(B, H, T, k_BGSK.shape[2], device=q_BHTK.device)
        seen = seen if mask is None else seen * mask
        return seen / seen.sum(dim=-1, keepdim=True)

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        v_BHSK = repeat_heads(v_BGSK, q_BHTK.shape[1])
        return self.weights(q_BHTK, k_BGSK, mask).to(v_BHSK.dtype) @ v_BHSK

    def start(self) -> AveragePast:
        return AveragePast()

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: AveragePast) -> tuple[Tensor, AveragePast]:
        sums_BGTK = v_BGTK.float().cumsum(dim=2)
        if past.sum_BG1K is not None:
            sums_BGTK = sums_BGTK + past.sum_BG1K
        length = v_BGTK.shape[2]
        counts_T1 = torch.arange(past.count + 1, past.count + length + 1, device=v_BGTK.device)[:, None]
        heads_BHTK = repeat_heads((sums_BGTK / counts_T1).to(v_BGTK.dtype), q_BHTK.shape[1])
        return heads_BHTK, AveragePast(sums_BGTK[:, :, -1:], past.count + length)
