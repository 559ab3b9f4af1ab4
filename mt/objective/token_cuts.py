"""Token cut-off: the embeddings of some tokens of both sides become zero (Shen et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from mt.data.batching import Batch
from mt.model.seq2seq import Seq2Seq
from mt.objective.draws import uniform
from mt.objective.teacher_forcing import teacher_forcing

# B batch, T length of a side, N real target tokens, D model


def whole_and_cut(model: Seq2Seq, batch: Batch, rate: float) -> tuple[Tensor, Tensor, Tensor]:
    """states_ND of the whole sentences, states_ND of those with tokens cut off, and targets_N."""
    states_ND, targets_N = teacher_forcing(model, batch)
    with cut_tokens(model, batch, rate):
        cut_states_ND, _ = teacher_forcing(model, batch)
    return states_ND, cut_states_ND, targets_N


@contextmanager
def cut_tokens(model: Seq2Seq, batch: Batch, rate: float) -> Iterator[None]:
    """Inside the block, every token of the batch is read as zeros with probability `rate`, on both sides.

    Its position stays. Which tokens these are depends on the pairs' keys alone.
    """

    def cut(stream: int):
        def hook(module: nn.Module, arguments: tuple, states_BTD: Tensor) -> Tensor:
            is_kept_BT = uniform(batch.keys_B, states_BTD.shape[1], stream=stream) >= rate
            return states_BTD * is_kept_BT.unsqueeze(-1)

        return hook

    sides = [model.source_embedding, model.target_embedding]
    hooks = [side.tokens.register_forward_hook(cut(place)) for place, side in enumerate(sides) if side is not None]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_rate(rate: float) -> None:
    """Raises ValueError naming the setting, its rule and value."""
    if not 0.0 < rate < 1.0:
        raise ValueError(f"objective.rate ({rate}) must be above 0 and below 1; 0.05 is usual")
