"""Finds, by whole columns, the pairs that break no rule about single pairs: nearly all of a good corpus.

A class for every character decides it, so that numpy reads a block of pairs at once. It only says "surely": pairs that
it leaves open are judged one by one, and by the same rules.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mt.data.block import Block
from mt.data.cleaning.checks.characters import controls
from mt.data.cleaning.checks.mojibake import FIRST, NEXT
from mt.data.cleaning.checks.scripts import outside_letters
from mt.data.cleaning.rules import RATIO_SLACK
from mt.data.cleaning.settings import CleaningSettings
from mt.data.visible import VISIBLE as VISIBLE_CHARACTER

# Classes of characters. A line that holds an OPEN one is left open, and so is one with two neighbours of a kind below.
OPEN, BLANK, MOJIBAKE_FIRST, MOJIBAKE_NEXT, VISIBLE, DIGIT, LETTER_W = (np.uint8(1 << bit) for bit in range(7))
NUM_CHARACTERS, TABLE_SIZE = 0x110000, 0x10000  # of Unicode; characters beyond the table are OPEN
HTML_OR_ADDRESS = "<&@/"  # or "ww", see `STARTS` of addresses
LATIN_1 = 256
_CHARACTERS = "".join(map(chr, range(TABLE_SIZE)))


@dataclass(frozen=True)
class Column:
    """What is known of the lines of a column: all arrays have an element a line."""

    num_characters: np.ndarray
    classes: np.ndarray  # of all characters of the line, or-ed


class PlainPairs:
    """Finds the pairs of blocks that surely break none of the rules before the last one, which knows words.

    Such a pair also has single blanks, none at its ends, is in NFC, and holds no context of a document.
    """

    def __init__(self, settings: CleaningSettings, source_language: str, target_language: str) -> None:
        self._settings = settings
        self._languages = source_language, target_language

    def __call__(self, block: Block) -> np.ndarray:
        """For each pair whether it is one."""
        settings = self._settings
        source, target = (
            _column(text, language)
            for text, language in zip((block.source, block.target), self._languages, strict=True)
        )
        classes = source.classes | target.classes
        is_plain = (classes & OPEN == 0) & (source.classes & target.classes & VISIBLE != 0)
        if settings.numbers != "any":
            is_plain &= classes & DIGIT == 0
        longest = np.maximum(source.num_characters, target.num_characters)
        shortest = np.minimum(source.num_characters, target.num_characters)
        if settings.max_words is not None:
            is_plain &= longest < 2 * settings.max_words  # n words need 2n - 1 characters
        if settings.max_characters is not None:
            is_plain &= longest <= settings.max_characters
        if settings.max_length_ratio is not None:
            is_plain &= longest + RATIO_SLACK <= settings.max_length_ratio * (shortest + RATIO_SLACK)
        if settings.drop_identical:
            is_plain &= longest != shortest  # equal lengths are rare
        return is_plain


def _column(text: bytes, language: str) -> Column:
    """Of the lines of a column, each ended by "\n"."""
    decoded, table = text.decode("utf-8"), _classes(language)
    try:
        codes = np.frombuffer(decoded.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        codes = np.frombuffer(decoded.encode("utf-32-le"), np.uint32)
    classes = np.take(table[:LATIN_1] if codes.dtype == np.uint8 else table, codes)
    # Line ends count as blanks: two blanks, or one at an end, and an empty line are left open, too.
    before, after = classes[:-1], classes[1:]
    twice = before & after
    after |= ((twice & BLANK) >> 1) | ((twice & LETTER_W) >> 6)
    after |= ((before << 1) & after & MOJIBAKE_NEXT) >> 3
    if classes[0] & BLANK:
        classes[0] |= OPEN
    ends = np.flatnonzero(codes == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    return Column(ends - starts, np.bitwise_or.reduceat(classes, starts))


@lru_cache
def _classes(language: str) -> np.ndarray:
    """The classes of all characters, for a text in a language."""
    table, outside = _classes_of_all().copy(), outside_letters(language)
    _mark(table, controls(language), OPEN)
    if outside is not None:
        _mark(table, outside, OPEN)
    table[ord("\n")] = BLANK
    return table


@lru_cache
def _classes_of_all() -> np.ndarray:
    """What does not depend on a language."""
    table = np.full(NUM_CHARACTERS, OPEN, dtype=np.uint8)
    table[:TABLE_SIZE] = [0 if one.isprintable() else OPEN for one in _CHARACTERS]
    table[[ord(one) for one in _unstable(_CHARACTERS)]] |= OPEN
    _mark(table, rf"[{re.escape(HTML_OR_ADDRESS)}]", OPEN)
    _mark(table, VISIBLE_CHARACTER, VISIBLE)
    _mark(table, rf"[{FIRST}]", MOJIBAKE_FIRST)
    _mark(table, rf"[{NEXT}]", MOJIBAKE_NEXT)
    _mark(table, r"\d", DIGIT)
    table[ord(" ")] |= BLANK
    table[ord("w")] |= LETTER_W
    return table


def _mark(table: np.ndarray, pattern: str | re.Pattern[str], mark: np.uint8) -> None:
    table[[found.start() for found in re.finditer(pattern, _CHARACTERS)]] |= mark


def _unstable(characters: str) -> set[str]:
    """The characters that NFC may change: by themselves, or beside others ("NFC_Quick_Check" is not Yes)."""
    found = set()
    for one in characters:
        parts = unicodedata.decomposition(one).split()
        if unicodedata.combining(one) or not unicodedata.is_normalized("NFC", one):
            found.add(one)
        if len(parts) == 2 and not parts[0].startswith("<"):  # "é": the accent joins what is before it
            found.add(chr(int(parts[1], 16)))
    # vowels and final consonants of Hangul, which are composed by a rule
    return found | {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
