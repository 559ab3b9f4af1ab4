"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864): positions rotate queries and keys."""

import torch
from torch import Tensor, nn

from mt.attention.precision import full_precision
from mt.kernels.rotation import rotated


class Rotary(nn.Module):
    """Rotates each pair (x_i, x_{i + K/2}) by position * base ** (-2i / K), so that scores depend on distances only."""

    def __init__(self, head_size: int, *, base: float = 10000.0):
        super().__init__()
        if head_size % 2:
            raise ValueError(f"head size ({head_size}) must be even for rotary positions")
        self.head_size, self.base = head_size, base

    def forward(self, x_BHTK: Tensor, position: int, *, num_heads: int | None = None) -> Tensor:
        """x_BHTK with its first `num_heads` heads rotated (None: all); its first entry along T is at `position`."""
        half = self.head_size // 2
        with full_precision(x_BHTK):
            steps = torch.arange(position, position + x_BHTK.shape[2], device=x_BHTK.device, dtype=torch.float32)
            speeds = self.base ** (-torch.arange(half, device=x_BHTK.device, dtype=torch.float32) / half)
            return rotated(x_BHTK, torch.outer(steps, speeds), x_BHTK.shape[1] if num_heads is None else num_heads)


class NoRotary(nn.Module):
    """Leaves queries and keys unchanged: positions are in the embeddings, or not used (cross-attention)."""

    def forward(self, x_BHTK: Tensor, position: int, *, num_heads: int | None = None) -> Tensor:
        return x_BHTK
