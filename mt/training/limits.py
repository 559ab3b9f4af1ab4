"""How far a run has come, and when it stops: steps, epochs, wall-clock, patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mt.data.batching import Cursor
from mt.training.settings import TrainerSettings, parse_duration


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a run has come, and its counters."""

    step: int = 0  # updates done
    cursor: Cursor = field(default_factory=Cursor)  # the next batch
    target_tokens: int = 0
    seconds: float = 0.0
    best: float | None = None  # the metric at the best validation, as reported
    validations_without_best: int = 0
    validated_step: int | None = None
    ema_updates: int = 0
    skipped: int = 0  # updates, for a loss or gradient that was not finite
    skipped_in_a_row: int = 0
    rollbacks: int = 0  # since the last checkpoint
    logged_loss_nats: float = 0.0  # since the last line in the metrics file
    logged_tokens: int = 0

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any]) -> Position:
        """The position from a dict made by `asdict`. Raises ValueError where a field is missing or unknown."""
        for kind, found in ((cls, numbers), (Cursor, numbers.get("cursor"))):
            names = {one.name for one in fields(kind)}
            if not isinstance(found, Mapping) or found.keys() != names:
                wrong = sorted(names ^ found.keys()) if isinstance(found, Mapping) else [type(found).__name__]
                raise ValueError(
                    f"the checkpoint's training state must hold {', '.join(sorted(names))}"
                    f" (not so: {', '.join(wrong)}): choose another name=…, or fresh=true to start again"
                )
        return cls(**{**numbers, "cursor": Cursor(**numbers["cursor"])})


class Limits:
    """When a run stops: at the first limit of the settings that is reached. Also keeps the clock of the run.

    `epochs` converts a cursor to passes over the data; `seconds` were spent by earlier parts of the run.
    """

    def __init__(self, settings: TrainerSettings, *, epochs: Callable[[Cursor], float], seconds: float):
        self._settings, self._epochs = settings, epochs
        self._budget = parse_duration(settings.time_budget) if settings.time_budget else None
        self.start_clock(seconds)

    def start_clock(self, seconds: float) -> None:
        """Starts the clock at `seconds`."""
        self._started, self._seconds_before = time.monotonic(), seconds

    def elapsed(self) -> float:
        """Seconds that the run has taken, earlier parts included."""
        return self._seconds_before + time.monotonic() - self._started

    def share(self, position: Position) -> float:
        """The share of the run that is done (0 to 1)."""
        return min(1.0, max(self._shares(position).values()))

    def _shares(self, position: Position) -> dict[str, float]:
        settings, shares = self._settings, {}
        if settings.max_steps is not None:
            shares["steps"] = position.step / settings.max_steps
        if settings.max_epochs is not None:
            shares["epochs"] = self._epochs(position.cursor) / settings.max_epochs
        if self._budget is not None:
            shares["time"] = self.elapsed() / self._budget
        return shares

    def reason_to_stop(self, position: Position, share: float | None = None) -> str | None:
        """Which limit has been reached, in words; None before. `share` is the progress that all ranks agreed on."""
        settings = self._settings
        if settings.patience is not None and position.validations_without_best >= settings.patience:
            return f"no better {settings.metric} in {settings.patience} validations"
        if (self.share(position) if share is None else share) < 1.0:
            return None
        shares = self._shares(position)
        limit = max(shares, key=shares.__getitem__)
        if limit == "steps":
            return f"step {position.step} of {settings.max_steps}"
        if limit == "epochs":
            return f"epoch {self._epochs(position.cursor):g} of {settings.max_epochs:g}"
        return f"time budget of {settings.time_budget}"
