"""Lines that a command translates: of a file or of standard input, in windows, or of the command line."""

from __future__ import annotations

import logging
import os
import queue
import stat
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mt.data.document import DocumentSettings
from mt.data.formats.lines import LONG, STDIN, UNREADABLE, portions_of, read_lines
from mt.inference.document import in_documents, with_neighbours
from mt.inference.window import Window

log = logging.getLogger(__name__)

WINDOW = 2048  # lines sorted by length and translated together
WINDOW_CHARACTERS = 1 << 23  # also ends a window
PORTIONS = 4  # read ahead; each holds the lines of one block of the input
PAUSE_SECONDS = 0.05  # of the input, after which the lines so far are translated
ALL = range(sys.maxsize)  # lines of an input


@dataclass(frozen=True, kw_only=True)
class Input:
    """What is translated: the sentences of the command line, or else the lines of a file or of standard input."""

    sentences: Sequence[str] = ()
    path: Path | None = None  # None: standard input
    trees: Path | None = None  # a file whose line n has the tree of line n
    images: Path | None = None  # a file whose line n names the picture of line n, or is blank
    sounds: Path | None = None  # likewise its sound
    document: DocumentSettings | None = None  # the context of each line; None: lines are translated alone

    @property
    def may_be_slow(self) -> bool:
        """Whether somebody may still be writing the lines."""
        return not self.sentences and not stat.S_ISREG(os.stat(self.path or sys.stdin.fileno()).st_mode)

    def windows(self, chosen: range = ALL) -> Iterable[Window]:
        """The `chosen` lines, each with its tree, its picture's name and its context where there are any.

        Raises ValueError for lines that cannot be read, and for a file of trees or names with another number of lines.
        """
        read = chosen if self.document is None else with_neighbours(chosen, self.document)
        found = [(0, lines_of_arguments(self.sentences))] if self.sentences else windows_of(self.path, read)
        if self.document is None:
            windows: Iterable[Window] = (Window(first, window) for first, window in found)
        else:
            windows = in_documents(found, chosen, self.document)
        for column in ("trees", "images", "sounds"):
            path = getattr(self, column)
            if path is not None:
                windows = _with_column(column, windows, path, chosen)
        return windows


def _with_column(column: str, windows: Iterable[Window], path: Path, chosen: range) -> Iterator[Window]:
    """The windows of the `chosen` lines with lines of another file, line n of it being that of line n."""
    others = islice(read_lines(path), chosen.start, None)
    number = chosen.start
    for window in windows:
        of_lines = list(islice(others, len(window.lines)))
        number = window.first + len(of_lines)
        if len(of_lines) < len(window.lines):
            raise ValueError(f"--{column} ({path}) has {number} lines, fewer than there are sentences: one for each")
        others_of_lines: dict[str, Any] = {column: of_lines}
        yield replace(window, **others_of_lines)
    if chosen.stop == ALL.stop and next(others, None) is not None:
        raise ValueError(f"--{column} ({path}) has more than {number} lines, the number of sentences: one for each")


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


def lines_of_arguments(sentences: Sequence[str]) -> list[str]:
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
