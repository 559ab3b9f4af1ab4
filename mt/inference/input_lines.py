"""Lines that a command translates: of a file or of standard input, in windows, or of the command line."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from mt.data.formats.lines import LONG, STDIN, UNREADABLE, portions_of

log = logging.getLogger(__name__)

WINDOW = 2048  # lines sorted by length and translated together
WINDOW_CHARACTERS = 1 << 23  # also ends a window
PORTIONS = 4  # read ahead; each holds the lines of one block of the input
PAUSE_SECONDS = 0.05  # of the input, after which the lines so far are translated


def windows_of(path: Path | None, chosen: range) -> Iterator[tuple[int, list[str]]]:
    """The `chosen` lines of a file or of standard input in windows, each with the number of the lines before it.

    A window ends when it is full, or when the input pauses, so that a slow writer gets answers.
    """
    portions: queue.Queue[list[str] | Exception | None] = queue.Queue(maxsize=PORTIONS)

    def read() -> None:
        try:
            for portion in _readable(path, chosen):
                portions.put(portion)
            portions.put(None)
        except (ValueError, OSError) as error:  # raised again by the thread that waits for lines
            portions.put(error)

    threading.Thread(target=read, daemon=True).start()
    number, window = chosen.start, list[str]()
    portion: list[str] | Exception | None = []
    while isinstance(portion, list):
        try:
            portion = portions.get(timeout=PAUSE_SECONDS if window else None)
            window += portion if isinstance(portion, list) else []
            is_pause = False
        except queue.Empty:
            is_pause = True
        is_over = is_pause or not isinstance(portion, list) or sum(map(len, window)) >= WINDOW_CHARACTERS
        while len(window) >= WINDOW or (window and is_over):
            yield number, window[:WINDOW]
            number, window = number + len(window[:WINDOW]), window[WINDOW:]
    if portion is not None:
        raise portion


def _readable(path: Path | None, chosen: range) -> Iterator[list[str]]:
    """The `chosen` lines in lists of at most WINDOW; a byte that is not UTF-8 becomes U+FFFD, and a warning says so.

    Raises ValueError after the lines before it for a line that is too long, or the damaged rest of a compressed file:
    it has no useful translation.
    """
    first = 0
    for portion in portions_of(path or STDIN):
        lines: list[str] = []
        for line in portion[max(0, chosen.start - first) : max(0, chosen.stop - first)]:
            if not isinstance(line, str):
                if line.fault.reason in (LONG, UNREADABLE):
                    yield lines
                    raise ValueError(line.fault.message)
                log.warning("%s; such bytes are replaced by U+FFFD", line.fault.message)
            lines.append(line if isinstance(line, str) else line.text)
            if len(lines) == WINDOW:
                yield lines
                lines = []
        yield lines
        first += len(portion)
        if first >= chosen.stop:
            return


def lines_of_arguments(sentences: list[str]) -> list[str]:
    """Sentences of the command line, each as one line. Python hides bytes that it could not decode in surrogates."""
    lines = []
    for number, text in enumerate(sentences, start=1):
        raw = text.encode("utf-8", errors="surrogateescape")
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            line = raw.decode("utf-8", errors="replace")
            where = f"byte {error.start} (0x{raw[error.start]:02x})"
            log.warning("line %d: not UTF-8 at %s; such bytes are replaced by U+FFFD", number, where)
        lines.append(line.removesuffix("\n").removesuffix("\r").replace("\n", " "))
    return lines
