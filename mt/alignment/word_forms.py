"""What the statistical aligner sees in a word: its form without case and punctuation, its stem, and its spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

PUNCTUATION = ".,;:!?…\"'„“”»«()[]"
STEM = 5  # letters; endings of most languages stand behind them
SHORTEST = 4  # letters of words whose spelling is compared letter by letter

# The classes of spelling that a pair of words may be of. The corpus says what each of them is worth.
OTHER, EQUAL, EQUAL_NUMBERS, EQUAL_SIGNS, SIGNS, SIGN_AND_WORD, ALIKE = range(7)
STEPS = 10  # of likeness, the classes from ALIKE on
NUM_SPELLINGS = ALIKE + STEPS + 1
# How many times more of the links than of other pairs of words are of each class, before the corpus has said it
FIRST_RATIO = np.ones(NUM_SPELLINGS)
FIRST_RATIO[[EQUAL, EQUAL_NUMBERS, EQUAL_SIGNS]] = 10
FIRST_RATIO[ALIKE + 5 :] = 2.0 ** np.arange(1, 7)
BITS = 256  # of a word's pairs of letters, for comparing many at once


# Scripts that set no blanks between words: Thai, Lao, Burmese, Khmer, kana, Han
WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
CHARACTER = re.compile(f"[{WITHOUT_BLANKS}]")
UNIT = re.compile(f"[{WITHOUT_BLANKS}][\u0300-\u036f]*|[^{WITHOUT_BLANKS}]+")


def units_of(word: str) -> list[str]:
    """The word itself, or its characters where its script sets no blanks between words."""
    return UNIT.findall(word) if CHARACTER.search(word) else [word]


def form_of(word: str) -> str:
    """The word without case and surrounding punctuation; a word of nothing else stays."""
    return word.casefold().strip(PUNCTUATION) or word


def stem_of(form: str) -> str:
    """The first letters of a form, without accents."""
    return without_accents(form)[:STEM]


def without_accents(form: str) -> str:
    """The form with the letters that its accented letters are made of."""
    if form.isascii():
        return form
    return "".join(c for c in unicodedata.normalize("NFD", form) if not unicodedata.combining(c))


class Spellings:
    """The forms of both sides, for comparing the spelling of many pairs of words at once."""

    def __init__(self, sources: Sequence[str], targets: Sequence[str]):
        known: dict[str, int] = {}
        sides = [[known.setdefault(without_accents(form), len(known)) for form in side] for side in (sources, targets)]
        self._source_form, self._target_form = (np.array(side, dtype=np.int32) for side in sides)
        plain = list(known)
        self._is_number = np.array([any(c.isdigit() for c in form) for form in plain], dtype=bool)
        self._is_word = np.array([any(c.isalnum() for c in form) for form in plain], dtype=bool)
        self._bits = np.zeros((len(plain), BITS // 8), dtype=np.uint8)
        self._length = np.zeros(len(plain), dtype=np.int32)
        for number, form in enumerate(plain):
            if len(form) >= SHORTEST:
                places = {_place(pair) for pair in zip("^" + form, form + "$", strict=True)}
                for place in places:
                    self._bits[number, place >> 3] |= 1 << (place & 7)
                self._length[number] = len(places)

    def classes(self, source_K: np.ndarray, target_K: np.ndarray) -> np.ndarray:
        """The class of spelling of each pair (uint8); the arguments are numbers of words.

        Likeness is the share of pairs of neighbouring letters that both have (Dice), in tenths.
        """
        first_K, second_K = self._source_form[source_K], self._target_form[target_K]
        is_word_K, is_other_K = self._is_word[first_K], self._is_word[second_K]
        equal_K = first_K == second_K
        found_K = np.full(len(first_K), OTHER, dtype=np.uint8)
        rows = np.flatnonzero((self._length[first_K] > 0) & (self._length[second_K] > 0) & ~equal_K)
        first, second = first_K[rows], second_K[rows]
        shared = _count_bits(self._bits[first] & self._bits[second])
        likeness = 2 * STEPS * shared // (self._length[first] + self._length[second])
        found_K[rows] = np.where(shared > 1, ALIKE + np.minimum(likeness, STEPS), OTHER)
        found_K[is_word_K != is_other_K] = SIGN_AND_WORD
        found_K[~is_word_K & ~is_other_K] = SIGNS
        found_K[equal_K] = np.where(is_word_K, np.where(self._is_number[first_K], EQUAL_NUMBERS, EQUAL), EQUAL_SIGNS)[
            equal_K
        ]
        return found_K


def _place(pair: tuple[str, str]) -> int:
    """A number below BITS for two letters, the same in every process."""
    return (ord(pair[0]) * 31 + ord(pair[1]) * 7) % BITS


BITS_OF_BYTE = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


def _count_bits(rows: np.ndarray) -> np.ndarray:
    return BITS_OF_BYTE[rows].sum(axis=1, dtype=np.int32)
