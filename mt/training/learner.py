"""A model with everything else that updates change: the optimizer's state and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from mt.device import choose_precision
from mt.model.seq2seq import Seq2Seq
from mt.objective.contract import Objective
from mt.training.distributed import Ranks
from mt.training.ema import MovingAverage
from mt.training.schedule import Constant
from mt.training.updater import Updater

if TYPE_CHECKING:
    from mt.training.settings import TrainerSettings


@dataclass(frozen=True, kw_only=True)
class Learner:
    """What trains in a run, in the doctor's trial and in a measurement of speed."""

    model: Seq2Seq  # on `device`
    updater: Updater
    optimizer: torch.optim.Optimizer
    average: MovingAverage
    device: torch.device
    dtype: torch.dtype  # of matrix products
    ranks: Ranks

    @classmethod
    def of(
        cls,
        settings: TrainerSettings,
        model: Seq2Seq,
        *,
        device: torch.device,
        objective: Objective,
        optimizer: Callable[..., torch.optim.Optimizer],
        max_tokens: int,
        ranks: Ranks,
    ) -> Learner:
        """Moves the model to `device` and creates the rest.

        `optimizer` gets the model, then the objective's own weights. `max_tokens` is the budget of the batches.

        Raises ValueError for a model that the objective cannot train.
        """
        dtype = choose_precision(settings.precision, device)
        model = model.to(device)
        updater = Updater(
            model,
            objective,
            clip_norm=settings.clip_norm,
            max_tokens=max_tokens,
            device=device,
            dtype=dtype,
            seed=settings.seed,
            ranks=ranks,
            shard=settings.shard,
        )
        own = optimizer(model, updater.weights)
        return cls(
            model=model,
            updater=updater,
            optimizer=own,
            average=average_of(model, own, settings.ema_decay),
            device=device,
            dtype=dtype,
            ranks=ranks,
        )


def average_of(model: nn.Module, optimizer: torch.optim.Optimizer, ema_decay: float) -> MovingAverage:
    """What is validated and saved in place of the weights: the optimizer's own average, if it has one.

    Raises ValueError for an `ema_decay` out of range, or one beside such an average.
    """
    average = MovingAverage(model, ema_decay)
    own = getattr(optimizer, "average", None)
    if own is None:
        return average
    if ema_decay:
        raise ValueError(f"trainer.ema_decay ({ema_decay}) must be 0: this optimizer averages the weights itself")
    assert isinstance(own, MovingAverage)
    return own


def check_schedule(optimizer: torch.optim.Optimizer, schedule: Callable[[int, float], float]) -> None:
    """Raises ValueError for a rate that falls, where the optimizer averages over a constant one."""
    if getattr(optimizer, "needs_constant_rate", False) and not isinstance(schedule, Constant):
        name = type(schedule).__name__
        raise ValueError(f"schedule ({name}) must be constant after warm-up for this optimizer: schedule=constant")
