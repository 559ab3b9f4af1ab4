"""How sure a translation is: the probability of each word, and by a calibration the chance that it is right.

A word counts as right where it stands in the longest common subsequence of translation and reference. The chance is a
logistic function (Platt 1999) of what the model itself says of the word and of its line; its weights come from the
validation set and are a file of the checkpoint. The confidence of a line is the share of its words that should be
right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mt.alignment.words import words_of
from mt.checkpoint.small_file import read_json
from mt.data.tokenizer import Tokenizer
from mt.inference.translation import Candidate
from mt.words import num_words, split_words

FILE_NAME = "confidence.json"
LEAST, MOST = 1e-6, 1 - 1e-6  # of a probability in a logit
LEAST_WORDS = 200  # of a validation set that calibrates
STEPS = 25  # of Newton's method
BINS = 10  # of the expected calibration error
RIDGE = 1e-3  # keeps the weights finite where words are right without exception

# W words of a line, N words or lines, F features


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
    return [math.exp(log_prob) for log_prob in log_probs_W]


def rounded(probabilities_W: Sequence[float | None]) -> list[float | None]:
    """To 4 decimals, to be shown; a calibration reads the exact ones, whose logarithms differ much near 0."""
    return [None if one is None else round(one, 4) for one in probabilities_W]


@dataclass(frozen=True)
class Calibration:
    """Weights of the logistic functions, and how far their numbers were off on sentences that they did not see.

    word         intercept, and weights of the logit of the word's probability and of the line's mean log-probability
    line         intercept, and weight of the logit of the mean over the line's words
    word_error   expected calibration error of words, 0 to 1: the mean distance, over ten bins, of what is said and what
    line_error   is right; of lines
    """

    word: tuple[float, float, float]
    line: tuple[float, float]
    word_error: float
    line_error: float

    def words(self, probabilities: Sequence[float | None]) -> list[float | None]:
        """The chance that each word is right, from the words' probabilities."""
        if any(probability is None for probability in probabilities):
            return rounded(probabilities)
        chances_W = logistic(_word_features([one for one in probabilities if one is not None]), self.word)
        return [round(float(chance), 4) for chance in chances_W]

    def whole(self, probabilities: Sequence[float | None]) -> float | None:
        """The share of the line's words that should be right; None where it has none, or they are not known."""
        chances = [one for one in self.words(probabilities) if one is not None]
        if not chances:
            return None
        return round(float(logistic(_line_features(chances), self.line)[0]), 4)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def load(cls, checkpoint: Path) -> Calibration | None:
        """The calibration of a step folder; None where it has none. Raises ValueError for a damaged file."""
        path = checkpoint / FILE_NAME
        if not path.is_file():
            return None
        body = read_json(path)
        try:
            numbers = {name: _numbers(body[name], size) for name, size in (("word", 3), ("line", 2))}
            errors = {name: _numbers([body[name]], 1)[0] for name in ("word_error", "line_error")}
        except (KeyError, TypeError, ValueError) as error:
            rule = "must hold word (3 numbers), line (2), word_error and line_error"
            raise ValueError(f"{path} {rule}: {error}") from None
        return cls(**numbers, **errors)  # type: ignore[arg-type]

    @classmethod
    def of(cls, lines: Iterable[tuple[Sequence[float | None], str, str]]) -> Calibration | None:
        """From lines: the words' probabilities, the translation and its reference.

        The errors are those of two halves, each calibrated by the other. None where there are too few words.
        """
        known = [
            (np.array(probabilities, dtype=float), np.array(right_words(text, reference), dtype=float))
            for probabilities, text, reference in lines
            if probabilities and None not in probabilities
        ]
        if sum(len(right_W) for _, right_W in known) < LEAST_WORDS:
            return None
        halves = [_fitted(known[half::2]) for half in range(2)]
        said_words, said_lines = [], []
        for half, (word, line) in enumerate(halves):
            for probabilities_W, right_W in known[1 - half :: 2]:
                chances_W = logistic(_word_features(probabilities_W), word)
                said_words += list(zip(chances_W, right_W, strict=True))
                said_lines.append((logistic(_line_features(chances_W), line)[0], right_W.mean()))
        word, line = _fitted(known)
        return cls(word, line, *(round(calibration_error(said), 4) for said in (said_words, said_lines)))


