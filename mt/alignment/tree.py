"""Dependency trees: heads of words become distances between pieces, for any segmentation of the words into pieces.

A tree is a line of heads in CoNLL style: in "2 3 0" the head of word 1 is word 2, the head of word 2 is word 3, and
word 3 is the root. Several roots are several trees. Lines are mapped to pieces when a batch is made, so they stay valid
with subword sampling or another tokenizer (as links are: `mt.alignment.attention_from_links`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from mt.alignment.word_pieces import WordPieces
from mt.words import num_words

log = logging.getLogger(__name__)

# B sentences, S source positions (EOS and padding included), P pieces of a sentence, W words

FARTHEST = 127  # more steps count as 127, the largest int8
NO_PATH = -1


class Trees:
    """Makes distances between pieces from lines of heads; `source_pieces` is the vocabulary, by id.

    A line that does not fit its sentence gives no tree: counted in `num_left_out`, and reported once.
    """

    def __init__(self, source_pieces: Sequence[str]):
        self._pieces = WordPieces(source_pieces)
        self.num_left_out = 0

    def tree_distance(self, text: str, line: str | None, ids: np.ndarray) -> np.ndarray | None:
        """tree_distance_PP int8 of the pieces of one sentence, without special pieces; None without a tree."""
        if not line or not line.strip():
            return None
        try:
            tree_distance_WW = tree_distance_of(parsed_heads(line, num_words(text)))
        except ValueError as error:
            if not self.num_left_out:
                log.warning("trees that do not fit their sentences are left out; the first: %s", error)
            self.num_left_out += 1
            return None
        word_P = self._pieces.shares(ids, text).argmax(axis=1)
        return tree_distance_WW[word_P[:, None], word_P]


def parsed_heads(line: str, num_words: int) -> np.ndarray:
    """The positions of the heads, from 0, and -1 for roots. Raises ValueError if it is no forest over the words."""
    numbers = line.split()
    if len(numbers) != num_words:
        raise ValueError(f"heads ({len(numbers)}) must be as many as the words of the sentence ({num_words})")
    for number in numbers:
        if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) <= num_words):
            raise ValueError(f"heads: {number} must be a word from 1 to {num_words}, or 0 for a root")
    heads_W = np.array([int(number) - 1 for number in numbers], dtype=np.int64)
    above_W = heads_W
    for _ in range(num_words + 1):
        if (above_W == -1).all():
            return heads_W
        above_W = np.where(above_W == -1, -1, heads_W[above_W])
    raise ValueError(f"heads: word {int((above_W != -1).argmax()) + 1} is above itself, in a circle")


def tree_distance_of(heads_W: np.ndarray) -> np.ndarray:
    """tree_distance_WW int8: steps from a word up to the lowest one that is, or is above, the other; -1: none is."""
    num_words = len(heads_W)
    words_W = roots_W = np.arange(num_words)
    ancestors = [words_W]  # entry n: the word n steps above each word; -1: there is none
    while ((above_W := np.where(ancestors[-1] == -1, -1, heads_W[ancestors[-1]])) != -1).any():
        ancestors.append(above_W)
        roots_W = np.where(above_W == -1, roots_W, above_W)
    is_above_WW = np.zeros((num_words + 1, num_words), dtype=bool)
    for above_W in ancestors:
        is_above_WW[above_W, words_W] = True
    is_above_WW[-1] = True  # row -1 is above the roots: no steps are counted there
    # the number of words above the first that are not above the second
    steps_WW = sum((~is_above_WW[above_W]).astype(np.int16) for above_W in ancestors)
    is_one_tree_WW = roots_W[:, None] == roots_W
    return np.where(is_one_tree_WW, np.minimum(steps_WW, FARTHEST), NO_PATH).astype(np.int8)
