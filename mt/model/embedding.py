"""Token embeddings with their positions."""

import math

import torch
from torch import Tensor, nn

from mt.attention.dropout import Dropout
from mt.model.layer import LayerSettings


class Embedding(nn.Module):
    """embedding[id] * sqrt(D) + position, with dropout. Rotary positions add nothing here: they turn the heads.

    `max_positions` bounds learned positions only; a longer sequence raises ValueError.
    """

    def __init__(self, vocab_size: int, settings: LayerSettings, *, pad: int, max_positions: int = 1024):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, settings.dim, padding_idx=pad)
        self.scale = math.sqrt(settings.dim)
        self.dropout = Dropout(settings.dropout)
        self.max_length: int | None = None  # ids that have positions
        if settings.positions == "learned":
            self.positions = LearnedPositions(max_positions, settings.dim)
            self.max_length = max_positions
        elif settings.positions == "sinusoidal":
            self.positions = SinusoidalPositions(settings.dim)
        else:
            self.positions = NoPositions()
        nn.init.normal_(self.tokens.weight, std=settings.dim**-0.5)
        with torch.no_grad():
            self.tokens.weight[pad].zero_()

    def forward(self, ids_BT: Tensor, position: int = 0) -> Tensor:
        """states_BTD; the first id stands at `position`."""
        return self.dropout(self.positions(self.tokens(ids_BT) * self.scale, position))


class SinusoidalPositions(nn.Module):
    """sin and cos of position / 10000 ** (2i / D), halves side by side (Vaswani et al. 2017). Any length."""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x_BTD: Tensor, position: int) -> Tensor:
        return x_BTD + sinusoids(position, x_BTD.shape[1], self.dim, x_BTD.device).to(x_BTD.dtype)


def sinusoids(position: int, length: int, dim: int, device: torch.device) -> Tensor:
    """table_TD of `length` positions from `position` on."""
    half = (dim + 1) // 2
    speeds = torch.exp(torch.arange(half, device=device, dtype=torch.float32) * (-math.log(10000.0) / max(half - 1, 1)))
    steps = torch.arange(position, position + length, device=device, dtype=torch.float32)
    angles = torch.outer(steps, speeds)
    return torch.cat((angles.sin(), angles.cos()), dim=1)[:, :dim]


class LearnedPositions(nn.Module):
    """One learned vector a position, up to `max_positions`."""

    def __init__(self, max_positions: int, dim: int):
        super().__init__()
        self.table = nn.Embedding(max_positions, dim)
        nn.init.normal_(self.table.weight, std=dim**-0.5)

    def forward(self, x_BTD: Tensor, position: int) -> Tensor:
        end = position + x_BTD.shape[1]
        if end > self.table.num_embeddings:
            raise ValueError(f"sequence length ({end}) must be at most max_positions ({self.table.num_embeddings})")
        return x_BTD + self.table.weight[position:end]


class NoPositions(nn.Module):
    """Adds nothing."""

    def forward(self, x_BTD: Tensor, position: int) -> Tensor:
        return x_BTD
