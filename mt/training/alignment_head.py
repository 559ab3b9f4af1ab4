"""Teaches an alignment head word links, on a model whose other weights do not change (`mt.model.alignment_head`)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mt.data.batching import Cursor, TokenBatches
from mt.device import mixed_precision
from mt.model.seq2seq import Seq2Seq
from mt.objective.guided import guided_nats

# B batch, H heads, T target positions, S source length


class _HeadMaps:
    """A tap that keeps the mean of the alignment head's heads, with its gradient."""

    def __init__(self, layer: int):
        self.layer = layer
        self.weights_BTS: Tensor | None = None

    def needs(self, layer: int) -> bool:
        return layer == self.layer

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        self.weights_BTS = weights_BHTS.float().mean(dim=1)


def teach_alignment_head(
    model: Seq2Seq,
    batches: TokenBatches,
    *,
    steps: int,
    learning_rate: float,
    device: torch.device,
    dtype: torch.dtype,
    tell: Callable[[int, float], None],
) -> None:
    """Changes the weights of `model.decoder.alignment_head` alone, by Adam with a rate that falls to 0 in a line.

    `batches` are guided. `tell` is called with the step and the loss of its batch, in nats per guided target piece.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    head = model.decoder.alignment_head
    assert head is not None
    head.requires_grad_(True)
    optimizer = torch.optim.Adam(head.parameters(), lr=learning_rate)
    model.to(device).eval()  # no dropout, as when it is used
    cursor = Cursor()
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - (step - 1) / steps)
        batch, cursor = batches.read(cursor)
        batch = batch.to(device)
        assert batch.guide_BTS is not None
        tap = _HeadMaps(len(model.decoder.layers))
        with mixed_precision(device, dtype):
            model(batch.source, batch.target_in_BT, tap=tap)
        assert tap.weights_BTS is not None
        loss = guided_nats(tap.weights_BTS, batch.guide_BTS) / batch.guide_BTS.sum().clamp_min(1)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        tell(step, float(loss.detach()))
