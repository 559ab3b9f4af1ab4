"""Long input: split where a reader would pause, translated part by part, joined again, and nothing lost in silence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mt.data.visible import is_visible

# From the best place to cut to the worst: after a sentence end, after a clause end, at a blank.
_PLACES = (
    re.compile(r"(?<=[.!?…])[\"'»”’)\]]*\s+|(?<=[。！？｡])"),
    re.compile(r"(?<=[,;:–—])\s+|(?<=[，；：、])"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True)
class Segments:
    """Parts of a line in order; `is_cut` says that some part had to be cut inside a word."""

    parts: tuple[str, ...]
    is_cut: bool = False


def split_long(text: str, *, max_pieces: int, count: Callable[[str], int]) -> Segments:
    """Parts of at most `max_pieces` pieces each, as `count` counts them, as long as the places to cut allow.

    Each part stands in the text as it is, behind the one before it.

    A text that fits is one part. Else it is cut at sentence ends, a sentence that is still too long at clause ends,
    then at blanks; a single word that is too long is cut anywhere, which `is_cut` reports.
    """
    if count(text) <= max_pieces:
        return Segments((text,))
    parts, is_cut = _split(text, lambda part: count(part.strip()) <= max_pieces)
    return Segments(tuple(part.strip() for part in parts), is_cut)


def _split(text: str, fits: Callable[[str], bool]) -> tuple[list[str], bool]:
    """Parts that fit, each with the blanks behind it, and whether one was cut inside a word."""
    if fits(text):
        return [text], False
    for place in _PLACES:
        pieces = _cut(text, place)
        if len(pieces) > 1:
            found = [_split(piece, fits) for piece in pieces]
            return _pack([part for parts, _ in found for part in parts], fits), any(is_cut for _, is_cut in found)
    length = len(text.strip())
    if length < 2:
        return [text], True
    middle = len(text) - len(text.lstrip()) + length // 2  # the blanks behind stay, or the next word would be joined
    return [part for half in (text[:middle], text[middle:]) for part in _split(half, fits)[0]], True


def _cut(text: str, place: re.Pattern[str]) -> list[str]:
    pieces, start = [], 0
    for match in place.finditer(text):
        if is_visible(text[start : match.end()]):
            pieces.append(text[start : match.end()])
            start = match.end()
    if is_visible(text[start:]):
        pieces.append(text[start:])
    return pieces


def _pack(parts: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Neighbours joined again while they fit together: context helps, and fewer parts are faster."""
    packed, start = [], 0
    while start < len(parts):
        number = _most(lambda n, start=start: fits("".join(parts[start : start + n])), len(parts) - start)
        packed.append("".join(parts[start : start + number]))
        start += number
    return packed


def _most(fits: Callable[[int], bool], limit: int) -> int:
    """The most parts that fit, up to `limit`, at least one; asked for twice as many each time, then in between."""
    fit = 1
    while fit < limit and fits(min(2 * fit, limit)):
        fit = min(2 * fit, limit)
    too_many = min(2 * fit, limit + 1)
    while too_many - fit > 1:
        middle = (fit + too_many) // 2
        fit, too_many = (middle, too_many) if fits(middle) else (fit, middle)
    return fit
