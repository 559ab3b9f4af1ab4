"""Sliding-window self-attention: each position sees only its neighbours (Beltagy et al. 2020, "Longformer")."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mt.attention.contract import CausalMixer, EncoderMixer, repeat_heads
from mt.attention.dropout import Dropout
from mt.attention.mask import causal_mask

# B batch, H heads, G key-value heads, T queries, S keys, K head size

BLOCK = 64  # queries at a time, or as many as the reach


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

    Time and memory grow with T x reach, and the decoder's cache is `reach` positions. Raises ValueError for a reach
    below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, reach: int = 16, dropout: float = 0.0):
        super().__init__()
        if reach < 1:
            raise ValueError(f"reach ({reach}) must be at least 1")
        self.scale, self.reach = head_size**-0.5, reach
        self.dropout = Dropout(dropout)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        # the last query is at the position of the last key
        return self._weights(q_BHTK, k_BGSK, mask, k_BGSK.shape[2] - q_BHTK.shape[2])

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self._in_blocks(q_BHTK, k_BGSK, v_BGSK, mask)

    def start(self) -> WindowPast:
        return WindowPast()

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: WindowPast) -> tuple[Tensor, WindowPast]:
        k, v = k_BGTK, v_BGTK
        if past.k_BGSK is not None and past.v_BGSK is not None:
            k, v = torch.cat((past.k_BGSK, k), dim=2), torch.cat((past.v_BGSK, v), dim=2)
        heads_BHTK = self._in_blocks(q_BHTK, k, v, None, is_causal=True)
        return heads_BHTK, WindowPast(k[:, :, -self.reach :], v[:, :, -self.reach :])

    def _in_blocks(
        self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, *, is_causal: bool = False
    ) -> Tensor:
        """heads_BHTK, computed for one block of queries and the keys within their reach at a time."""
        (T, S), block, heads = (q_BHTK.shape[2], k_BGSK.shape[2]), max(BLOCK, self.reach), []
        for start in range(0, T, block):
            end = min(T, start + block)
            first, last = S - T + start, S - T + end  # places of the block among the keys
            low, high = max(0, first - self.reach), last if is_causal else min(S, last + self.reach)
            if is_causal:
                own = causal_mask(end - start, first - low, q_BHTK.device)
            elif mask is not None:
                own = (mask if mask.shape[-2] == 1 else mask[..., start:end, :])[..., low:high]
            else:
                own = None
            k, v = k_BGSK[:, :, low:high], repeat_heads(v_BGSK[:, :, low:high], q_BHTK.shape[1])
            weights_BHTS = self._weights(q_BHTK[:, :, start:end], k, own, first - low)
            heads.append(self.dropout(weights_BHTS.to(v.dtype)) @ v)
        return heads[0] if len(heads) == 1 else torch.cat(heads, dim=2)

    def _weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, first: int) -> Tensor:
        """weights_BHTS; the first query is at the position of key `first`."""
        num_queries, num_keys = q_BHTK.shape[2], k_BGSK.shape[2]
        positions_T = torch.arange(first, first + num_queries, device=q_BHTK.device)
        distances_TS = (positions_T[:, None] - torch.arange(num_keys, device=q_BHTK.device)[None]).abs()
        seen = near = distances_TS <= self.reach
        if mask is not None:
            # a padded query may have no real neighbour: it looks at all real keys, and nothing reads its result
            otherwise = mask | ~mask.any(dim=-1, keepdim=True)
            seen = torch.where((near & mask).any(dim=-1, keepdim=True), near & mask, otherwise)
        scores_BHTS = (q_BHTK * self.scale) @ repeat_heads(k_BGSK, q_BHTK.shape[1]).transpose(-1, -2)
        return scores_BHTS.masked_fill(~seen, float("-inf")).softmax(dim=-1, dtype=torch.float32)
