"""Token embeddings with their positions."""

import math

import torch
from torch import Tensor, nn

from mt.attention.dropout import Dropout
from mt.model.layer import LayerSettings


class Embedding(nn.Module):
    """embedding[id] * sqrt(D) + position, with dropout. Rotary positions add nothing: they rotate queries and keys.

    `max_positions` bounds learned positions: a longer sequence raises ValueError. For randomized ones it is the largest
    position in training.
    """

    def __init__(self, vocab_size: int, settings: LayerSettings, *, pad: int, max_positions: int = 1024):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, settings.dim, padding_idx=pad)
        self.scale = math.sqrt(settings.dim)
        self.dropout = Dropout(settings.dropout)
        self.max_length: int | None = None  # number of ids that have positions
        self.positions: nn.Module
        if settings.positions == "learned":
            self.positions = LearnedPositions(max_positions, settings.dim)
            self.max_length = max_positions
        elif settings.positions == "sinusoidal":
            self.positions = SinusoidalPositions(settings.dim)
        elif settings.positions == "randomized":
            self.positions = RandomizedPositions(settings.dim, max_positions)
        else:
            self.positions = NoPositions()
        nn.init.normal_(self.tokens.weight, std=settings.dim**-0.5)
        with torch.no_grad():
            self.tokens.weight[pad].zero_()

    def forward(self, ids_BT: Tensor, position: int = 0, places_BT: Tensor | None = None) -> Tensor:
        """states_BTD; the first id has position `position`, or each its own in `places_BT` (randomized positions)."""
        x_BTD = self.tokens(ids_BT) * self.scale
        if places_BT is None:
            return self.dropout(self.positions(x_BTD, position))
        assert isinstance(self.positions, RandomizedPositions)
        return self.dropout(self.positions.at(x_BTD, places_BT))


class SinusoidalPositions(nn.Module):
    """sin and cos of position / 10000 ** (i / (D/2 - 1)), i < D/2, halves side by side. Any length.

    As in the code of Vaswani et al. 2017 (tensor2tensor) and fairseq; the paper writes i / (D/2).
    """

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, x_BTD: Tensor, position: int) -> Tensor:
        return x_BTD + sinusoids(position, x_BTD.shape[1], self.dim, x_BTD.device).to(x_BTD.dtype)


def sinusoids(position: int, length: int, dim: int, device: torch.device) -> Tensor:
    """table_TD of `length` positions from `position` on."""
    return sinusoids_at(torch.arange(position, position + length, device=device), dim)


def sinusoids_at(places: Tensor, dim: int) -> Tensor:
    """The sinusoids (last dimension `dim`, float32) of any positions."""
    half = (dim + 1) // 2
    steps = torch.arange(half, device=places.device, dtype=torch.float32)
    speeds = torch.exp(steps * (-math.log(10000.0) / max(half - 1, 1)))
    angles = places.float().unsqueeze(-1) * speeds
    return torch.cat((angles.sin(), angles.cos()), dim=-1)[..., :dim]


class RandomizedPositions(SinusoidalPositions):
    """Sinusoidal, but in training each sentence gets increasing positions drawn from a longer range.

    So positions beyond the training sentences' lengths are not new to the model (Ruoss et al. 2023, "Randomized
    Positional Encodings Boost Length Generalization of Transformers"). Outside of training, positions are 0, 1, 2, …
    """

    def __init__(self, dim: int, max_positions: int):
        super().__init__(dim)
        self.max_positions = max_positions

    def draw(self, num_sentences: int, length: int, device: torch.device) -> Tensor:
        """places_BT, increasing, below n; n is drawn for each sentence from `length` to max_positions."""
        room = max(self.max_positions - length, 0) + 1
        spare_B1 = (torch.rand(num_sentences, 1, device=device) * room).floor() + 1
        drawn_BT = (torch.rand(num_sentences, length, device=device).sort(dim=1).values * spare_B1).floor()
        return drawn_BT.long() + torch.arange(length, device=device)

    def at(self, x_BTD: Tensor, places_BT: Tensor) -> Tensor:
        """The embedded tokens with the sinusoids of their places."""
        return x_BTD + sinusoids_at(places_BT, self.dim).to(x_BTD.dtype)


class LearnedPositions(nn.Module):
    """One learned vector per position, up to `max_positions`."""

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
