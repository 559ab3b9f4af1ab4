"""Writes marks into a text, with blanks chosen so that removing the marks restores the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mt.inference.markup import Mark, encoded, joint, neighbour
from mt.inference.markup_atoms import Pair


@dataclass(frozen=True)
class Placed:
    """A mark, its number among those of the source, and how many target atoms stand before it."""

    gap: int
    number: int
    mark: Mark


def written(pair: Pair, placed: Sequence[Placed], is_encoded: bool) -> str:
    """The target with its marks."""
    at_gap: dict[int, list[Placed]] = {}
    for item in placed:
        at_gap.setdefault(item.gap, []).append(item)
    pieces: list[str] = []
    for gap in range(len(pair.target) + 1):
        blank = pair.blank(gap)
        if gap in at_gap:
            stop = pair.target[gap - 1].stop if gap else 0
            begin = stop + len(blank)
            # joints look at two characters at most
            before, after = pair.text[max(0, stop - 2) : stop], pair.text[begin : begin + 2]
            items = _spaced(before, at_gap[gap], after, blank)
            pieces += (item if isinstance(item, str) else item.raw for item in items)
        else:
            pieces.append(blank)
        if gap < len(pair.target):
            text = pair.text[pair.target[gap].start : pair.target[gap].stop]
            pieces.append(encoded(text) if is_encoded else text)
    return "".join(pieces)


def _spaced(before: str, placed: Sequence[Placed], after: str, blank: str) -> list[str | Mark]:
    """The marks of a joint with blanks, so that `blank` remains without them: as in the source where possible."""
    items: list[str | Mark] = []
    for has_blank in _spacings(before, placed, after):
        items = [blank or " "] if has_blank[0] else []
        for item, has_blank_behind in zip(placed, has_blank[1:], strict=True):
            items += [item.mark, blank or " "] if has_blank_behind else [item.mark]
        if joint(before, items, after) == blank:
            break
    return items


def _spacings(before: str, placed: Sequence[Placed], after: str) -> Iterator[list[bool]]:
    """Whether a blank stands before all of the marks, and after each; best first, one of the last two always works."""
    count, first, last = len(placed), placed[0].mark, placed[-1].mark
    yield [
        bool(before) and first.before != neighbour(before[-1:]),
        *(_is_apart(left, right) for left, right in pairwise(placed)),
        bool(after) and last.after != neighbour(after[:1]),
    ]
    to_the_left = [number for number, item in enumerate(placed, start=1) if _belongs_to_the_left(item.mark)]
    border = max(to_the_left, default=0)
    # all places between two marks are the same to `joint`: only the nearest one is tried
    inner = [min(max(border, 1), count - 1)] if count > 1 else []
    for place in sorted({0, *inner, count}, key=lambda place: (abs(place - border), place)):
        yield [number == place for number in range(count + 1)]
    yield [False] * (count + 1)
    yield [True, *[False] * (count - 1), True]


def _is_apart(left: Placed, right: Placed) -> bool:
    """Whether a blank stands between two marks."""
    if right.number == left.number + 1 and left.mark.at == right.mark.at:  # neighbours in the source
        return left.mark.is_apart
    if left.mark.is_leaf and right.mark.is_leaf:
        return "blank" in (left.mark.after, right.mark.before)
    if left.mark.is_leaf:
        return right.mark.kind == "open" and left.mark.after == "blank"
    if right.mark.is_leaf:
        return left.mark.kind == "close" and right.mark.before == "blank"
    return (left.mark.kind, right.mark.kind) == ("close", "open") and left.mark.after == right.mark.before == "blank"


def _belongs_to_the_left(mark: Mark) -> bool:
    return mark.kind == "close" or (mark.is_leaf and mark.after == "blank" != mark.before)
