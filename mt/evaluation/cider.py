"""CIDEr-D, a score of captions (Vedantam et al. 2015, "CIDEr: Consensus-based Image Description Evaluation")."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain

LONGEST = 4  # words of an n-gram
SPREAD = 6.0  # of the Gaussian penalty for a difference in length
SCALE = 10.0  # of the public scorer; here it is given times 100, as other scores are
WORD = re.compile(r"\w+(?:['’]\w+)*")

Counts = Counter[tuple[str, ...]]


def words_of_caption(text: str) -> list[str]:
    """The words that count: lower-cased, without punctuation."""
    return WORD.findall(text.casefold())


def cider_d(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """The score of captions, each in words, against one reference or several of each; from 0 to 1000.

    The weight of an n-gram is its count times the logarithm of pictures / pictures whose references have it; hypothesis
    and reference are compared by the cosine, with counts of the hypothesis cut to those of the reference, times a
    penalty for another length. The mean over n, references and pictures. Raises ValueError for no picture, or one
    without a reference.
    """
    if not hypotheses or len(hypotheses) != len(references) or not all(references):
        raise ValueError(f"captions ({len(hypotheses)}) must be at least 1, each with references ({len(references)})")
    of_references = [[_counts(words) for words in of_picture] for of_picture in references]
    frequency = Counter(chain.from_iterable(set(chain.from_iterable(counts)) for counts in of_references))
    pictures = math.log(float(len(references)))
    total = 0.0
    for words, counts in zip(hypotheses, of_references, strict=True):
        own = _Vector(_counts(words), frequency, pictures)
        total += sum(own.similarity(_Vector(one, frequency, pictures)) for one in counts) / len(counts)
    return 100 * SCALE * total / len(hypotheses)


def _counts(words: Sequence[str]) -> Counts:
    return Counter(
        tuple(words[start : start + n]) for n in range(1, LONGEST + 1) for start in range(len(words) - n + 1)
    )


class _Vector:
    """The weights of a caption's n-grams, by n."""

    def __init__(self, counts: Counts, frequency: Counts, pictures: float):
        self.weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        squares = [0.0] * LONGEST
        self.length = 0
        for ngram, count in counts.items():
            n = len(ngram) - 1
            weight = count * (pictures - math.log(max(1.0, frequency[ngram])))
            self.weights[n][ngram] = weight
            squares[n] += weight**2
            self.length += count if n == 1 else 0  # as the public scorer has it: the number of pairs of words
        self.norms = [math.sqrt(square) for square in squares]

    def similarity(self, reference: _Vector) -> float:
        penalty = math.exp(-((self.length - reference.length) ** 2) / (2 * SPREAD**2))
        total = 0.0
        for own, other, norm, of_other in zip(
            self.weights, reference.weights, self.norms, reference.norms, strict=True
        ):
            value = sum(min(weight, other.get(ngram, 0.0)) * other.get(ngram, 0.0) for ngram, weight in own.items())
            if norm and of_other:
                value /= norm * of_other
            total += value * penalty
        return total / LONGEST
