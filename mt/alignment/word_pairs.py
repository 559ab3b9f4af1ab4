"""A parallel corpus as the statistical aligner reads it: words as numbers, and all pairs of words to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mt.alignment.word_forms import CHARACTER, OTHER, Spellings, form_of, stem_of, units_of
from mt.kernels import word_aligner

# S source words and T target words of a pair of sentences; its cells are its T x S pairs of words, row by row.
# K kinds: distinct pairs of words.

AT_ONCE = 1 << 22  # cells whose arrays are made together
UNSPLIT = 4  # characters of a script without blanks; if its words have as many on average, they are no words


class Side:
    """The words of one side of a corpus, as numbers from 0 in the order in which they are first seen.

    Without `has_spelling` words are names of something, and say nothing by their letters.
    """

    def __init__(self, *, has_spelling: bool = True) -> None:
        self.has_spelling = has_spelling
        self._known: dict[str, int] = {}
        self._numbers: dict[str, int] = {}  # of words as they stand
        self._ids: list[int] = []
        self._starts = [0]

    def add(self, words: Sequence[str]) -> None:
        """Adds a sentence."""
        for word in words:
            number = self._numbers.get(word)
            if number is None:
                number = self._numbers[word] = self._known.setdefault(self._form(word), len(self._known))
            self._ids.append(number)
        self._starts.append(len(self._ids))

    def _form(self, word: str) -> str:
        return form_of(word) if self.has_spelling else word

    @staticmethod
    def num_units(words: Sequence[str]) -> int:
        """How many units a sentence has at most."""
        return sum(1 if word.isascii() else max(1, len(CHARACTER.findall(word))) for word in words)

    def finish(self) -> None:
        """Makes the arrays; called once after the last sentence."""
        self.forms = list(self._known)
        self.number_of = self._known
        self.ids = np.array(self._ids, dtype=np.int32)
        self.starts = np.array(self._starts, dtype=np.int64)
        self._numbers, self._ids, self._starts = {}, [], []
        self.word_of: np.ndarray | None = None  # the place of each unit's word, where words are split into units
        if self.has_spelling:
            self._split_lines()
        stems: dict[str, int] = {}
        stem = stem_of if self.has_spelling else str
        self.stem = np.array([stems.setdefault(stem(form), len(stems)) for form in self.forms], dtype=np.int32)
        self.num_stems = len(stems)
        self.frequency = np.bincount(self.ids, minlength=len(self.forms)).astype(np.float64)

    def _split_lines(self) -> None:
        """Splits words into characters if the text is of a script without blanks, and is not split into words."""
        characters = np.array([len(CHARACTER.findall(form)) for form in self.forms])
        frequency = np.bincount(self.ids, minlength=len(self.forms))
        of_script = frequency * (characters > 0)
        if characters @ frequency < UNSPLIT * max(of_script.sum(), 1):
            return
        known: dict[str, int] = {}
        units = [[known.setdefault(unit, len(known)) for unit in units_of(form)] for form in self.forms]
        counts = np.array([len(each) for each in units])
        first = np.cumsum(counts) - counts
        of_token = counts[self.ids]
        ends = np.cumsum(of_token)
        within = np.arange(of_token.sum()) - np.repeat(ends - of_token, of_token)
        place = np.arange(len(self.ids)) - np.repeat(self.starts[:-1], self.lengths)
        self.word_of = np.repeat(place, of_token)
        self.ids = np.concatenate([np.array(each) for each in units])[np.repeat(first[self.ids], of_token) + within]
        self.ids = self.ids.astype(np.int32)
        self.starts = np.concatenate([[0], ends])[self.starts].astype(np.int64)
        self.forms, self.number_of = list(known), known

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    @cached_property
    def share(self) -> np.ndarray:
        """The share of each word among all."""
        return self.frequency / self.frequency.sum()

    @cached_property
    def share_in_stem(self) -> np.ndarray:
        """The share of each word among all words of its stem."""
        return self.frequency / self.by_stem(self.frequency)[self.stem]

    def by_stem(self, of_words: np.ndarray) -> np.ndarray:
        """The sums of numbers of words, for each stem."""
        return np.bincount(self.stem, of_words, minlength=self.num_stems)


@dataclass(frozen=True, eq=False)
class WordPairs:
    """All cells of a corpus. `kind` numbers each cell's pair of words; these numbers index the other arrays."""

    source: Side
    target: Side
    cell_start: np.ndarray  # of each pair of sentences, and the end
    kind: np.ndarray
    kind_source_K: np.ndarray
    kind_target_K: np.ndarray
    stem_kind_K: np.ndarray  # the pair of stems
    num_stem_kinds: int
    spelling_K: np.ndarray  # see word_forms

    @classmethod
    def of(cls, source: Side, target: Side) -> WordPairs:
        """Numbers the pairs of words of two sides with as many sentences."""
        cell_start = np.concatenate([[0], np.cumsum(source.lengths * target.lengths)]).astype(np.int64)
        if word_aligner.is_there():
            places = source.starts, target.starts, source.ids, target.ids
            keys_K, kind = word_aligner.number_pairs(*places, len(target.forms), int(cell_start[-1]))
        else:
            keys_K, kind = number_in_numpy(source, target, cell_start)
        kind_source_K = (keys_K // len(target.forms)).astype(np.int32)
        kind_target_K = (keys_K % len(target.forms)).astype(np.int32)
        stem_keys_K = source.stem[kind_source_K].astype(np.int64) * target.num_stems + target.stem[kind_target_K]
        stem_keys, stem_kind_K = _numbered(stem_keys_K)
        spellings, spelling_K = Spellings(source.forms, target.forms), np.full(len(keys_K), OTHER, dtype=np.uint8)
        for start in range(0, len(keys_K) if source.has_spelling else 0, AT_ONCE // 16):
            some = slice(start, start + AT_ONCE // 16)
            spelling_K[some] = spellings.classes(kind_source_K[some], kind_target_K[some])
        return cls(
            source, target, cell_start, kind, kind_source_K, kind_target_K, stem_kind_K, len(stem_keys), spelling_K
        )

    def __len__(self) -> int:
        """How many pairs of sentences."""
        return len(self.cell_start) - 1


def number_in_numpy(source: Side, target: Side, cell_start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The key of each kind, source * number of target words + target; and the kind of each cell."""
    keys = np.empty(cell_start[-1], dtype=np.int64)
    for first, last in _portions(cell_start):
        keys[cell_start[first] : cell_start[last]] = _keys(source, target, first, last)
    return _numbered(keys)


def _portions(cell_start: np.ndarray) -> Iterable[tuple[int, int]]:
    """Ranges of pairs of sentences of some AT_ONCE cells each."""
    first = 0
    while first < len(cell_start) - 1:
        last = int(np.searchsorted(cell_start, cell_start[first] + AT_ONCE, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def _keys(source: Side, target: Side, first: int, last: int) -> np.ndarray:
    """A number for the pair of words of each cell of these pairs of sentences."""
    S_P, T_P = source.lengths[first:last], target.lengths[first:last]
    row_length = np.repeat(S_P, T_P)
    row_start = np.repeat(source.starts[first:last], T_P)
    before = np.cumsum(row_length) - row_length
    place = np.arange(row_length.sum()) + np.repeat(row_start - before, row_length)
    targets = np.repeat(target.ids[target.starts[first] : target.starts[last]], row_length)
    return source.ids[place].astype(np.int64) * len(target.forms) + targets


def _numbered(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the distinct keys, the number of each key), numbered by their first place.

    So pairs of words that come once are numbered in the order in which they are read, and reading them is fast.
    """
    order = np.argsort(keys)
    keys = keys[order]
    is_new = np.empty(len(keys), dtype=bool)
    is_new[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=is_new[1:])
    keys = keys[is_new]
    first_place = np.minimum.reduceat(order, np.flatnonzero(is_new)) if len(order) else order
    by_place = np.argsort(first_place)
    rank = np.empty(len(keys), dtype=np.uint32)
    rank[by_place] = np.arange(len(keys), dtype=np.uint32)
    numbers = np.empty(len(order), dtype=np.uint32)
    numbers[order] = rank[np.cumsum(is_new, dtype=np.uint32) - 1]
    return keys[by_place], numbers
