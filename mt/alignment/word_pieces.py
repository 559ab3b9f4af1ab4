"""Which words the ids of a sentence belong to: `mt.alignment.words` for a whole vocabulary, so that it is fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mt.alignment.alignment import SPECIAL_PIECES
from mt.alignment.words import BLANK, words_of
from mt.words import split_words

# V vocabulary, P pieces of a sentence, W words


class WordPieces:
    """Where words begin, by the pieces of a vocabulary."""

    def __init__(self, pieces: Sequence[str]):
        self._pieces = pieces
        self._is_special_V = np.array([piece in SPECIAL_PIECES for piece in pieces])
        self._opens_word_V = np.array([piece.startswith(BLANK) for piece in pieces])
        # a blank inside: several words in a piece, or a blank at the end of one
        self._is_odd_V = np.array([BLANK in piece[1:] for piece in pieces])

    def shares(self, ids: np.ndarray, text: str) -> np.ndarray:
        """share_PW: how much of each piece belongs to each word of `split_words(text)`, special pieces left out."""
        ids = ids[~self._is_special_V[ids]]
        words = split_words(text)
        # isprintable: no blank but U+0020, and nothing that the tokenizer may take for one
        if len(ids) and text.isprintable() and not self._is_odd_V[ids].any():
            opens_P = self._opens_word_V[ids]
            opens_P[0] = True
            word_P = np.cumsum(opens_P) - 1
            is_last_blank = self._pieces[ids[-1]] == BLANK  # belongs to the word before: `words_of` knows
            if word_P[-1] + 1 == len(words) and not is_last_blank:
                return (word_P[:, None] == np.arange(len(words))).astype(np.float32)
        return words_of([self._pieces[id_] for id_ in ids], text).share_PW.astype(np.float32)
