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
    images: Sequence[str] = ()  # the name of the picture of each line, blank for none, if given
    sounds: Sequence[str] = ()  # likewise, of its sound
    references: Sequence[str] = ()  # of each line, if given

    def part(self, start: int, stop: int) -> Window:
        """Some of the lines."""
        part = slice(start, stop)
        columns = {name: getattr(self, name)[part] for name in ("contexts", "trees", "images", "sounds", "references")}
        return Window(self.first + start, self.lines[part], **columns)


@dataclass(frozen=True)
class Rows:
    """The output for a window, and the notes on its lines."""

    text: str
    notes: Sequence[str]
