"""What goes to a process that translates, and what comes back: nothing but text, so that it is sent in no time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.data.document import Context


@dataclass(frozen=True)
class Window:
    """Lines that are translated together; `first` have gone before them."""

    first: int
    lines: Sequence[str]
    contexts: Sequence[Context] = ()  # of each line, where a document is translated
    trees: Sequence[str] = ()  # of each line, where they are given

    def part(self, start: int, stop: int) -> Window:
        """Some of the lines."""
        part = slice(start, stop)
        return Window(self.first + start, self.lines[part], self.contexts[part], self.trees[part])


@dataclass(frozen=True)
class Rows:
    """What is written for a window, and what is said about its lines."""

    text: str
    notes: Sequence[str]
