"""Mixers that cache keys and values unchanged: the caches of most variants, and roles that need only `weights`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mt.attention.contract import (
    CausalMixer,
    EncoderMixer,
    MemoryMixer,
    Mixer,
    repeat_heads,
)
from mt.attention.dropout import Dropout
from mt.attention.mask import causal_mask, mask_of_keys

# B batch, H heads, G key-value heads, T queries, S keys, K head size, N sentences, R rows (hypotheses)

BLOCK = 16  # positions by which the memory of a cache grows


@dataclass(frozen=True)
class KeyValueSummary:
    """Cross-attention's cache: keys and values of N sentences and the mask over their S positions."""

    k_NGSK: Tensor
    v_NGSK: Tensor
    mask_N11S: Tensor | None

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.k_NGSK)

    def rows(self, index: Tensor) -> KeyValueSummary:
        mask = None if self.mask_N11S is None else self.mask_N11S[index]
        return KeyValueSummary(self.k_NGSK[index], self.v_NGSK[index], mask)


@dataclass(frozen=True)
class KeyValuePast:
    """Self-attention's cache: keys and values of the positions so far; None before the first.

    Without gradients both are stored in one tensor, positions first, and `index` selects its rows (None: all). Rows are
    selected when the next positions are written, so a beam that is reordered at every step is copied once a step.
    """

    k_BGSK: Tensor | None = None
    v_BGSK: Tensor | None = None
    both_S2BGK: Tensor | None = None
    index: Tensor | None = None

    @property
    def length(self) -> int:
        return 0 if self.k_BGSK is None else self.k_BGSK.shape[2]

    def append(self, k_BGTK: Tensor, v_BGTK: Tensor) -> KeyValuePast:
        if self.k_BGSK is None or self.v_BGSK is None:
            return KeyValuePast(k_BGTK, v_BGTK)
        if torch.is_grad_enabled():  # no writing into tensors that the backward pass reads
            old_k, old_v = (x if self.index is None else x[self.index] for x in (self.k_BGSK, self.v_BGSK))
            return KeyValuePast(torch.cat((old_k, k_BGTK), dim=2), torch.cat((old_v, v_BGTK), dim=2))
        old_S2BGK = self.both_S2BGK
        if old_S2BGK is None:
            old_S2BGK = torch.stack((self.k_BGSK, self.v_BGSK)).permute(3, 0, 1, 2, 4)
        (B, G, T, K), S = k_BGTK.shape, self.length
        # rounded sizes, so that the next step can reuse freed memory
        both_S2BGK = k_BGTK.new_empty(-(-(S + T) // BLOCK) * BLOCK, 2, B, G, K)[: S + T]
        if self.index is None:
            both_S2BGK[:S] = old_S2BGK
        else:
            torch.index_select(old_S2BGK, 2, self.index, out=both_S2BGK[:S])
        both_2BGSK = both_S2BGK.permute(1, 2, 3, 0, 4)
        both_2BGSK[0, :, :, S:], both_2BGSK[1, :, :, S:] = k_BGTK, v_BGTK
        k_BGSK, v_BGSK = both_2BGSK.unbind()
        return KeyValuePast(k_BGSK, v_BGSK, both_S2BGK)

    def rows(self, index: Tensor) -> KeyValuePast:
        if self.k_BGSK is None:
            return self
        return replace(self, index=index if self.index is None else self.index[index])


def bias_at(bias_HN: Tensor, places_BTS: Tensor) -> Tensor:
    """bias_BHTS in float32: for each head, its bias number places_BTS of N."""
    (B, T, S), (H, N) = places_BTS.shape, bias_HN.shape
    # not bias_HN[:, places_BTS]: its gradient adds B x T x S numbers to a few places, one after the other
    return bias_HN.float()[None, :, None].expand(B, H, T, N).gather(-1, places_BTS[:, None].expand(B, H, T, S))


class KeyValue(Mixer):
    """A variant that defines its `weights`, and attends with them."""

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__()
        self.scale = head_size**-0.5
        self.dropout = Dropout(dropout)

    def scores(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        """scores_BHTS = q kᵀ / sqrt(K), minus infinity where the mask hides a key."""
        scores_BHTS = (q_BHTK * self.scale) @ repeat_heads(k_BGSK, q_BHTK.shape[1]).transpose(-1, -2)
        return scores_BHTS if mask is None else scores_BHTS.masked_fill(~mask, float("-inf"))

    def mix(self, weights_BHTS: Tensor, v_BGSK: Tensor) -> Tensor:
        """heads_BHTK = weights @ values, with dropout of weights in training."""
        v_BHSK = repeat_heads(v_BGSK, weights_BHTS.shape[1])
        return self.dropout(weights_BHTS.to(v_BHSK.dtype)) @ v_BHSK

    def attend(
        self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, **known: Tensor | None
    ) -> Tensor:
        return self.mix(self.weights(q_BHTK, k_BGSK, mask, **known), v_BGSK)


class KeyValueEncoder(KeyValue, EncoderMixer):
    """A variant that defines its `weights`, for encoder self-attention."""


class KeyValueMemory(KeyValue, MemoryMixer):
    """A variant that defines its `weights`, for cross-attention. The cache holds all keys and values.

    It is a `KeyValueSummary`; a variant whose `summarize` adds to it reads its own kind.
    """

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Any:
        if not torch.is_grad_enabled():  # once, for all steps that read them
            k_BGSK, v_BGSK = k_BGSK.contiguous(), v_BGSK.contiguous()
        return KeyValueSummary(k_BGSK, v_BGSK, mask_of_keys(mask, k_BGSK))

    def read(self, q_NHUK: Tensor, summary: Any) -> Tensor:
        return self.attend(q_NHUK, summary.k_NGSK, summary.v_NGSK, summary.mask_N11S)

    def read_weights(self, q_NHUK: Tensor, summary: Any) -> Tensor:
        return self.weights(q_NHUK, summary.k_NGSK, summary.mask_N11S)


class KeyValueCausal(KeyValue, CausalMixer):
    """A variant that defines its `weights`, for decoder self-attention. The cache grows with the positions."""

    def start(self) -> KeyValuePast:
        return KeyValuePast()

    def extend(self, q_BHTK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, past: KeyValuePast) -> tuple[Tensor, KeyValuePast]:
        now = past.append(k_BGTK, v_BGTK)
        mask = causal_mask(q_BHTK.shape[2], past.length, q_BHTK.device)
        assert now.k_BGSK is not None and now.v_BGSK is not None  # something was appended
        return self.attend(q_BHTK, now.k_BGSK, now.v_BGSK, mask), now


class KeyValueMixer(KeyValueEncoder, KeyValueMemory, KeyValueCausal):
    """A variant that defines its `weights`, for every slot. The caches grow with the positions."""
