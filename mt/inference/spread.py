"""Windows of lines over several processes, each with one thread: rows come back in order, as soon as they can."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import chain

from mt.data.workers import Workers
from mt.inference.window import Rows, Window

MANY = 300  # lines of a window, from which starting processes is worth the time
SMALLEST_PIECE = 64  # lines: fewer would leave batches half empty


def in_order(job: Callable[[Window], Rows], windows: Iterable[Window], num_processes: int) -> Iterator[Rows]:
    """`job` of every window: in this process until a window has MANY lines, from then on in `num_processes` others."""
    windows = iter(windows)
    for window in windows:
        if num_processes > 1 and len(window.lines) >= MANY:
            yield from _spread(job, chain([window], windows), num_processes)
        else:
            yield job(window)


def _spread(job: Callable[[Window], Rows], windows: Iterable[Window], num_processes: int) -> Iterator[Rows]:
    with Workers(job, num_processes) as workers:
        results: queue.Queue[Future | None] = queue.Queue(maxsize=2 * num_processes)

        def hand_out() -> None:
            """A separate thread, since reading a window may block while results of others are ready."""
            try:
                for window in windows:
                    for piece in pieces(window, num_processes):
                        results.put(workers.submit(piece))
            except Exception as error:  # reported by the thread that writes
                failed: Future = Future()
                failed.set_exception(error)
                results.put(failed)
            results.put(None)

        threading.Thread(target=hand_out, daemon=True).start()
        while (result := results.get()) is not None:
            yield result.result()


def pieces(window: Window, count: int) -> Iterator[Window]:
    """The window in at most `count` pieces of nearly equal size."""
    size = max(SMALLEST_PIECE, -(-len(window.lines) // count))
    for start in range(0, len(window.lines), size):
        yield window.part(start, start + size)
