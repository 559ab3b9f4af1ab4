"""Encodes much text word by word: a word that was met before is looked up.

A text has few kinds of words, and BPE cuts each of them by itself, so this gives the ids of `Tokenizer.encode_many`
several times as fast.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from unicodedata import is_normalized

import numpy as np

from mt.data.tokenizer import Tokenizer

KEPT_IDS = 1 << 20  # of words that were met, some 300,000 words and 60 MB; a full table is emptied
MOST_NEW = 0.5  # share of the words that were not met before: with more, as in text without blanks, it does not pay
LINE_END, EMPTY_LINE = "\n", "\n\n"  # among the words


class WordEncoder:
    """Encodes lines into one array of ids. A tokenizer that does not cut words by themselves encodes whole lines."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._is_by_words = tokenizer.cuts_words_by_themselves
        self._whole = ("▁", *tokenizer.reserved_symbols)  # sentencepiece reads them in another way than letters
        self._empty()

    def __call__(self, lines: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all lines, one after the other (int32), and the number of each line's. No line has a line end."""
        text = f" {LINE_END} ".join(lines if "" not in lines else [line or EMPTY_LINE for line in lines])
        if not self._is_by_words or not lines or any(sign in text for sign in self._whole):
            rows = self._tokenizer.encode_many(lines)
            return np.fromiter(chain.from_iterable(rows), np.int32), np.fromiter(map(len, rows), np.int64, len(rows))
        if not is_normalized("NFC", text):
            text = f" {LINE_END} ".join(self._tokenizer.composed(line) or EMPTY_LINE for line in lines)
        numbers = self._numbers_of(text.split(" "))
        ends = np.array(self._ends)
        starts, sizes = ends[numbers], ends[numbers + 1] - ends[numbers]
        behind = sizes.cumsum()  # ids up to the end of each word
        ids = np.array(self._ids)[np.arange(behind[-1]) + np.repeat(starts - behind + sizes, sizes)]
        of_lines = np.append(behind[numbers == 0], behind[-1])
        if len(self._ids) > KEPT_IDS:
            self._empty()
        return ids, np.diff(of_lines, prepend=0)

    def _numbers_of(self, words: Sequence[str]) -> np.ndarray:
        numbers = np.fromiter(map(self._numbers.__getitem__, words), np.int64, len(words))
        new = self._numbers.not_encoded()
        for ids in self._tokenizer.encode_many(new):
            self._ids.extend(ids)
            self._ends.append(len(self._ids))
        self._is_by_words = len(new) < MOST_NEW * len(words)
        return numbers

    def _empty(self) -> None:
        # of a line end and an empty line, which have no ids, and of what is between two blanks
        self._numbers = _Numbers({LINE_END: 0, EMPTY_LINE: 1, "": 2})
        self._ids, self._ends = array("i", [self._tokenizer.blank]), array("q", [0, 0, 0, 1])


class _Numbers(dict[str, int]):
    """Numbers of words in the order in which they come."""

    def __init__(self, known: Mapping[str, int]) -> None:
        super().__init__(known)
        self._new: list[str] = []

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        self._new.append(word)
        return number

    def not_encoded(self) -> list[str]:
        """The words that are new since this was last called."""
        new, self._new = self._new, []
        return new
