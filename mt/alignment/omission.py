"""Source words that a translation seems to leave out: two signals in the attention, measured by `scripts/omissions.py`.

Read: the attention of all target words to a source word (the sum of its column of the alignment). A word that a model
leaves out of its own translation has little: less than UNREAD. The commonest words are excluded, because articles and
auxiliary verbs often get no attention.

Left over: the attention of the step that predicts "</s>" to a word, minus the largest of any earlier step, in the mean
of all layers and heads, over the pieces of the word that have a letter or a digit. If a translation is cut, or does not
end where the model would end it (given or sampled text), that step attends to the words that are not yet translated: at
least LEFT_OVER. The first signal fails there: the step that should have translated a word has attended to it, even if
another word was given.
"""

from __future__ import annotations

import numpy as np

from mt.alignment.alignment import SPECIAL_PIECES, RawAttention
from mt.alignment.words import words_of

# L layers, H heads, T target pieces, P source pieces, S source words

UNREAD = 0.1  # attention summed over target words
LEFT_OVER = 0.15  # of a step's attention
NUM_COMMON = 200  # pieces of the vocabulary that count as common words


def is_omitted(read_S: np.ndarray, left_S: np.ndarray, is_common_S: np.ndarray) -> np.ndarray:
    """Which words seem to be left out (boolean_S)."""
    return ((read_S < UNREAD) & ~is_common_S) | (left_S >= LEFT_OVER)


def left_over(raw: RawAttention, source_text: str | None = None) -> np.ndarray:
    """score_S, 0 to 1: signs that each word (`mt.words`) of the text (None: that the pieces spell) is left out."""
    places = [place for place, piece in enumerate(raw.source_pieces) if piece not in SPECIAL_PIECES]
    pieces = [raw.source_pieces[place] for place in places]
    has_text_P = np.array([any(character.isalnum() for character in piece) for piece in pieces], dtype=float)
    weights_TP = raw.weights_LHTS[:, :, : len(raw.target_pieces)].mean(axis=(0, 1))[:, places] * has_text_P
    weights_TS = weights_TP @ words_of(pieces, source_text).share_PW
    return np.maximum(weights_TS[-1] - weights_TS[:-1].max(axis=0, initial=0.0), 0.0)
