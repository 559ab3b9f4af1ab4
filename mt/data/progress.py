"""Progress shown while a corpus is prepared: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time

from tqdm import tqdm

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 15.0  # short preparations print nothing


class Progress:
    """Counts finished pairs, of `total` where it is known; silent where the log level is above INFO."""

    def __init__(self, verb: str, total: int | None = None) -> None:
        self._verb, self._total = verb, total
        self._done = 0
        self._start = self._last = time.monotonic()
        is_shown = log.isEnabledFor(logging.INFO) and sys.stderr.isatty()
        self._bar = tqdm(
            desc=verb,
            total=total,
            unit=" pairs",
            unit_scale=True,
            leave=False,
            disable=not is_shown,
            dynamic_ncols=True,
        )

    def add(self, num_pairs: int) -> None:
        """Adds finished pairs."""
        self._done += num_pairs
        self._bar.update(num_pairs)
        now = time.monotonic()
        if self._bar.disable and now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            of_total = f" of {self._total:,}" if self._total else ""
            speed = self._done / (now - self._start)
            log.info("%s: %s%s pairs, %s a second", self._verb, f"{self._done:,}", of_total, f"{speed:,.0f}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
