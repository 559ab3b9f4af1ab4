"""One pass of the model over a batch, in which the decoder reads the reference."""

from __future__ import annotations

from torch import Tensor

from mt.data.batching import Batch
from mt.model.seq2seq import Seq2Seq

# B batch, T target length, N real target tokens of the batch, D model


def teacher_forcing(model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
    """states_ND of the decoder, before the output projection, and targets_N, the tokens that they must predict."""
    states_BTD = model(batch.source, batch.target_in_BT)
    states_ND = states_BTD.flatten(0, 1).index_select(0, batch.real_N)
    return states_ND, batch.target_out_BT.flatten().index_select(0, batch.real_N)
