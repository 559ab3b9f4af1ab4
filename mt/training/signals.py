"""SIGINT and SIGTERM are noted while a training runs: it ends between two updates, with a checkpoint."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

SAME_SIGNAL_SECONDS = 2.0


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes; a second signal, some seconds later, acts at once.

    A second one within two seconds may be the same: a cluster signals all processes, and torchrun its own again.
    """
    seen: list[int] = []
    since: list[float] = []

    def note(number: int, _frame: object) -> None:
        if seen and time.monotonic() - since[0] < SAME_SIGNAL_SECONDS:
            return
        if seen:
            for name in before:
                signal.signal(name, before[name])
            signal.raise_signal(number)
        seen.append(number)
        since.append(time.monotonic())
        log.warning("%s: finishing this update and writing a checkpoint", signal.Signals(number).name)

    handlers = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    # an ignored signal, such as SIGINT in a shell's background job, stays ignored
    before = {name: handler for name, handler in handlers.items() if handler is not signal.SIG_IGN}
    try:
        for name in before:
            signal.signal(name, note)
    except ValueError:  # not in the main thread: only that may set handlers
        pass
    try:
        yield seen
    finally:
        for name, handler in before.items():
            if signal.getsignal(name) is note:
                signal.signal(name, handler)
