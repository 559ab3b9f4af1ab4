"""Puts the marks of a source into its translation by word links: none lost or doubled, with the same nesting.

The plain text was translated and aligned; marks are put back afterwards ("two streams", Joanis et al. 2013; "alignment
reinsertion", Müller 2017). Words are divided into opening signs, core and closing signs, linked kind to kind.

- An element (a tag and its partner) spans the target words linked to its source words. If these are not contiguous, it
  is the one span with the highest score: a word linked into the element counts 1, a word linked elsewhere costs
  FOREIGN; words without links cost nothing inside and stay out at the edges (after Zenkel et al. 2021, who show that
  spanning everything from first to last loses to such a balance; Bergamot's way, the element once for each part, would
  double it).
- Elements stay inside their parents and do not overlap siblings; of siblings the shorter one is placed first.
- An element that covers all of its parent's text in the source does so in the target.
- A mark without text (placeholders, `<br/>`, tags without partner) or linked word goes to the place in its parent
  that keeps most words on the same side of it as in the source; near words weigh more.
- Blanks around marks are those of the source as far as the translation's own blanks allow.
- `%s` and `{}` keep their order among themselves, since it identifies them.
- A mark inside a word that was copied ("H2O") keeps its place; in any other word it covers the whole core.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from mt.alignment.links import Link
from mt.data.visible import is_visible
from mt.inference.markup import Mark, Marked, Syntax, parse
from mt.inference.markup_atoms import LEAD, TAIL, Pair, num_cells
from mt.inference.markup_writing import Placed, written

# T target atoms, S source atoms, L links between them

FOREIGN = 1.0
NO_SYNTAX = str.maketrans("{}'", "()’")
# Marks x (target words + links) up to which each mark is placed by links. Beyond it, in a line of thousands of marks,
# they keep their order and relative position, which takes time proportional to the line's length.
MAX_CELLS = 1 << 24
PER_CHARACTER = 1e-6  # decides between equals: the longer word is better evidence
# Whether marks may stand inside words, and whether tags without partner go to the ends of the line: the first way that
# reads back correctly is used.
WAYS = ((True, False), (False, False), (False, True))


def restore_all(marked: Marked, translations: Iterable[tuple[str, Iterable[Link]]]) -> str:
    """The line for translations of `marked.texts()`, in order, each with its links as in `restore`.

    The branches of messages get their own translations, in unchanged frames. Characters that would end a branch or
    begin a quotation in it are replaced: "{" by "(", the apostrophe by U+2019, which ICU advises.
    """
    return _restored(marked, iter(translations))


def _restored(marked: Marked, translations: Iterator[tuple[str, Iterable[Link]]]) -> str:
    target, links = next(translations)
    if marked.syntax is not Syntax.LINE:
        target = target.replace("''", "'").translate(NO_SYNTAX)
    if not marked.messages:
        return restore(marked, target, links)
    marks, pieces, end = list(marked.marks), [], 0
    for message in marked.messages:
        raw = message.written([_restored(branch, translations) for branch in message.branches])
        marks[message.number] = replace(marks[message.number], raw=raw)
        pieces += [marked.line[end : message.start], raw]
        end = message.stop
    line = "".join([*pieces, marked.line[end:]])
    return restore(replace(marked, line=line, marks=tuple(marks)), target, links)


def restore(marked: Marked, target: str, links: Iterable[Link]) -> str:
    """The line for `target`, a translation of `marked.text`; links are (source word, target word) of `mt.words`.

    Reading it back gives `target`, the same marks, and the same partners. A line without words is itself.
    """
    if not is_visible(marked.text):
        return marked.line
    links, made = sorted(set(links)), []
    if num_cells(marked, target, links) > MAX_CELLS:
        pair = Pair.of(marked, target, [], splits_copies=False)
        return written(pair, list(_in_order(marked, pair)), marked.is_encoded)
    for goes_inside, pins_singles in WAYS:
        pair = Pair.of(marked, target, links, splits_copies=goes_inside)
        placing = _Placing(marked.marks, pair, goes_inside=goes_inside, pins_singles=pins_singles)
        placed = list(placing.in_order())
        for is_encoded in (True,) if marked.is_encoded else (False, True):
            line = written(pair, placed, is_encoded)
            if _is_read_back(line, target, placed, marked.syntax):
                return line
            made.append(line)
    # where no place by links can be read back, as between a blank and a quote: between words, in source order
    pair = Pair.of(marked, target, [], splits_copies=False)
    placed = list(_in_order(marked, pair))
    for is_encoded in (True,) if marked.is_encoded else (False, True):
        line = written(pair, placed, is_encoded)
        if _is_read_back(line, target, placed, marked.syntax):
            return line
    return made[0]  # the translation itself contains text that reads like a mark


class _Placing:
    """Where in the target each mark goes: a gap, counted by the atoms before it; for an element, two of them."""

    def __init__(self, marks: Sequence[Mark], pair: Pair, *, goes_inside: bool, pins_singles: bool):
        self.marks, self.pair, self.goes_inside = marks, pair, goes_inside
        starts = [atom.start for atom in pair.source]
        self._places = [bisect_left(starts, mark.at) for mark in marks]  # source atoms before each
        self._children: dict[int | None, list[int]] = {None: []}
        self._gaps: dict[int | None, tuple[int, int]] = {None: (0, len(pair.target))}
        self._first, self._last = self._pinned() if pins_singles else ([], [])
        self._find_children()
        waiting: list[int | None] = [None]
        while waiting:
            element = waiting.pop()
            self._place_children(element)
            waiting += [child for child in self._children[element] if child in self._children]

    def in_order(self) -> Iterator[Placed]:
        """All marks in the order of the target."""
        found = [(0, number) for number in self._first]
        waiting = [(number, False) for number in reversed(self._sorted(None))]
        while waiting:
            number, is_over = waiting.pop()
            start, stop = self._gaps[number]
            if is_over:
                partner = self.marks[number].partner
                assert partner is not None
                found.append((stop, partner))
                continue
            found.append((start, number))
            if number in self._children:
                waiting.append((number, True))
                waiting += [(child, False) for child in reversed(self._sorted(number))]
        found += [(len(self.pair.target), number) for number in self._last]
        sequential = iter(sorted(number for _, number in found if self.marks[number].is_sequential))
        for gap, number in found:
            mark = self.marks[number]
            raw = self.marks[next(sequential)].raw if mark.is_sequential else mark.raw
            yield Placed(gap, number, replace(mark, raw=raw))

    def _pinned(self) -> tuple[list[int], list[int]]:
        """Closing and opening tags without partner; where they cannot be read as partners of each other."""
        singles = [number for number, mark in enumerate(self.marks) if mark.partner is None]
        closing, opening = (
            [number for number in singles if self.marks[number].kind == kind] for kind in ("close", "open")
        )
        return closing, opening

    def _find_children(self) -> None:
        pinned = {*self._first, *self._last}
        inside: list[int | None] = [None]
        for number, mark in enumerate(self.marks):
            if mark.kind == "close" and mark.partner is not None:
                inside.pop()
            elif number not in pinned:
                self._children[inside[-1]].append(number)
                if mark.partner is not None:
                    self._children[number] = []
                    inside.append(number)

    def _range(self, element: int | None) -> tuple[int, int]:
        """Of source atoms."""
        if element is None:
            return 0, len(self.pair.source)
        partner = self.marks[element].partner
        assert partner is not None
        return self._places[element], self._places[partner]

    def _sorted(self, element: int | None) -> list[int]:
        return sorted(self._children[element], key=lambda child: (*self._gaps[child], child))

    def _place_children(self, element: int | None) -> None:
        low, high = self._gaps[element]
        is_free_T = np.zeros(len(self.pair.target), dtype=bool)
        is_free_T[low:high] = True
        is_gap_free = np.zeros(len(self.pair.target) + 1, dtype=bool)
        is_gap_free[low : high + 1] = True
        ranges = {child: self._range(child) for child in self._children[element] if child in self._children}
        rest = [child for child in self._children[element] if child not in ranges or len(set(ranges[child])) == 1]
        has_no_text = set(rest)
        for child in sorted(ranges, key=lambda child: ranges[child][1] - ranges[child][0]):
            if child in has_no_text or low == high:
                span = None
            elif ranges[child] == self._range(element):
                span = low, high
            else:
                span = self._span(*ranges[child], is_free_T)
            if span:
                self._gaps[child] = span
                is_free_T[slice(*span)] = False
                is_gap_free[span[0] + 1 : span[1]] = False
            elif child not in has_no_text:
                rest.append(child)
        gaps = np.flatnonzero(is_gap_free)
        for child in rest:
            gap = self._gap(child, gaps)
            self._gaps[child] = gap, gap

    def _span(self, first: int, end: int, is_free_T: np.ndarray) -> tuple[int, int] | None:
        """The target atoms of an element that has these source atoms."""
        pair = self.pair
        share_T = pair.share_T(first, end)
        gain_T = share_T * (1 + PER_CHARACTER * pair.length_T) - FOREIGN * (1 - share_T)
        gain_T = np.where(pair.is_linked_T, gain_T, 0.0)
        # no sum of gains justifies a place that is not free
        total = np.concatenate(([0.0], np.cumsum(np.where(is_free_T, gain_T, -2.0 * len(gain_T) - 2))))
        least_T = np.minimum.accumulate(total[:-1])
        stop = int((total[1:] - least_T).argmax())
        if total[stop + 1] - least_T[stop] > 0:
            start, stop = int(np.flatnonzero(total[: stop + 1] == least_T[stop])[-1]), stop + 1
        else:
            best_T = np.where(is_free_T & (share_T > 0), 1 + gain_T, 0.0)
            if not best_T.any():
                return None
            start = int(best_T.argmax())
            stop = start + 1
        # signs that the source lacks join its first and last words where these have signs too
        while self._is_open_sign(stop, TAIL, is_free_T) and pair.source[end - 1].part == TAIL:
            stop += 1
        while self._is_open_sign(start - 1, LEAD, is_free_T) and pair.source[first].part == LEAD:
            start -= 1
        return start, stop

    def _is_open_sign(self, number: int, part: int, is_free_T: np.ndarray) -> bool:
        atoms = self.pair.target
        is_there = 0 <= number < len(atoms)
        return is_there and is_free_T[number] and not self.pair.is_linked_T[number] and atoms[number].part == part

    def _gap(self, child: int, gaps: np.ndarray) -> int:
        """The best of some gaps for a mark without text in the target."""
        mark, pair = self.marks[child], self.pair
        is_between_G, is_before_letter_G = pair.is_between_words_G[gaps], pair.is_before_letter_G[gaps]
        # a mark that is not glued to a word in the source is not in the target
        suits_G = is_between_G | self.goes_inside
        if mark.is_leaf and mark.after == "sign":
            suits_G &= is_between_G | ~is_before_letter_G
        if suits_G.any():
            gaps = gaps[suits_G]
        elif mark.is_leaf and not is_before_letter_G.all():
            # a leaf before a letter, as in "%dq", might be read as text: the last resort
            gaps = gaps[~is_before_letter_G]
        total = np.concatenate(([0.0], np.cumsum(pair.before(self._places[child]))))[gaps]
        best = gaps[total >= total.max() - 1e-9]
        wants_blank = mark.before == mark.after == "blank"
        is_wrong = pair.is_between_words_G[best] != wants_blank
        best = best[is_wrong == is_wrong.min()]
        expected = self._places[child] / max(len(pair.source), 1) * len(pair.target)
        return int(best[np.abs(best - expected).argmin()])


def _in_order(marked: Marked, pair: Pair) -> Iterator[Placed]:
    """Every mark in the order of the source, between words, at the same relative position."""
    gaps = np.flatnonzero(pair.is_between_words_G)
    positions = np.array([mark.at for mark in marked.marks]) / len(marked.text) * (len(gaps) - 1)
    for number, (mark, place) in enumerate(zip(marked.marks, np.rint(positions).astype(int), strict=True)):
        yield Placed(int(gaps[place]), number, mark)


def _is_read_back(line: str, target: str, placed: Sequence[Placed], syntax: Syntax) -> bool:
    """Whether the line without marks is the target, and its tags have the partners that they were given."""
    again = parse(line, syntax)
    if again.text != target or [mark.raw for mark in again.marks] != [item.mark.raw for item in placed]:
        return False
    new_number = {item.number: new for new, item in enumerate(placed)}
    expected = [None if item.mark.partner is None else new_number[item.mark.partner] for item in placed]
    return [mark.partner for mark in again.marks] == expected
