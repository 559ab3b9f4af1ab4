"""The settings of the training loop: when to stop, how to update, what to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass

METRICS = {"bleu": 1.0, "chrf": 1.0, "loss": -1.0}  # sign: is more better?


def parse_duration(text: str | float) -> float:
    """Seconds of `90s`, `30m`, `1.5h` or a plain number of seconds. Raises ValueError."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    body, unit = text, 1.0
    if isinstance(text, str) and text[-1:] in units:
        body, unit = text[:-1], units[text[-1]]
    try:
        seconds = float(body) * unit
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"trainer.time_budget ({text}) must be a time such as 90s, 30m or 2h")
    return seconds


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """When to stop, how to update, what to keep. Raises ValueError naming the setting, its rule and value."""

    max_steps: int | None = None  # updates
    max_epochs: float | None = None  # passes over the training data
    time_budget: str | float | None = None  # wall-clock for the whole run, resumed parts included, e.g. 90s, 30m, 2h
    accumulate: int = 1  # batches an update
    clip_norm: float = 1.0  # largest gradient norm, 0: no clipping
    ema_decay: float = 0.0  # moving average of the weights, used for validation and the checkpoint; 0 = none
    precision: str = "auto"  # auto | float32 | bfloat16 (matrix products under autocast)
    device: str = "auto"  # auto | cpu | cuda | cuda:1 …
    validate_every: int = 500  # updates between validations, each of which writes a checkpoint
    metric: str = "bleu"  # bleu | chrf | loss: what "best" means on the validation set
    patience: int | None = None  # validations without a new best before the run stops; none = never
    keep_last: int = 2  # checkpoints kept beside the best one
    skip_limit: int = (
        5  # skipped updates in a row (loss or gradient not finite) before going back to the last checkpoint
    )
    shard: bool = False  # each of several processes holds only a part of the model (FSDP2), for models that do not fit
    log_every: int = 50  # updates between lines in metrics.jsonl
    seed: int = 1  # of weights, dropout and the order of the data

    def __post_init__(self):
        if self.max_steps is None and self.max_epochs is None and self.time_budget is None:
            raise ValueError("trainer: one of max_steps, max_epochs, time_budget must be given, all are null")
        for name in ("max_steps", "accumulate", "validate_every", "log_every", "patience", "keep_last", "skip_limit"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"trainer.{name} ({value}) must be a whole number of at least 1")
        if self.max_epochs is not None and self.max_epochs <= 0:
            raise ValueError(f"trainer.max_epochs ({self.max_epochs}) must be above 0")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"trainer.seed ({self.seed}) must be from 0 to 2**63 - 1")
        if self.metric not in METRICS:
            raise ValueError(f"trainer.metric ({self.metric}) must be one of {', '.join(METRICS)}")
        if self.clip_norm < 0:
            raise ValueError(f"trainer.clip_norm ({self.clip_norm}) must be 0 or more")
        if self.time_budget is not None:
            parse_duration(self.time_budget)
