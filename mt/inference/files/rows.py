"""A text of several lines whose lines matter, as in a program's messages: which of them belong together, and columns.

A line goes on in the next one if it is long, ends no sentence, and the next one begins with a small letter. Such lines
are translated together and filled anew, to the width of the longest. Two blanks or a tab inside a line divide columns
("  -x, --hex    print numbers in hex"), which are translated separately; options among them stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mt.inference.files.coded_line import CodedLine

LONG = 40  # characters of a line that may go on in the next one
COLUMNS = re.compile(r"((?<=[^\s.!?:,;])(?:\t| {2,})\s*(?=\S))")
ENDS = re.compile(r"[.:!?…。！？؟।;=-]\s*$")
LETTER = re.compile(r"[^\W\d_]")
OPTION = re.compile(r"--?\w")
INDENT = re.compile(r"\s*(?:[-*+•·–]\s+(?=\S))?")


@dataclass(frozen=True)
class Rows:
    """Texts of a text, and between them what stays: `frame` has a number for each text."""

    frame: tuple[str | int, ...]
    coded: tuple[CodedLine, ...]
    widths: tuple[int, ...]  # of each text; 0: it is one line
    hanging: tuple[str, ...]  # the indentation of its further lines

    @classmethod
    def of(cls, text: str) -> Rows:
        frame: list[str | int] = []
        coded: list[CodedLine] = []
        widths: list[int] = []
        hanging: list[str] = []
        lines = text.split("\n")
        place = 0
        while place < len(lines):
            stop = place + 1
            while stop < len(lines) and _goes_on(lines[stop - 1], lines[stop]):
                stop += 1
            together = lines[place:stop]
            frame += ["\n"] * (place > 0)
            indent = INDENT.match(together[0])[0]  # type: ignore[index]
            if len(together) > 1:
                cells = ["", " ".join([together[0][len(indent) :].strip(), *(line.strip() for line in together[1:])])]
                width, rest = max(map(len, together)), _blanks(together[1])
            else:
                cells, width, rest = ["", *COLUMNS.split(together[0][len(indent) :].strip())], 0, ""
            frame.append(indent)
            for number, cell in enumerate(cells):
                if number % 2 and LETTER.search(cell) and not OPTION.match(cell):
                    frame.append(len(coded))
                    coded.append(CodedLine.of([cell]))
                    widths.append(width - len(indent) if width else 0)
                    hanging.append(rest)
                else:
                    frame.append(cell)
            frame.append(together[-1][len(together[-1].rstrip()) :] if together[-1].strip() else "")
            place = stop
        return cls(tuple(frame), tuple(coded), tuple(widths), tuple(hanging))

    @property
    def lines(self) -> tuple[str, ...]:
        """To translate, one for each text."""
        return tuple(one.line for one in self.coded)

    def written(self, texts: Sequence[str]) -> str:
        """The text for translations of `lines`."""
        return "".join(item if isinstance(item, str) else self._filled(item, texts[item]) for item in self.frame)

    def _filled(self, number: int, text: str) -> str:
        text, width = self.coded[number].restored(text), self.widths[number]
        if not width:
            return text
        return f"\n{self.hanging[number]}".join(filled(text, max(width, LONG)))


def filled(text: str, width: int, may_begin: Callable[[str], bool] = bool) -> list[str]:
    """The text in lines of at most this width, none of which begins with a word that may not; blanks (U+0020) part."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width and may_begin(word):
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _goes_on(line: str, following: str) -> bool:
    return (
        len(line.strip()) >= LONG
        and not ENDS.search(line)
        and not COLUMNS.search(line.strip())
        and not COLUMNS.search(following.strip())
        and following.strip()[:1].islower()
    )


def _blanks(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
