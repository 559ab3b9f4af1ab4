"""A watch over the numbers of a run: plain warnings, each said once, when training goes wrong in a known way."""

from __future__ import annotations

import math
from collections.abc import Mapping

WINDOW_UPDATES = 100
SHARE_OF_COPIES = 0.5


class Watch:
    """Looks at losses and validations; gives a warning with its likely causes when there is reason for one.

    `warmup_steps`: before so many updates nothing is expected. What it has seen is not kept in checkpoints: after a
    resume it begins anew.
    """

    def __init__(self, *, warmup_steps: int):
        self.warmup_steps = max(warmup_steps, 2 * WINDOW_UPDATES)
        self._said: set[str] = set()
        self._nats = self._tokens = 0.0
        self._updates = 0
        self._first = self._least = math.inf
        self._began: int | None = None

    def loss(self, step: int, loss_nats: float, target_tokens: float) -> str | None:
        """Takes in the summed loss of an update and its tokens; compares means of 100 updates."""
        self._began = step if self._began is None else self._began
        self._nats, self._tokens, self._updates = (
            self._nats + loss_nats,
            self._tokens + target_tokens,
            self._updates + 1,
        )
        if self._updates < WINDOW_UPDATES:
            return None
        mean = self._nats / self._tokens
        self._nats = self._tokens = 0.0
        self._updates = 0
        if self._first == math.inf:
            self._first = mean
        self._least = min(self._least, mean)
        if mean > 1.3 * self._least + 0.5:
            return self._once(
                "explodes",
                f"step {step}: the loss explodes: {mean:.2f} nats a token after {self._least:.2f}. Likely causes: a"
                " learning rate that is too high (schedule.peak), too short a warm-up (schedule.warmup_steps), no"
                " gradient clipping (trainer.clip_norm), batches that are too small (batches.max_tokens)",
            )
        # of a run that went on after the warm-up nobody here knows how it began
        is_from_the_start = self._began <= self.warmup_steps < step
        if is_from_the_start and self._least > 0.97 * self._first and self._first > 1.0:
            return self._once(
                "still",
                f"step {step}: the loss does not move: {self._first:.2f} nats a token at first, {mean:.2f} now. Likely"
                " causes: a learning rate near zero (schedule.peak), source and target that do not belong together"
                " (python -m mt.doctor looks), no learning signal in the data",
            )
        return None

    def validation(self, step: int, numbers: Mapping[str, float]) -> str | None:
        """Takes in the numbers of a validation."""
        if step < self.warmup_steps:
            return None
        if numbers.get("copied", 0.0) > SHARE_OF_COPIES:
            return self._once(
                "copies",
                f"step {step}: {numbers['copied']:.0%} of the translations are copies of their source. Likely causes:"
                " untranslated pairs in the training data (data.cleaning.drop_identical), the same file on both sides",
            )
        if numbers.get("bleu", 1.0) < 0.05:
            return self._once(
                "zero",
                f"step {step}: validation BLEU is {numbers['bleu']:.2f}. Likely causes: source and target swapped or"
                " not aligned line by line (python -m mt.doctor looks), a validation set in other languages, too few"
                " updates so far, a learning rate that is too high or too low (schedule.peak)",
            )
        return None

    def _once(self, kind: str, text: str) -> str | None:
        if kind in self._said:
            return None
        self._said.add(kind)
        return text
