"""Long input: split where a reader would pause, translated part by part and joined again, without silent losses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import regex

from mt.data.visible import is_visible
from mt.inference.sentence_ends import sentences

# Places to cut where sentence ends are not enough, best first: after a clause end, at a blank, at a
# blank that should not be broken.
_PLACES = (
    re.compile(r"(?<=[,;:–—،؛၊])\s+|(?<=[，；：、])"),
    re.compile(r"[^\S\u00a0\u2007\u202f]+"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True)
class Segments:
    """Parts of a line in order; `is_cut` says that some part had to be cut inside a word."""

    parts: tuple[str, ...]
    is_cut: bool = False


def split_long(text: str, *, max_pieces: int, count: Callable[[str], int]) -> Segments:
    """Parts of at most `max_pieces` pieces each, as `count` counts them, as long as the places to cut allow.

    Each part occurs in the text unchanged, after the one before it.

    A text that fits is one part. Else it is cut at sentence ends, a sentence that is still too long at clause ends,
    then at blanks; a single word that is too long is cut anywhere, which `is_cut` reports.
    """
    if count(text) <= max_pieces:
        return Segments((text,))
    parts, is_cut = _split(text, lambda part: count(part.strip()) <= max_pieces)
    return Segments(tuple(part.strip() for part in parts), is_cut)


def split_sentences(text: str, *, max_pieces: int, count: Callable[[str], int]) -> Segments:
    """Each sentence as a part; one that is too long as `split_long` gives it."""
    found = [
        split_long(sentence.strip(), max_pieces=max_pieces, count=count)
        for sentence in sentences(text)
        if is_visible(sentence)
    ]
    return Segments(tuple(part for one in found for part in one.parts), any(one.is_cut for one in found))


def _split(text: str, fits: Callable[[str], bool]) -> tuple[list[str], bool]:
    """Parts that fit, each with the blanks after it, and whether one was cut inside a word."""
    if fits(text):
        return [text], False
    for cut in _CUTS:
        pieces = cut(text)
        if len(pieces) > 1:
            found = [_split(piece, fits) for piece in pieces]
            return _pack([part for parts, _ in found for part in parts], fits), any(is_cut for _, is_cut in found)
    length = len(text.strip())
    if length < 2:
        return [text], True
    middle = len(text) - len(text.lstrip()) + length // 2  # keep the blanks after it, or the next word would be joined
    return [part for half in (text[:middle], text[middle:]) for part in _split(half, fits)[0]], True


def _cut(text: str, place: re.Pattern[str]) -> list[str]:
    """The text cut after each such place; no part is only blanks."""
    pieces, start = [], 0
    for match in place.finditer(text):
        if is_visible(text[start : match.end()]):
            pieces.append(text[start : match.end()])
            start = match.end()
    if is_visible(text[start:]):
        pieces.append(text[start:])
    return pieces


_CUTS: tuple[Callable[[str], list[str]], ...] = (sentences, *(partial(_cut, place=place) for place in _PLACES))


def _pack(parts: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Neighbours joined again while they fit together: context helps, and fewer parts are faster."""

    def fit_from(start: int, number: int) -> bool:
        return fits("".join(parts[start : start + number]))

    packed, start = [], 0
    while start < len(parts):
        number = _most(partial(fit_from, start), len(parts) - start)
        packed.append("".join(parts[start : start + number]))
        start += number
    return packed


def _most(fits: Callable[[int], bool], limit: int) -> int:
    """The largest number of parts that fit, from 1 to `limit`: tries doubled numbers, then bisects."""
    fit = 1
    while fit < limit and fits(min(2 * fit, limit)):
        fit = min(2 * fit, limit)
    too_many = min(2 * fit, limit + 1)
    while too_many - fit > 1:
        middle = (fit + too_many) // 2
        fit, too_many = (middle, too_many) if fits(middle) else (fit, middle)
    return fit


def joined(texts: Sequence[str], sources: Sequence[str]) -> str:
    """The translations of the parts `sources` as one text: with a blank between them, unless their script has none.

    Chinese and Japanese have none. Thai, Lao, Khmer, Burmese and Tibetan have one between sentences, and none where a
    sentence was cut, which the end of the source part says.
    """
    text = ""
    previous = ""  # the source of the last part that has a text
    for part, source in zip(texts, sources, strict=True):
        if not part:
            continue
        text += part if not text or not _has_blank(text[-1], part[0], previous) else f" {part}"
        previous = source
    return text


_IDEOGRAPHIC = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\u3000-\u303f\uff01-\uff60]")
_WIDE_MARK = regex.compile(r"[\u3000-\u3020\uff01-\uff0f\uff1a-\uff20\uff5b-\uff65]")
_SENTENCE_SPACED = regex.compile(r"[\p{Line_Break=Complex_Context}\p{Tibetan}]")
_ENDED = regex.compile(r"[\p{Sentence_Terminal}…།༎][\p{Pe}\p{Pf}\p{Pi}\"'\s]*$")


def _has_blank(before: str, after: str, source: str) -> bool:
    """Whether a blank stands between two characters; `source`: what was translated into the first of them."""
    if _WIDE_MARK.match(before) or _WIDE_MARK.match(after):
        return False
    if _IDEOGRAPHIC.match(before) and _IDEOGRAPHIC.match(after):
        return False
    if _SENTENCE_SPACED.match(before) and _SENTENCE_SPACED.match(after):
        return _ENDED.search(source[-8:]) is not None
    return True
