"""Sliding-window self-attention: each position sees its neighbours alone (Beltagy et al. 2020, "Longformer")."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mt.attention.contract import CausalMixer, EncoderMixer, repeat_heads
from mt.attention.dropout import Dropout
from mt.attention.mask import causal_mask

# B batch, H heads, G key-value heads, T queries, S keys, K head size


@dataclass(frozen=True)
class WindowPast:
    """Keys and values of the last positions; None before the first."""

    k_BGSK: Tensor | None = None
    v_BGSK: Tensor | None = None

    def rows(self, index: Tensor) -> WindowPast:
        if self.k_BGSK is None or self.v_BGSK is None:
            return self
        return replace(self, k_BGSK=self.k_BGSK[index], v_BGSK=self.v_BGSK[index])


class Window(EncoderMixer, CausalMixer):
    """softmax over the keys that are at most `reach` positions away; in the decoder, over the last `reach` and itself.

    The decoder's cache holds `reach` positions however long the target. Raises ValueError for a reach below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, reach: int = 16, dropout: float = 0.0):
        super().__init__()
        if reach < 1:
            raise ValueError(f"reach ({reach}) must be at least 1")
        self.scale, self.reach = head_size**-0.5, reach
        self.dropout = Dropout(dropout)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        num_queries, num_keys = q_BHTK.shape[2], k_BGSK.shape[2]
        # the last query stands where the last key does
        positions_T = torch.arange(num_keys - num_queries, num_keys, device=q_BHTK.device)
        distances_TS = (positions_T[:, None] - torch.arange(num_keys, device=q_BHTK.device)[None]).abs()
        near = distances_TS <= self.reach
        # a padded position may have no real neighbour: it looks at all that is real, and nobody looks at it
        mask = near if mask is None else torch.where((near & mask).any(dim=-1, keepdim=True), near & mask, mask)
        scores_BHTS = (q_BHTK * self.scale) @ repeat_heads(k_BGSK, q_BHTK.shape[1]).transpose(-1, -2)
        return scores_BHTS.masked_fill(~mask, float("-inf")).softmax(dim=-1, dtype=torch.float32)

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        v_BHSK = repeat_heads(v_BGSK, q_BHTK.shape[1])
        return self.dropout(self.weights(q_BHTK, k_BGSK, mask).to(v_BHSK.dtype)) @ v_BHSK

    def start(self) -> WindowPast:
        return WindowPast()

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: WindowPast) -> tuple[Tensor, WindowPast]:
        k, v = k_BGTK, v_BGTK
        if past.k_BGSK is not None and past.v_BGSK is not None:
            k, v = torch.cat((past.k_BGSK, k), dim=2), torch.cat((past.v_BGSK, v), dim=2)
        mask = causal_mask(q_BHTK.shape[2], k.shape[2] - q_BHTK.shape[2], q_BHTK.device)
        return self.attend(q_BHTK, k, v, mask), WindowPast(k[:, :, -self.reach :], v[:, :, -self.reach :])
