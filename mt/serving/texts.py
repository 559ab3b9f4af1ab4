"""A text into the lines that are translated, and their translations into a text again, with its line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mt.data.visible import is_visible
from mt.inference.sentence_ends import sentences

Split = Literal["lines", "sentences", "none"]

_LINE_END = re.compile(r"(\r\n|\n|\r)")


@dataclass(frozen=True)
class Parts:
    """A text in parts: `lines` are translated, `between` are what stands before, between and after them."""

    lines: tuple[str, ...]
    between: tuple[str, ...]

    def joined(self, translations: list[str]) -> str:
        """The text with its lines translated."""
        pieces = [self.between[0]]
        for translation, after in zip(translations, self.between[1:], strict=True):
            pieces += [translation, after]
        return "".join(pieces)


def parts_of(text: str, split: Split = "lines") -> Parts:
    """The parts of a text.

    `lines`: each line is one; `sentences`: each sentence of each line; `none`: the whole text, in which a line end
    counts as a blank. Blanks at the ends of a part, and lines without visible characters, are not translated.
    """
    if split == "none":
        pieces = [_LINE_END.sub(" ", text)]
    else:
        pieces = []
        for place, piece in enumerate(_LINE_END.split(text)):
            is_line = place % 2 == 0 and split == "sentences" and is_visible(piece)
            pieces += sentences(piece) if is_line else [piece]
    lines, between = [], [""]
    for piece in pieces:
        core = piece.strip()
        if not is_visible(core):
            between[-1] += piece
            continue
        start = piece.index(core)
        between[-1] += piece[:start]
        lines.append(core)
        between.append(piece[start + len(core) :])
    return Parts(tuple(lines), tuple(between))
