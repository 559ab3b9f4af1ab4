"""Guided alignment: a cross-attention head is taught word links while the model learns to translate (Garg et al. 2019).

Its loss is the cross-entropy of the head's rows against where they should look, in nats, summed over the target pieces
that have links: -sum_ts guide_ts log weights_ts. Unlike there, the head is guided in the row that *reads* a piece
(shift 1), which knows it without a second pass over the target.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

# B batch, H heads, T target positions, S source length

LINKS = ("given", "learned")
LEAST = 1e-9  # of a weight in the logarithm


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Which links teach which head, and how much. Raises ValueError naming the setting, its rule and value."""

    links: str | None = None  # None: no guidance
    weight: float = 0.05
    layer: int | None = None  # None: the last but one
    head: int = 0
    shift: int = 1

    def __post_init__(self):
        if self.links is not None and self.links not in LINKS:
            raise ValueError(f"guidance.links ({self.links}) must be one of {', '.join(LINKS)}, or null")
        if not self.weight > 0:
            raise ValueError(f"guidance.weight ({self.weight}) must be above 0; guidance.links=null turns it off")
        if self.shift not in (0, 1):
            raise ValueError(f"guidance.shift ({self.shift}) must be 0 or 1")

    @property
    def is_on(self) -> bool:
        """Whether any head is guided."""
        return self.links is not None

    def at(self, num_layers: int, num_heads: int) -> tuple[int, int]:
        """The layer and the head that are guided. Raises ValueError for one that the model does not have."""
        layer = max(0, num_layers - 2) if self.layer is None else self.layer
        for name, value, count in (("layer", layer, num_layers), ("head", self.head, num_heads)):
            if not 0 <= value < count:
                raise ValueError(f"guidance.{name} ({value}) must be from 0 to {count - 1}")
        return layer, self.head


class GuidedHead:
    """A tap that keeps the weights of one head with their gradients."""

    def __init__(self, layer: int, head: int):
        self.layer, self.head = layer, head
        self.weights_BTS: Tensor | None = None

    def wants(self, layer: int) -> bool:
        return layer == self.layer

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        self.weights_BTS = weights_BHTS[:, self.head].float()


def guided_nats(weights_BTS: Tensor, guide_BTS: Tensor) -> Tensor:
    """-sum guide log weights: what it costs in nats to look where the guide does not."""
    return -(guide_BTS * weights_BTS.clamp_min(LEAST).log()).sum()
