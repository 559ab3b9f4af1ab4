"""Marks of a source put into its translation, by word links: none lost, none doubled, elements nested as they were.

The plain text was translated and aligned; marks are put back afterwards ("two streams", Joanis et al. 2013; "alignment
reinsertion", Müller 2017). Words are parted into opening signs, core and closing signs, linked each with its like.

- An element (a tag and its partner) spans the target words linked to its source words. Where these lie apart, it is the
  one span that wins most: a word linked into the element counts 1, a word linked elsewhere costs FOREIGN; words without
  links cost nothing inside and stay out at the edges (after Zenkel et al. 2021, who show that spanning everything from
  first to last loses to such a balance; Bergamot's way, the element once for each part, would double it).
- Elements lie inside their parents and beside their siblings; of siblings the shorter one has the first choice.
- An element that covers all of its parent's text in the source does so in the target.
- What has no text (placeholders, `<br/>`, tags without partner) or no linked word goes to the place, inside its parent,
  where most words that were before it stay before, and those behind it behind; near ones weigh more.
- Blanks around marks are those of the source as far as the translation's own blanks allow.
- `%s` and `{}` keep their order among themselves, for it is what they mean.
- A word that was copied ("H2O") is marked inside as it was; of another one, the whole core.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from mt.alignment.links import Link
from mt.inference.markup import Mark, Marked, encoded, is_sign, joint, neighbour, parse
from mt.words import word_starts

# T target atoms, S source atoms, L links between them

FOREIGN = 1.0
PER_CHARACTER = 1e-6  # decides between equals: the longer word says more
LEAD, CORE, TAIL = range(3)
# Whether marks may stand inside words, and whether tags without partner go to the ends of the line: the first way that
# can be read back as it was meant.
WAYS = ((True, False), (False, False), (False, True))


@dataclass(frozen=True)
class _Atom:
    """A part of a word: opening signs, core or closing signs, or what a mark leaves of one."""

    start: int
    stop: int
    word: int
    part: int


@dataclass(frozen=True)
class Placed:
    """A mark, its number among those of the source, and how many target atoms stand before it."""

    gap: int
    number: int
    mark: Mark


def restore(marked: Marked, target: str, links: Iterable[Link]) -> str:
    """The line for `target`, a translation of `marked.text`; links are (source word, target word) of `mt.words`.

    Reading it back gives `target`, the same marks, and the same partners. A line without words is itself.
    """
    if not marked.text.strip():
        return marked.line
    links, made = sorted(set(links)), []
    for goes_inside, pins_singles in WAYS:
        pair = _Pair.of(marked, target, links, splits_copies=goes_inside)
        placing = _Placing(marked.marks, pair, goes_inside=goes_inside, pins_singles=pins_singles)
        placed = list(placing.in_order())
        for is_encoded in (True,) if marked.is_encoded else (False, True):
            line = _written(pair, placed, is_encoded)
            if _is_read_back(line, target, placed):
                return line
            made.append(line)
    return made[0]  # the translation itself has something that reads like a mark


@dataclass(frozen=True)
class _Pair:
    """The atoms of both sides and what links them; the shares of a target atom sum to one."""

    source: Sequence[_Atom]
    target: Sequence[_Atom]
    text: str  # of the target
    target_L: np.ndarray
    source_L: np.ndarray
    share_L: np.ndarray
    is_linked_T: np.ndarray

    @classmethod
    def of(cls, marked: Marked, text: str, links: Sequence[Link], *, splits_copies: bool) -> _Pair:
        source = list(_atoms(marked.text, sorted({mark.at for mark in marked.marks})))
        of_part: dict[tuple[int, int], list[int]] = {}
        for number, atom in enumerate(source):
            of_part.setdefault((atom.word, atom.part), []).append(number)
        linked: dict[int, list[int]] = {}
        for from_word, to_word in links:
            linked.setdefault(to_word, []).append(from_word)

        target: list[_Atom] = []
        found: list[tuple[int, int, float]] = []
        for atom in _atoms(text):
            groups = [of_part.get((word, atom.part), []) for word in linked.get(atom.word, ())]
            pieces = [source[number] for number in groups[0]] if len(groups) == 1 else []
            if splits_copies and len(pieces) > 1 and _is_copy(marked.text, pieces, text, atom):
                for number, piece in zip(groups[0], pieces, strict=True):
                    found.append((len(target), number, 1.0))
                    start = atom.start + piece.start - pieces[0].start
                    target.append(replace(atom, start=start, stop=start + piece.stop - piece.start))
                continue
            total = sum(source[number].stop - source[number].start for group in groups for number in group)
            found += [
                (len(target), number, (source[number].stop - source[number].start) / total)
                for group in groups
                for number in group
            ]
            target.append(atom)
        columns = np.array(found).reshape(-1, 3)
        target_L, source_L = columns[:, 0].astype(int), columns[:, 1].astype(int)
        is_linked_T = np.bincount(target_L, minlength=len(target)) > 0
        return cls(source, target, text, target_L, source_L, columns[:, 2], is_linked_T)

    def share_T(self, first: int, end: int) -> np.ndarray:
        """How much of each target atom comes from source atoms first ... end - 1."""
        is_inside_L = (self.source_L >= first) & (self.source_L < end)
        return np.bincount(self.target_L, self.share_L * is_inside_L, minlength=len(self.target))

    def before(self, place: int) -> np.ndarray:
        """For each target atom how much more of it comes from before that place in the source than from behind it."""
        distance_L = place - self.source_L  # 1 for the atom before it, 0 for the one behind it
        weight_L = np.where(distance_L > 0, 1.0, -1.0) / np.where(distance_L > 0, distance_L, 1 - distance_L)
        return np.bincount(self.target_L, self.share_L * weight_L, minlength=len(self.target))

    def is_between_words(self, gap: int) -> bool:
        return gap in (0, len(self.target)) or bool(self.blank(gap))

    def blank(self, gap: int) -> str:
        """What stands before a target atom; behind the last one for the gap after it."""
        start = self.target[gap - 1].stop if gap else 0
        return self.text[start : self.target[gap].start if gap < len(self.target) else None]


def _atoms(text: str, cuts: Sequence[int] = ()) -> Iterator[_Atom]:
    starts = word_starts(text)
    for found in re.finditer(r"\S+", text):  # one word may be several runs, parted by blanks that are no U+0020
        start, stop = first, last = found.span()
        word = bisect_right(starts, start) - 1
        while first < stop and is_sign(text[first]):
            first += 1
        while last > first and is_sign(text[last - 1]):
            last -= 1
        if first == stop:  # signs alone
            first, last = start, stop
        for part, begin, end in ((LEAD, start, first), (CORE, first, last), (TAIL, last, stop)):
            inner = cuts[bisect_left(cuts, begin + 1) : bisect_left(cuts, end)]
            edges = [begin, *inner, end]
            for left, right in pairwise(edges):
                if left < right:
                    yield _Atom(left, right, word, part)


def _is_copy(source: str, pieces: Sequence[_Atom], target: str, atom: _Atom) -> bool:
    return source[pieces[0].start : pieces[-1].stop] == target[atom.start : atom.stop]


class _Placing:
    """Where in the target each mark goes: a gap, counted by the atoms before it; for an element, two of them."""

    def __init__(self, marks: Sequence[Mark], pair: _Pair, *, goes_inside: bool, pins_singles: bool):
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
        """Every mark as the target has them."""
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
        """Closing and opening tags without partner; where they cannot be taken for partners of each other."""
        singles = [number for number, mark in enumerate(self.marks) if mark.partner is None]
        return tuple([number for number in singles if self.marks[number].kind == kind] for kind in ("close", "open"))

    def _find_children(self) -> None:
        pinned, inside = {*self._first, *self._last}, [None]
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
        for child in sorted(ranges, key=lambda child: ranges[child][1] - ranges[child][0]):
            if child in rest or low == high:
                span = None
            elif ranges[child] == self._range(element):
                span = low, high
            else:
                span = self._span(*ranges[child], is_free_T)
            if span:
                self._gaps[child] = span
                is_free_T[slice(*span)] = False
                is_gap_free[span[0] + 1 : span[1]] = False
            elif child not in rest:
                rest.append(child)
        for child in rest:
            gap = self._gap(child, np.flatnonzero(is_gap_free))
            self._gaps[child] = gap, gap

    def _span(self, first: int, end: int, is_free_T: np.ndarray) -> tuple[int, int] | None:
        """The target atoms of an element with those source atoms."""
        pair = self.pair
        share_T = pair.share_T(first, end)
        length_T = np.array([atom.stop - atom.start for atom in pair.target])
        gain_T = share_T * (1 + PER_CHARACTER * length_T) - FOREIGN * (1 - share_T)
        gain_T = np.where(pair.is_linked_T, gain_T, 0.0)
        # no sum of gains is worth one that is not free
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
        # signs that the source does not have go with its last and first words where these have signs of their own
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
        """The best of some gaps for what has no text in the target."""
        mark, pair = self.marks[child], self.pair
        # a leaf before a letter, as in "%dq", might be read as text: last of all where nothing suits
        apart = [gap for gap in gaps if not (mark.is_leaf and self._is_before_letter(gap))]
        gaps = np.array([gap for gap in gaps if self._suits(mark, gap)] or apart or gaps)
        total = np.concatenate(([0.0], np.cumsum(pair.before(self._places[child]))))[gaps]
        best = gaps[total >= total.max() - 1e-9]
        wants_blank = mark.before == mark.after == "blank"
        expected = self._places[child] / max(len(pair.source), 1) * len(pair.target)

        return int(min(best, key=lambda gap: (pair.is_between_words(gap) != wants_blank, abs(gap - expected))))

    def _suits(self, mark: Mark, gap: int) -> bool:
        """Whether a mark may stand there: one that is not glued to a word in the source is not in the target."""
        pair = self.pair
        if pair.is_between_words(gap):
            return True
        return self.goes_inside and not (self._is_before_letter(gap) and mark.is_leaf and mark.after == "sign")

    def _is_before_letter(self, gap: int) -> bool:
        pair = self.pair
        return gap < len(pair.target) and neighbour(pair.text[pair.target[gap].start]) == "letter"


def _written(pair: _Pair, placed: Sequence[Placed], is_encoded: bool) -> str:
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
            # two characters tell joints what they ask
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
    """The marks of a joint with blanks, such that `blank` stays without them: as in the source if that does."""
    items: list[str | Mark] = []
    for has_blank in _spacings(before, placed, after):
        items = [blank or " "] if has_blank[0] else []
        for item, has_blank_behind in zip(placed, has_blank[1:], strict=True):
            items += [item.mark, blank or " "] if has_blank_behind else [item.mark]
        if joint(before, items, after) == blank:
            break
    return items


def _spacings(before: str, placed: Sequence[Placed], after: str) -> Iterator[list[bool]]:
    """Whether a blank stands before all of the marks, and behind each; best first, one of the last two always does."""
    count, first, last = len(placed), placed[0].mark, placed[-1].mark
    yield [
        bool(before) and first.before != neighbour(before[-1:]),
        *(_is_apart(left, right) for left, right in pairwise(placed)),
        bool(after) and last.after != neighbour(after[:1]),
    ]
    to_the_left = [number for number, item in enumerate(placed, start=1) if _belongs_to_the_left(item.mark)]
    border = max(to_the_left, default=0)
    for place in sorted(range(count + 1), key=lambda place: abs(place - border)):
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


def _is_read_back(line: str, target: str, placed: Sequence[Placed]) -> bool:
    """Whether the line without marks is the target, and its tags have the partners that they were given."""
    again = parse(line)
    if again.text != target or [mark.raw for mark in again.marks] != [item.mark.raw for item in placed]:
        return False
    new_number = {item.number: new for new, item in enumerate(placed)}
    wanted = [None if item.mark.partner is None else new_number[item.mark.partner] for item in placed]
    return [mark.partner for mark in again.marks] == wanted
