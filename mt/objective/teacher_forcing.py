"""One pass of the model over a batch, in which the decoder reads the reference, and a tap that sees its attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from mt.data.batching import Batch
from mt.model.decoder import AttentionTap
from mt.model.seq2seq import Seq2Seq

# B batch, T target length, N real target tokens of the batch, D model


def teacher_forcing(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
    """states_ND of the decoder, before the output projection, and targets_N, the tokens that they must predict."""
    states_BTD = model(batch.source, batch.target_in_BT)
    states_ND = states_BTD.flatten(0, 1).index_select(0, batch.real_N)
    return states_ND, batch.target_out_BT.flatten().index_select(0, batch.real_N)


@contextmanager
def noted_states(model: Seq2Seq) -> Iterator[list[Tensor]]:
    """The list of states_BTD that forward passes of the model inside the block give, in their order."""
    passes: list[Tensor] = []
    hook = model.register_forward_hook(lambda _, inputs, states_BTD: passes.append(states_BTD))
    try:
        yield passes
    finally:
        hook.remove()


@contextmanager
def tapped(model: Seq2Seq, tap: AttentionTap) -> Iterator[None]:
    """Inside the block, every forward pass of the model hands its cross-attention weights to the tap.

    One block may stand inside another: each tap then gets them.
    """

    def with_tap(_, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        other = kwargs.get("tap")
        return args, {**kwargs, "tap": tap if other is None else Taps(other, tap)}

    hook = model.register_forward_pre_hook(with_tap, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


class Taps:
    """Several taps as one."""

    def __init__(self, *taps: AttentionTap):
        self.taps = taps

    def needs(self, layer: int) -> bool:
        """Whether the weights of a layer are looked at."""
        return any(tap.needs(layer) for tap in self.taps)

    def record(self, layer: int, weights_BHTS: Tensor) -> None:
        """Takes the weights of a layer."""
        for tap in self.taps:
            if tap.needs(layer):
                tap.record(layer, weights_BHTS)