def right_words(text: str, reference: str) -> list[bool]:
    """For each word of a translation, whether it stands in the longest common subsequence with the reference."""
    words, others = split_words(text), split_words(reference)
    lengths = np.zeros((len(words) + 1, len(others) + 1), dtype=int)  # of the rest of both
    for i in range(len(words) - 1, -1, -1):
        for j in range(len(others) - 1, -1, -1):
            same = words[i] == others[j]
            lengths[i, j] = lengths[i + 1, j + 1] + 1 if same else max(lengths[i + 1, j], lengths[i, j + 1])
    found, i, j = [False] * len(words), 0, 0
    while i < len(words) and j < len(others):
        if words[i] == others[j]:
            found[i], i, j = True, i + 1, j + 1
        elif lengths[i + 1, j] >= lengths[i, j + 1]:
            i += 1
        else:
            j += 1
    return found


def calibration_error(said: Sequence[tuple[float, float]]) -> float:
    """Of pairs (what was said, what was right; 0 to 1): the distance of their means, in ten bins of what was said.

    It is the mean over the bins, each weighted by its number of pairs (Naeini et al. 2015).
    """
    said_N2 = np.array(said)
    bins_N = np.minimum((said_N2[:, 0] * BINS).astype(int), BINS - 1)
    return sum(
        (bins_N == place).mean() * abs(np.subtract(*said_N2[bins_N == place].mean(axis=0)))
        for place in np.unique(bins_N)
    )


def _fitted(known: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[tuple[float, float, float], tuple[float, float]]:
    features = [_word_features(probabilities_W) for probabilities_W, _ in known]
    word = logistic_regression(np.concatenate(features), np.concatenate([right_W for _, right_W in known]))
    lines_NF = np.concatenate([_line_features(logistic(one, word)) for one in features])
    line = logistic_regression(lines_NF, np.array([right_W.mean() for _, right_W in known]))
    return (word[0], word[1], word[2]), (line[0], line[1])


def _word_features(probabilities_W: Sequence[float] | np.ndarray) -> np.ndarray:
    clipped_W = np.clip(np.asarray(probabilities_W, dtype=float), LEAST, MOST)
    mean = np.log(clipped_W).mean() if len(clipped_W) else 0.0
    return np.stack([np.ones_like(clipped_W), _logit(clipped_W), np.full_like(clipped_W, mean)], axis=1)


def _line_features(chances_W: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.array([[1.0, _logit(np.clip(np.mean(chances_W), LEAST, MOST))]])


def _logit(probabilities: np.ndarray) -> np.ndarray:
    return np.log(probabilities) - np.log1p(-probabilities)


def logistic(features_NF: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(features_NF @ np.asarray(weights), -30, 30)))


def logistic_regression(features_NF: np.ndarray, right_N: np.ndarray) -> tuple[float, ...]:
    """The weights of greatest likelihood, by Newton's method; `right_N` may be shares."""
    weights_F = np.zeros(features_NF.shape[1])
    for _ in range(STEPS):
        chances_N = logistic(features_NF, weights_F)
        gradient_F = features_NF.T @ (right_N - chances_N) - RIDGE * weights_F
        curvature_FF = (features_NF.T * (chances_N * (1 - chances_N))) @ features_NF
        weights_F = weights_F + np.linalg.solve(curvature_FF + RIDGE * np.eye(len(weights_F)), gradient_F)
    return tuple(round(float(weight), 6) for weight in weights_F)


def _numbers(values: Sequence[float], size: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != size or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{values}")
    return numbers
