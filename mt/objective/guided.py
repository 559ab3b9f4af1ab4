"""Guided alignment: a cross-attention head learns word links while the model learns to translate (Garg et al. 2019).

Its loss is the cross-entropy of the head's rows against where they should look, in nats, summed over the target pieces
that have links: -sum_ts guide_ts log weights_ts. Unlike there, the head is guided in the row that *reads* a piece
(shift 1), which knows it without a second pass over the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mt.data.batching import Batch
from mt.data.tokenizer import TokenizerPair
from mt.model.alignment_head import last_but_one
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Loss, Objective
from mt.objective.teacher_forcing import tapped

# B batch, H heads, T target positions, S source length

LINKS = ("given", "learned", "boxes")
LEAST = 1e-9  # of a weight in the logarithm


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Which links, or boxes in pictures, teach which head, and how much.

    Raises ValueError naming the setting, its rule and value.
    """

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
        layer = last_but_one(num_layers) if self.layer is None else self.layer
        for name, value, count in (("layer", layer, num_layers), ("head", self.head, num_heads)):
            if not 0 <= value < count:
                raise ValueError(f"guidance.{name} ({value}) must be from 0 to {count - 1}")
        return layer, self.head

    def around(self, inner: Objective) -> Objective:
        """The objective of the training: `inner`, with the guided head beside it where guidance is on."""
        return Guided(inner, self) if self.is_on else inner


class Guided:
    """Another objective, and beside it a cross-attention head that learns where the links of the batch say to look.

    Where the inner objective runs the model several times, the head's loss is the mean over these passes. What the
    inner objective sums stays as it is; "guidance_loss" comes with it, without its weight, counted in target pieces
    that have links.
    """

    def __init__(self, inner: Objective, guidance: Guidance):
        self.inner, self.guidance = inner, guidance

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        assert batch.guide_BTS is not None, "batches are made with a guide where guidance is on"
        head = GuidedHead(*self._place(model))
        with tapped(model, head):
            loss = self.inner(model, batch)
        nats = torch.stack([guided_nats(weights_BTS, batch.guide_BTS) for weights_BTS in head.passes]).mean()
        return Loss(
            loss.minimised + self.guidance.weight * nats,
            {**loss.sums, "guidance_loss": nats.detach()},
            {**loss.counts, "guidance_loss": batch.guide_BTS.sum()},
        )

    def check(self, model: Seq2Seq) -> None:
        """Raises ValueError for a layer or a head that the model does not have, or not any more."""
        layer, head = self._place(model)
        kept = model.decoder.layers[layer].cross_attention.kept_heads
        if kept is not None and head not in kept:
            left = ", ".join(map(str, kept))
            raise ValueError(f"guidance.head ({head}) was removed from layer {layer} of this model, which has {left}")
        self.inner.check(model)

    def check_tokenizers(self, tokenizers: TokenizerPair) -> None:
        """As the inner objective does."""
        self.inner.check_tokenizers(tokenizers)

    def _place(self, model: Seq2Seq) -> tuple[int, int]:
        layers = model.decoder.layers
        return self.guidance.at(len(layers), layers[0].cross_attention.num_maps)


class GuidedHead:
    """A tap that keeps the weights of one head with their gradients, of every pass of the model."""

    def __init__(self, layer: int, head: int):
        self.layer, self.head = layer, head
        self.passes: list[Tensor] = []  # weights_BTS of each

    def needs(self, layer: int) -> bool:
        """Whether the weights of a layer are looked at."""
        return layer == self.layer

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        """Takes the weights of a layer."""
        self.passes.append(weights_BHTS[:, self.head].float())


def guided_nats(weights_BTS: Tensor, guide_BTS: Tensor) -> Tensor:
    """-sum guide log weights: what it costs in nats to look where the guide does not."""
    return -(guide_BTS * weights_BTS.clamp_min(LEAST).log()).sum()
