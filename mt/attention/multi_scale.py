"""Cross-attention and encoder self-attention to means of neighbouring keys at several scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mt.attention.mask import real_keys
from mt.attention.mixed_keys import MixedKeys, MixedSummary

# B batch, G key-value heads, S keys, M mixtures, K head size


class MultiScale(MixedKeys):
    """Attention to means of `factors[0]` neighbouring keys, of `factors[1]`, and so on: one softmax over all scales.

    Of the regions of a picture, `factor` x `factor` neighbours become one, and none is mixed with text. Time and memory
    are those of dense attention times the sum of 1 / factor (for regions, of its square). Raises ValueError for a
    factor below 1, or for none.
    """

    needs_from_source = ("places_BS2",)

    def __init__(self, num_heads: int, head_size: int, *, factors: Sequence[int] = (1, 2, 4), dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if not factors or min(factors) < 1:
            raise ValueError(f"factors ({list(factors)}) must be whole numbers of at least 1")
        self.factors = tuple(factors)

    def weights(self, q_BHTK: Tensor, k_BGSK: Tensor, mask: Tensor | None, places_BS2: Tensor | None = None) -> Tensor:
        return self._weights(q_BHTK, self.summarize(k_BGSK, k_BGSK, mask, places_BS2))

    def attend(
        self,
        q_BHTK: Tensor,
        k_BGSK: Tensor,
        v_BGSK: Tensor,
        mask: Tensor | None,
        places_BS2: Tensor | None = None,
    ) -> Tensor:
        return self._attend(q_BHTK, self.summarize(k_BGSK, v_BGSK, mask, places_BS2))

    def summarize(
        self, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, places_BS2: Tensor | None = None
    ) -> MixedSummary:
        if places_BS2 is None:
            return super().summarize(k_BGSK, v_BGSK, mask)
        real_BS = real_keys(mask, k_BGSK)
        mixing_BMS = torch.cat([means_of_squares(real_BS, places_BS2, factor) for factor in self.factors], dim=1)
        mixing_B1MS, mask_B11M = mixing_BMS.to(k_BGSK.dtype)[:, None], (mixing_BMS.sum(dim=-1) > 0)[:, None, None]
        return MixedSummary(mixing_B1MS @ k_BGSK, mixing_B1MS @ v_BGSK, mask_B11M, real_BS, mixing_BMS)

    def mixing(self, real_BS: Tensor) -> Tensor:
        return torch.cat([means_of_pools(real_BS, factor) for factor in self.factors], dim=1)

    def mix(self, x_BGSK: Tensor, real_BS: Tensor) -> Tensor:
        x_BGSK, counts_BS = x_BGSK.masked_fill(~real_BS[:, None, :, None], 0.0), real_BS.to(x_BGSK.dtype)
        means = []
        for factor in self.factors:  # equals the product with `mixing`, without an M x S matrix
            sums_BGMK = in_pools(x_BGSK.transpose(-1, -2), factor).sum(dim=-1).transpose(-1, -2)
            means.append(sums_BGMK / in_pools(counts_BS, factor).sum(dim=-1).clamp_min(1)[:, None, :, None])
        return torch.cat(means, dim=2)

    def filled(self, real_BS: Tensor) -> Tensor:
        return torch.cat([in_pools(real_BS, factor).any(dim=-1) for factor in self.factors], dim=1)


def in_pools(x_BS: Tensor, factor: int) -> Tensor:
    """x_BMF: the last dimension S cut into M pools of `factor` numbers, the last pool padded with zeros."""
    return nn.functional.pad(x_BS, (0, -x_BS.shape[-1] % factor)).unflatten(-1, (-1, factor))


def means_of_pools(real_BS: Tensor, factor: int) -> Tensor:
    """mixing_BMS, M = S / factor rounded up: each row takes the mean of the real keys among `factor` neighbours."""
    length = real_BS.shape[1]
    pools = torch.arange(math.ceil(length / factor), device=real_BS.device)
    is_inside_MS = torch.arange(length, device=real_BS.device)[None] // factor == pools[:, None]
    members_BMS = (is_inside_MS[None] & real_BS[:, None]).float()
    return members_BMS / members_BMS.sum(dim=-1, keepdim=True).clamp_min(1)


def means_of_squares(real_BS: Tensor, places_BS2: Tensor, factor: int) -> Tensor:
    """mixing_BMS: first the means of factor x factor neighbouring regions, then those of `factor` neighbouring others.

    `places_BS2` has the row and column of each region, -1 for a key that is none. A mixture without keys is zero.
    """
    side = int(places_BS2.max()) // factor + 1 if places_BS2.numel() else 0
    rows_BS, columns_BS = (places_BS2 // factor).unbind(-1)
    is_region_BS, length = places_BS2[..., 0] >= 0, real_BS.shape[1]
    run_S = torch.arange(length, device=real_BS.device) // factor
    group_BS = torch.where(is_region_BS, rows_BS * side + columns_BS, side * side + run_S)
    groups = torch.arange(side * side + math.ceil(length / factor), device=real_BS.device)
    members_BMS = ((group_BS[:, None] == groups[:, None]) & real_BS[:, None]).float()
    return members_BMS / members_BMS.sum(dim=-1, keepdim=True).clamp_min(1)
