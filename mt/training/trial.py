"""A few real updates of a model on its corpus: how long will training take, how much memory, and does it learn?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from mt.data.batching import Batch, Cursor, TokenBatches
from mt.training.ema import MovingAverage
from mt.training.learner import Learner
from mt.training.memory import free_bytes, held_bytes, peak_bytes, state_bytes, update_bytes
from mt.training.settings import TrainerSettings

WARM_UP = 1  # updates that are not timed: kernels are built, memory is allocated
CANDIDATES = 8  # first batches of the run, of which the largest and the one with the longest sentences are measured
# On CPUs the allocator keeps about half as much again as the tensors of an update, and oneDNN its kernels for bfloat16.
# With these two numbers the estimate was within 10 % of six trials of 100 s (tiny, small, base; both precisions).
CPU_SLACK = 0.5
BFLOAT16_KERNELS = 850 * 2**20


@dataclass(frozen=True)
class Memory:
    """Peak bytes that updates need, by purpose, on top of `before`, which the process held already."""

    parts: dict[str, int]
    before: int
    free: int | None  # free on the device; None where unknown
    measured: int | None = None  # the trial's peak

    @property
    def estimate(self) -> int:
        """All parts together, and what was held before."""
        return sum(self.parts.values()) + self.before

    @property
    def needed(self) -> int:
        """What must be free: the larger of estimate and measurement, without what is held already."""
        return max(self.estimate, self.measured or 0) - self.before


@dataclass(frozen=True)
class Speed:
    """What the timed updates did."""

    updates: int
    seconds: float  # of all of them
    epochs: float  # passes over the pairs of the trial, or the part of one
    target_tokens: int
    first_loss_nats: float  # a target token, of the first update of the trial
    last_loss_nats: float


@dataclass(frozen=True)
class Trial:
    """How the trial went."""

    device: torch.device
    precision: torch.dtype
    memory: Memory
    speed: Speed | None  # None where there was no time for it, or no memory


def run_trial(
    make_learner: Callable[[], Learner],
    *,
    settings: TrainerSettings,
    device: torch.device,
    batches: TokenBatches,
    by_length: TokenBatches,
    schedule: Callable[[int, float], float],
    seconds: float,
) -> Trial:
    """Measures parts of the largest updates, then trains for some seconds. `by_length` are the same pairs, unshuffled.

    `device` is the one that the learner trains on. The model is no longer fresh afterwards. Raises ValueError for too
    little memory.
    """
    free, before = free_bytes(device), held_bytes(device) or 0
    try:
        learner = make_learner()
    except torch.OutOfMemoryError:
        raise ValueError(f"the model alone is too large for {device}") from None
    model, precision, average = learner.model, learner.dtype, learner.average
    update = partial(learner.updater, learner.optimizer)
    with peak_bytes(device) as peak:
        largest = max(
            update_bytes(lambda part: update([part], step=0, learning_rate=0.0), batch)
            for batch in _largest(batches, by_length)
        )
        weights = sum(parameter.nbytes for parameter in model.parameters())
        parts = {
            "weights": weights,
            "optimizer": state_bytes(update.args[0]),
            "moving average": weights if settings.ema_decay else 0,
            "largest update": largest,
        }
        if device.type == "cpu":
            parts["kept by libraries"] = round(CPU_SLACK * largest) + BFLOAT16_KERNELS * (precision == torch.bfloat16)
        memory = Memory(parts, before, free)
        # report missing memory rather than be killed for it
        is_tried = seconds > 0 and (free is None or memory.needed <= free)
        speed = _train(update, average, batches, settings.accumulate, schedule, seconds) if is_tried else None
    if peak and speed is not None:
        memory = replace(memory, measured=peak[0])
    return Trial(device, precision, memory, speed)


def _largest(batches: TokenBatches, by_length: TokenBatches) -> list[Batch]:
    last = round(1 / by_length.epochs(Cursor(batch=1))) - 1
    firsts, cursor = [], Cursor()
    for _ in range(CANDIDATES):
        batch, cursor = batches.read(cursor)
        firsts.append(batch)
    return [by_length.read(Cursor(batch=last))[0], max(firsts, key=lambda batch: batch.padded_tokens)]


def _train(update, average: MovingAverage, batches: TokenBatches, accumulate: int, schedule, seconds: float) -> Speed:
    cursor, step, tokens = Cursor(), 0, 0
    losses = []
    begun = started = time.monotonic()
    first_cursor = cursor
    while step <= WARM_UP or time.monotonic() - begun < seconds:
        if step == WARM_UP:
            started, first_cursor, tokens = time.monotonic(), cursor, 0
        group = []
        for _ in range(accumulate):
            batch, cursor = batches.read(cursor, step=step)
            group.append(batch)
        done = update(group, step=step, learning_rate=schedule(step + 1, 0.0))
        average.update()
        losses.append(done.loss_nats / max(1, done.target_tokens))
        tokens += done.target_tokens
        step += 1
    return Speed(
        updates=step - WARM_UP,
        seconds=time.monotonic() - started,
        epochs=batches.epochs(cursor) - batches.epochs(first_cursor),
        target_tokens=tokens,
        first_loss_nats=losses[0],
        last_loss_nats=losses[-1],
    )
