"""Learning rate as a function of the step and of how far the run has come."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class InverseSqrt:
    """Linear warm-up to `peak`, then peak * sqrt(warmup_steps / step) (Vaswani et al. 2017).

    Over the last `cooldown` share of the run the rate also falls linearly to zero; 0 leaves that out. The share is of
    whichever limit comes first (steps, epochs or time), so that a run with a time budget reaches zero in time.
    """

    peak: float
    warmup_steps: int
    cooldown: float = 0.0

    def __post_init__(self):
        _check(self.peak, self.warmup_steps)
        if not 0.0 <= self.cooldown <= 1.0:
            raise ValueError(f"schedule.cooldown ({self.cooldown}) must be between 0 and 1")

    def __call__(self, step: int, progress: float) -> float:
        """The rate of update `step` (from 1) when `progress` (0 to 1) of the run is done."""
        rate = self.peak * min(step / max(self.warmup_steps, 1), math.sqrt(max(self.warmup_steps, 1) / step))
        if self.cooldown == 0.0:
            return rate
        return rate * min(1.0, max(0.0, 1.0 - progress) / self.cooldown)


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Linear warm-up to `peak`, then half a cosine down to `floor` * peak at the end of the run (Loshchilov 2017)."""

    peak: float
    warmup_steps: int
    floor: float = 0.0

    def __post_init__(self):
        _check(self.peak, self.warmup_steps)
        if not 0.0 <= self.floor <= 1.0:
            raise ValueError(f"schedule.floor ({self.floor}) must be between 0 and 1")

    def __call__(self, step: int, progress: float) -> float:
        """The rate of update `step` (from 1) when `progress` (0 to 1) of the run is done."""
        warm = min(1.0, step / max(self.warmup_steps, 1))
        fall = self.floor + (1.0 - self.floor) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
        return self.peak * warm * fall


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Linear warm-up to `peak`, which stays until the end."""

    peak: float
    warmup_steps: int

    def __post_init__(self):
        _check(self.peak, self.warmup_steps)

    def __call__(self, step: int, progress: float) -> float:
        """The rate of update `step` (from 1), whatever `progress` (0 to 1) of the run is done."""
        return self.peak * min(1.0, step / max(self.warmup_steps, 1))


def _check(peak: float, warmup_steps: int) -> None:
    if not peak > 0.0:
        raise ValueError(f"schedule.peak ({peak}) must be above 0")
    if warmup_steps < 0:
        raise ValueError(f"schedule.warmup_steps ({warmup_steps}) must be 0 or more")
