"""Boxes of target words in a picture, a line a pair: "1:10,4,20,20 2:10,4,20,20"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

NUMBER = r"-?\d{1,6}(?:\.\d{1,3})?"
BOX = re.compile(rf"(\d{{1,5}}):({NUMBER}),({NUMBER}),({NUMBER}),({NUMBER})")


class WordBox(NamedTuple):
    """A word, counted from 0, and a box that it means: its left and upper edge, width and height in pixels."""

    word: int
    left: float
    top: float
    width: float
    height: float


def read_boxes(line: str) -> list[WordBox]:
    """The boxes of a line. Raises ValueError for a part that is not word:left,top,width,height, or a box of no size."""
    found = []
    for part in line.split():
        numbers = BOX.fullmatch(part)
        if not numbers:
            raise ValueError(f"box ({part[:60]}) must be word:left,top,width,height, in pixels")
        box = WordBox(int(numbers[1]), *map(float, numbers.groups()[1:]))
        if box.width <= 0 or box.height <= 0:
            raise ValueError(f"box ({part[:60]}) must have a width and a height above 0")
        found.append(box)
    return found


def write_boxes(boxes: Iterable[WordBox]) -> str:
    """The line that `read_boxes` reads."""
    return " ".join(f"{box.word}:" + ",".join(f"{value:.1f}".removesuffix(".0") for value in box[1:]) for box in boxes)


def fitted_boxes(line: str, fit: Callable[[float, float, float, float], tuple[float, float, float, float]]) -> str:
    """The same boxes after the picture was brought to another size."""
    return write_boxes(WordBox(box.word, *fit(*box[1:])) for box in read_boxes(line))
