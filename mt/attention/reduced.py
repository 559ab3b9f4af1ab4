"""Attention to fewer places than there are keys: mixtures of keys, fixed or learned, are looked at in their stead.

With r mixtures E (r x S, rows sum to one over the keys that may be looked at), weights = softmax(q (E k)ᵀ / sqrt(K)) E:
rows sum to one over the keys again, so that maps can be drawn. The cache holds r keys and values in place of S.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.attention.contract import EncoderMixer, MemoryMixer, repeat_heads
from mt.attention.dropout import Dropout
from mt.attention.mask import real_keys

# B batch, H heads, G key-value heads, T queries, S keys, M mixtures, K head size, N sentences, R rows (hypotheses)

OWN = 8.0  # nats by which a mixture's own run is before all others in the beginning


@dataclass(frozen=True)
class ReducedSummary:
    """Mixed keys and values of N sentences, which of them hold anything, and which keys there were."""

    k_NGMK: Tensor
    v_NGMK: Tensor
    mask_N11M: Tensor
    real_NS: Tensor

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.k_NGMK)

    def rows(self, index: Tensor) -> ReducedSummary:
        return ReducedSummary(self.k_NGMK[index], self.v_NGMK[index], self.mask_N11M[index], self.real_NS[index])


class Reduced(EncoderMixer, MemoryMixer):
    """What `LowRank`, `MultiScale` and `Pooled` share: they say which mixtures there are."""

    def __init__(self, num_heads: int, head_size: int, *, dropout: float = 0.0):
        super().__init__()
        self.scale = head_size**-0.5
        self.dropout = Dropout(dropout)

    def mixing(self, real_BS: Tensor) -> Tensor:
        """mixing_BMS: rows sum to one over the real keys, or are zero where a mixture has none."""
        raise NotImplementedError

    def mix(self, x_BGSK: Tensor, real_BS: Tensor) -> Tensor:
        """x_BGMK = mixing @ x."""
        return self.mixing(real_BS).to(x_BGSK.dtype)[:, None] @ x_BGSK

    def filled(self, real_BS: Tensor) -> Tensor:
        """filled_BM: which mixtures hold any real key."""
        return self.mixing(real_BS).sum(dim=-1) > 0

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self._weights(q_BHTK, self.summarize(k_BGSK, k_BGSK, mask))

    def attend(self, q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> Tensor:
        return self._attend(q_BHTK, self.summarize(k_BGSK, v_BGSK, mask))

    def summarize(self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None) -> ReducedSummary:
        real_BS = real_keys(mask, k_BGSK)
        k_BGMK, v_BGMK = self.mix(torch.cat((k_BGSK, v_BGSK), dim=1), real_BS).chunk(2, dim=1)
        return ReducedSummary(k_BGMK, v_BGMK, self.filled(real_BS)[:, None, None], real_BS)

    def read(self, q_NHUK: Tensor, summary: ReducedSummary) -> Tensor:
        return self._attend(q_NHUK, summary)

    def read_weights(self, q_NHUK: Tensor, summary: ReducedSummary) -> Tensor:
        return self._weights(q_NHUK, summary)

    def _attend(self, q_NHUK: Tensor, summary: ReducedSummary) -> Tensor:
        shares_NHUM = self.dropout(self._shares(q_NHUK, summary).to(summary.v_NGMK.dtype))
        return shares_NHUM @ repeat_heads(summary.v_NGMK, q_NHUK.shape[1])

    def _weights(self, q_NHUK: Tensor, summary: ReducedSummary) -> Tensor:
        return self._shares(q_NHUK, summary) @ self.mixing(summary.real_NS)[:, None]

    def _shares(self, q_NHUK: Tensor, summary: ReducedSummary) -> Tensor:
        scores_NHUM = (q_NHUK * self.scale) @ repeat_heads(summary.k_NGMK, q_NHUK.shape[1]).transpose(-1, -2)
        scores_NHUM = scores_NHUM.masked_fill(~summary.mask_N11M, float("-inf"))
        return scores_NHUM.softmax(dim=-1, dtype=torch.float32)


class LowRank(Reduced):
    """`rank` learned mixtures of the positions (Linformer, Wang et al. 2020), whose rows are made to sum to one.

    A sentence is taken in runs of as many neighbours each as leave no more than `rank` of them: of one key where there
    are no more keys. A mixture begins as one of the runs, and learns how much of each other goes with it. Linformer's
    mixtures are learned for positions of one length of the input; these are for its runs, and so for any. All runs but
    the last are of one size: where means of one key and of two stand side by side, the one is louder than the other,
    and translation suffers. Time and memory grow with T x rank + S x rank. Raises ValueError for a rank below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, rank: int = 64, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if rank < 1:
            raise ValueError(f"rank ({rank}) must be at least 1")
        self.logits_MM = nn.Parameter(OWN * torch.eye(rank) + 0.02 * torch.randn(rank, rank))

    def mixing(self, real_BS: Tensor) -> Tensor:
        runs = torch.arange(len(self.logits_MM), device=real_BS.device)
        run_BS = (real_BS.cumsum(dim=-1) - 1) // self._size_of_runs(real_BS)
        is_inside_BMS = (run_BS[:, None] == runs[:, None]) & real_BS[:, None]
        counts_B1M = is_inside_BMS.sum(dim=-1)[:, None]
        shares_BMM = (self.logits_MM.float() + counts_B1M.log()).softmax(dim=-1) / counts_B1M.clamp_min(1)
        return (shares_BMM @ is_inside_BMS.float()) * self.filled(real_BS)[:, :, None]

    def filled(self, real_BS: Tensor) -> Tensor:
        begins_BM = torch.arange(len(self.logits_MM), device=real_BS.device) * self._size_of_runs(real_BS)
        return begins_BM < real_BS.sum(dim=-1, keepdim=True)

    def _size_of_runs(self, real_BS: Tensor) -> Tensor:
        """size_B1: keys of a run, that no more runs than mixtures hold all of them."""
        return ((real_BS.sum(dim=-1, keepdim=True) - 1) // len(self.logits_MM) + 1).clamp_min(1)


class MultiScale(Reduced):
    """The means of every `factors[0]`, every `factors[1]`, ... keys side by side: one softmax chooses the scale, too.

    Time and memory are those of dense attention times the sum of 1 / factor. Raises ValueError for a factor below 1, or
    for none.
    """

    def __init__(self, num_heads: int, head_size: int, *, factors: Sequence[int] = (1, 2, 4), dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if not factors or min(factors) < 1:
            raise ValueError(f"factors ({list(factors)}) must be whole numbers of at least 1")
        self.factors = tuple(factors)

    def mixing(self, real_BS: Tensor) -> Tensor:
        return torch.cat([means_of_pools(real_BS, factor) for factor in self.factors], dim=1)

    def mix(self, x_BGSK: Tensor, real_BS: Tensor) -> Tensor:
        x_BGSK, counts_BS = x_BGSK.masked_fill(~real_BS[:, None, :, None], 0.0), real_BS.to(x_BGSK.dtype)
        means = []
        for factor in self.factors:  # as the products with `mixing`, without its M x S numbers
            sums_BGMK = in_pools(x_BGSK.transpose(-1, -2), factor).sum(dim=-1).transpose(-1, -2)
            means.append(sums_BGMK / in_pools(counts_BS, factor).sum(dim=-1).clamp_min(1)[:, None, :, None])
        return torch.cat(means, dim=2)

    def filled(self, real_BS: Tensor) -> Tensor:
        return torch.cat([in_pools(real_BS, factor).any(dim=-1) for factor in self.factors], dim=1)


class Pooled(MultiScale):
    """The mean of every `factor` keys that follow one another (memory compression, Liu et al. 2018, by pooling).

    Time and memory are those of dense attention divided by the factor. Raises ValueError for a factor below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, factor: int = 3, dropout: float = 0.0):
        super().__init__(num_heads, head_size, factors=(factor,), dropout=dropout)


def in_pools(x_BS: Tensor, factor: int) -> Tensor:
    """The last dimension S in M pools of `factor`, the last of them filled up with zeros."""
    return nn.functional.pad(x_BS, (0, -x_BS.shape[-1] % factor)).unflatten(-1, (-1, factor))


def means_of_pools(real_BS: Tensor, factor: int) -> Tensor:
    """mixing_BMS, M = S / factor rounded up: each row the mean of the real keys among `factor` neighbours, or zero."""
    length = real_BS.shape[1]
    pools = torch.arange(math.ceil(length / factor), device=real_BS.device)
    is_inside_MS = torch.arange(length, device=real_BS.device)[None] // factor == pools[:, None]
    members_BMS = (is_inside_MS[None] & real_BS[:, None]).float()
    return members_BMS / members_BMS.sum(dim=-1, keepdim=True).clamp_min(1)
