"""Progress shown while a corpus is prepared: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time

from tqdm import tqdm

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 15.0  # short preparations print nothing


class Progress:
    """Counts finished pairs, or another `unit`, of `total` if it is known; silent where the log level is above INFO."""

    def __init__(self, verb: str, total: int | None = None, *, unit: str = "pairs") -> None:
        self._verb, self._total, self._unit = verb, total, unit
        self._done = 0
        self._start = self._last = time.monotonic()
        is_shown = log.isEnabledFor(logging.INFO) and sys.stderr.isatty()
        self._bar = tqdm(
            desc=verb,
            total=total,
            unit=f" {unit}",
            unit_scale=True,
            leave=False,
            disable=not is_shown,
            dynamic_ncols=True,
        )

    def add(self, count: int) -> None:
        """Adds finished ones."""
        self._done += count
        self._bar.update(count)
        now = time.monotonic()
        if self._bar.disable and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            of_total = f" of {self._total:,}" if self._total else ""
            speed = self._done / (now - self._start)
            done = f"{self._done:,}{of_total} {self._unit}"
            log.info("%s: %s, %s a second", self._verb, done, f"{speed:,.{0 if speed >= 10 else 1}f}")

    def __enter__(self) -> Progress:
        return self

    def close(self) -> None:
        """Removes the bar."""
        self._bar.close()

    def __exit__(self, *_: object) -> None:
        self.close()
