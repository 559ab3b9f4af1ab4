"""Watches the numbers of a run and warns, once for each cause, when training goes wrong in a known way."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping

from mt.cores import CHOSEN_BY_USER, SPIN_SETTINGS, available_cores, seconds_waited_for_a_core

WINDOW_UPDATES = 100
SHARE_OF_COPIES = 0.5
WAITING_SECONDS = 30.0  # of training, over which the time that threads waited for a core is summed
SHARE_OF_WAITING = 0.2


class Watch:
    """Looks at losses and validations; returns a warning with its likely causes where there is a problem.

    No improvement is expected in the first `warmup_steps` updates. What it has seen is not saved in checkpoints: a
    resumed run starts the watch again.
    """

    def __init__(self, *, warmup_steps: int):
        self.warmup_steps = max(warmup_steps, 2 * WINDOW_UPDATES)
        self._said: set[str] = set()
        self._nats = self._tokens = 0.0
        self._updates = 0
        self._stage = 0
        self._first = self._least = math.inf
        self._began: int | None = None
        self._waits_from: tuple[float, float] | None = None  # the clock and the waiting when the window began

    def loss(self, step: int, loss_nats: float, target_tokens: float, *, stage: int = 0) -> str | None:
        """Adds the summed loss of an update and its tokens; compares means of 100 updates.

        Those of another `stage` of the mixture are not compared: its text may be harder.
        """
        self._began = step if self._began is None else self._began
        if stage != self._stage:
            self._stage, self._nats, self._tokens, self._updates, self._least = stage, 0.0, 0.0, 0, math.inf
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
        # a run that was resumed after the warm-up: its first losses are unknown
        is_from_the_start = self._began <= self.warmup_steps < step and not self._stage
        if is_from_the_start and self._least > 0.97 * self._first and self._first > 1.0:
            return self._once(
                "still",
                f"step {step}: the loss does not move: {self._first:.2f} nats a token at first, {mean:.2f} now. Likely"
                " causes: a learning rate near zero (schedule.peak), source and target lines that do not correspond"
                " (python -m mt.doctor looks), no learning signal in the data",
            )
        return None

    def validation(self, step: int, numbers: Mapping[str, float]) -> str | None:
        """Checks the numbers of a validation."""
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

    def waiting(
        self,
        step: int,
        *,
        seconds: float,
        num_threads: int,
        waited: Callable[[], float | None] = seconds_waited_for_a_core,
    ) -> str | None:
        """Checks the share of time that threads waited for a core, over windows of 30 seconds of the training's clock.

        `waited` gives the seconds that all threads of the process have waited so far, None where unknown.
        """
        if "waiting" in self._said or (self._waits_from and seconds - self._waits_from[0] < WAITING_SECONDS):
            return None
        before, now = self._waits_from, waited()
        self._waits_from = None if now is None else (seconds, now)
        if now is None or before is None:
            return None
        share = (now - before[1]) / ((seconds - before[0]) * num_threads)
        if share < SHARE_OF_WAITING:
            return None
        harmless = {*SPIN_SETTINGS.items(), ("OMP_WAIT_POLICY", "passive")}
        spinning = [f"{name}={os.environ[name]}" for name in sorted(CHOSEN_BY_USER) if name in os.environ]
        spinning = [setting for setting in spinning if tuple(setting.split("=", 1)) not in harmless]
        return self._once(
            "waiting",
            f"step {step}: other work slows this training down: over {seconds - before[0]:.0f} seconds its"
            f" {num_threads} thread{'s' if num_threads > 1 else ''} waited {min(share, 1.0):.0%} of the time for one of"
            f" the {available_cores()} cores. Remedies: less other work on this machine, a larger CPU quota"
            f" of the container{', fewer threads (OMP_NUM_THREADS=1)' if num_threads > 1 else ''}"
            + (f", leaving out {' '.join(spinning)}, which makes waiting threads hold a core" if spinning else ""),
        )

    def _once(self, kind: str, text: str) -> str | None:
        if kind in self._said:
            return None
        self._said.add(kind)
        return text
