"""Cross-attention and encoder self-attention to a fixed number of learned mixtures of the keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.attention.mixed_keys import MixedKeys

# B batch, S keys, M mixtures

OWN_RUN_LOGIT = 8.0  # nats: how far a mixture's own run is ahead of all other runs at the start


class LowRank(MixedKeys):
    """Attention to `rank` learned mixtures of the keys (Linformer, Wang et al. 2020); rows of the mixing sum to one.

    The keys of a sentence are cut into at most `rank` runs of neighbouring keys; up to `rank` keys, each run is one
    key. A mixture starts as one of the runs and learns how much of each other run to add. Linformer's mixtures are
    learned for positions, so they fit one input length; these are learned for runs, so they fit any. All runs but the
    last have the same size: means of one key and of two keys differ in scale, and mixing both hurts
    translation. Time and memory grow with T x rank + S x rank. Raises ValueError for a rank below 1.
    """

    def __init__(self, num_heads: int, head_size: int, *, rank: int = 64, dropout: float = 0.0):
        super().__init__(num_heads, head_size, dropout=dropout)
        if rank < 1:
            raise ValueError(f"rank ({rank}) must be at least 1")
        self.logits_MM = nn.Parameter(OWN_RUN_LOGIT * torch.eye(rank) + 0.02 * torch.randn(rank, rank))

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
        """size_B1: keys in a run, the smallest number for which there are at most as many runs as mixtures."""
        return ((real_BS.sum(dim=-1, keepdim=True) - 1) // len(self.logits_MM) + 1).clamp_min(1)
