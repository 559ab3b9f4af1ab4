"""Input and output of a process that translates: only text, so that sending it is cheap."""

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
    trees: Sequence[str] = ()  # of each line, if given
    references: Sequence[str] = ()  # of each line, if given

    def part(self, start: int, stop: int) -> Window:
        """Some of the lines."""
        part = slice(start, stop)
        return Window(
            self.first + start, self.lines[part], self.contexts[part], self.trees[part], self.references[part]
        )


@dataclass(frozen=True)
class Rows:
    """The output for a window, and the notes on its lines."""

    text: str
    notes: Sequence[str]
