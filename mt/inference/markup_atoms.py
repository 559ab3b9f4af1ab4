"""The two texts of a line with markup, cut into atoms, between which marks may stand, and the links of the atoms.

Words (`mt.words`) are divided into opening signs, core and closing signs; each kind is linked to the same kind.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from mt.alignment.links import Link
from mt.inference.markup import Marked, is_sign, neighbour
from mt.words import num_words, word_starts

# T target atoms, G gaps (T + 1), L links between atoms

LEAD, CORE, TAIL = range(3)


@dataclass(frozen=True)
class Atom:
    """A part of a word: opening signs, core or closing signs, or what remains of one beside a mark."""

    start: int
    stop: int
    word: int
    part: int


@dataclass(frozen=True, eq=False)
class Pair:
    """The atoms of both sides and their links; the shares of a target atom sum to one."""

    source: Sequence[Atom]
    target: Sequence[Atom]
    text: str  # of the target
    target_L: np.ndarray
    source_L: np.ndarray
    share_L: np.ndarray
    is_linked_T: np.ndarray

    @classmethod
    def of(cls, marked: Marked, text: str, links: Sequence[Link], *, splits_copies: bool) -> Pair:
        source = list(atoms(marked.text, sorted({mark.at for mark in marked.marks})))
        of_part: dict[tuple[int, int], list[int]] = {}
        for number, atom in enumerate(source):
            of_part.setdefault((atom.word, atom.part), []).append(number)
        linked: dict[int, list[int]] = {}
        for from_word, to_word in links:
            linked.setdefault(to_word, []).append(from_word)

        target: list[Atom] = []
        found: list[tuple[int, int, float]] = []
        for atom in atoms(text):
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
        """The share of each target atom that is linked to source atoms first ... end - 1."""
        is_inside_L = (self.source_L >= first) & (self.source_L < end)
        return np.bincount(self.target_L, self.share_L * is_inside_L, minlength=len(self.target))

    def before(self, place: int) -> np.ndarray:
        """For each target atom, its share linked before that place in the source, minus its share linked after it."""
        distance_L = place - self.source_L  # 1 for the atom before it, 0 for the one after it
        weight_L = np.where(distance_L > 0, 1.0, -1.0) / np.where(distance_L > 0, distance_L, 1 - distance_L)
        return np.bincount(self.target_L, self.share_L * weight_L, minlength=len(self.target))

    @cached_property
    def length_T(self) -> np.ndarray:
        """Characters of each target atom."""
        return np.array([atom.stop - atom.start for atom in self.target])

    @cached_property
    def is_between_words_G(self) -> np.ndarray:
        """Whether a gap has a blank, or is an end of the text."""
        inner = [left.stop < right.start for left, right in pairwise(self.target)]
        return np.array([True, *inner, True][: len(self.target) + 1])

    @cached_property
    def is_before_letter_G(self) -> np.ndarray:
        """Whether a letter follows the gap."""
        return np.array([*(neighbour(self.text[atom.start]) == "letter" for atom in self.target), False])

    def blank(self, gap: int) -> str:
        """The text before a target atom; after the last one, the text that follows it."""
        start = self.target[gap - 1].stop if gap else 0
        return self.text[start : self.target[gap].start if gap < len(self.target) else None]


def atoms(text: str, cuts: Sequence[int] = ()) -> Iterator[Atom]:
    starts = word_starts(text)
    for found in re.finditer(r"\S+", text):  # one word may be several runs, separated by blanks other than U+0020
        start, stop = first, last = found.span()
        word = bisect_right(starts, start) - 1
        while first < stop and is_sign(text[first]):
            first += 1
        while last > first and is_sign(text[last - 1]):
            last -= 1
        if first == stop:  # only signs
            first, last = start, stop
        for part, begin, end in ((LEAD, start, first), (CORE, first, last), (TAIL, last, stop)):
            inner = cuts[bisect_left(cuts, begin + 1) : bisect_left(cuts, end)]
            edges = [begin, *inner, end]
            for left, right in pairwise(edges):
                if left < right:
                    yield Atom(left, right, word, part)


def num_cells(marked: Marked, text: str, links: Sequence[Link]) -> int:
    """The most steps that placing all marks by links can take: marks x (target words + links)."""
    starts = word_starts(marked.text)
    parts_of = Counter(bisect_right(starts, mark.at) - 1 for mark in marked.marks)
    num_links = sum(1 + parts_of[source] + parts_of[source - 1] for source, _ in links)
    return len(marked.marks) * (num_words(text) + num_links)


def _is_copy(source: str, pieces: Sequence[Atom], target: str, atom: Atom) -> bool:
    start, stop = pieces[0].start, pieces[-1].stop
    return stop - start == atom.stop - atom.start and source[start:stop] == target[atom.start : atom.stop]
