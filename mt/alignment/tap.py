"""The tap: collects cross-attention weights while the decoder runs; the decoder still uses its own kernel."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# B batch (or rows of a search), L layers, H heads, T target positions, S source length


class Tap:
    """Collects cross-attention weights for the chosen layers (None = all); they are computed in addition to the kernel.

    The decoder calls `needs`, and for such a layer `record` once per step; a step may be one token or a whole sentence.
    The weights are the same for both.
    """

    def __init__(self, layers: Iterable[int] | None = None):
        self.layers = None if layers is None else frozenset(layers)
        self._steps: dict[int, list[Tensor]] = {}

    def needs(self, layer: int) -> bool:
        return self.layers is None or layer in self.layers

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        """Adds one step of one layer; the weights are those before dropout."""
        self._steps.setdefault(layer, []).append(weights_BHTS.detach().float())

    def rows(self, index_B: Tensor) -> Tap:
        """The tap of other rows (repeated, reordered, dropped), like `DecoderState.rows`."""
        tap = Tap(self.layers)
        tap._steps = {layer: [step[index_B] for step in steps] for layer, steps in self._steps.items()}
        return tap

    def weights(self) -> Tensor:
        """weights_BLHTS: float32, layers in ascending order, steps joined along T.

        Raises ValueError naming the needed layers that were never recorded.
        """
        missing = sorted((self.layers or frozenset()) - set(self._steps))
        if missing or not self._steps:
            raise ValueError(f"tap: no weights were recorded for layers {missing or 'at all'}")
        return torch.stack([torch.cat(self._steps[layer], dim=2) for layer in sorted(self._steps)], dim=1)
