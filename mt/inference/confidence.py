"""How sure a model is of each word of its translation: the words are those of `mt.words`."""

from __future__ import annotations

import math

import numpy as np

from mt.alignment.words import words_of
from mt.data.tokenizer import Tokenizer
from mt.inference.translation import Candidate
from mt.words import num_words


def word_probabilities(candidate: Candidate, tokenizer: Tokenizer) -> list[float | None]:
    """The probability of each word of the translation, given the source and the words before it, 0 to 1.

    It is the product over the word's pieces; a piece of several words counts for each by its share. It is the model's
    own number, not calibrated. None where the pieces' probabilities are not known.
    """
    pieces = [piece for part in candidate.parts for piece in tokenizer.pieces(part.ids)]
    log_probs_P = [log_prob for part in candidate.parts for log_prob in part.token_log_probs[: len(part.ids)]]
    if not pieces or len(log_probs_P) != len(pieces):
        return [None] * num_words(candidate.text)
    words = words_of(pieces, candidate.text)
    log_probs_W = words.share_PW.T @ np.maximum(log_probs_P, -1e6)  # zero times infinity is no number
    return [round(math.exp(log_prob), 4) for log_prob in log_probs_W]
