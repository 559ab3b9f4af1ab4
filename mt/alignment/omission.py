"""Source words that a translation seems to leave out: two signals in the attention, measured by `scripts/omissions.py`.

Read: what a word gets from all target words together (its column of the alignment). What a model leaves out of its own
translation it has hardly read: below UNREAD. The commonest words are not judged by it: that an article or an auxiliary
verb is read by nobody says nothing.

Left over: what the step that gives "</s>" gives a word beyond the most that any step before gave it, in the mean of all
layers and heads, over the pieces of the word that have a letter or a digit. Where a translation is cut, or ends against
the model's will (a given one, a sampled one), that step looks at what has not been said: at least LEFT_OVER. There the
first signal fails, for the step that should have given a word has read it, whatever was given in its place.
"""

from __future__ import annotations

import numpy as np

from mt.alignment.alignment import SPECIAL_PIECES, RawAttention
from mt.alignment.words import words_of

# L layers, H heads, T target pieces, P source pieces, S source words

UNREAD = 0.1  # target words that read it
LEFT_OVER = 0.15  # of a step's attention
NUM_COMMON = 200  # pieces of the vocabulary that are the commonest words


def is_omitted(read_S: np.ndarray, left_S: np.ndarray, is_common_S: np.ndarray) -> np.ndarray:
    """Which words seem to be left out (boolean_S)."""
    return ((read_S < UNREAD) & ~is_common_S) | (left_S >= LEFT_OVER)


def left_over(raw: RawAttention, source_text: str | None = None) -> np.ndarray:
    """score_S of being left out, 0 to 1, of each word (`mt.words`) of the text, or of what the pieces spell."""
    places = [place for place, piece in enumerate(raw.source_pieces) if piece not in SPECIAL_PIECES]
    pieces = [raw.source_pieces[place] for place in places]
    has_text_P = np.array([any(character.isalnum() for character in piece) for piece in pieces], dtype=float)
    weights_TP = raw.weights_LHTS[:, :, : len(raw.target_pieces)].mean(axis=(0, 1))[:, places] * has_text_P
    weights_TS = weights_TP @ words_of(pieces, source_text).share_PW
    return np.maximum(weights_TS[-1] - weights_TS[:-1].max(axis=0, initial=0.0), 0.0)
