"""Exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MovingAverage:
    """average <- decay * average + (1 - decay) * weight after every update (Polyak and Juditsky 1992).

    The decay starts low, min(decay, (1 + n) / (10 + n)) after n updates, so that the random start is soon forgotten.
    Decay 0 keeps no copy: `weights` are the model's own.
    """

    def __init__(self, model: nn.Module, decay: float):
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"trainer.ema_decay ({decay}) must be at least 0 and below 1")
        self.decay, self.num_updates = decay, 0
        self._model = model
        self._average = [p.detach().clone() for p in model.parameters()] if decay else []

    def update(self) -> None:
        """Updates the average with the model's weights; call it after every update."""
        self.num_updates += 1
        if self.decay:
            decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
            torch._foreach_lerp_(self._average, [p.detach() for p in self._model.parameters()], 1.0 - decay)

    def swap(self) -> None:
        """Exchanges the model's weights with the average; a second call changes them back."""
        with torch.no_grad():
            for average, parameter in zip(self._average, self._model.parameters(), strict=bool(self._average)):
                kept = parameter.detach().clone()
                parameter.copy_(average)
                average.copy_(kept)

    def tensors(self) -> dict[str, Tensor]:
        """The averages by parameter name, for a checkpoint; empty without a decay."""
        names = [name for name, _ in self._model.named_parameters()]
        return dict(zip(names, self._average, strict=False))

    def load(self, tensors: dict[str, Tensor], num_updates: int) -> None:
        """Loads the averages from a checkpoint."""
        self.num_updates = num_updates
        for (name, _), average in zip(self._model.named_parameters(), self._average, strict=bool(self._average)):
            average.copy_(tensors[name])
