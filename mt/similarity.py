"""Sentence chrF and BLEU of many texts with each other, or with one reference, from n-gram counts.

Every text's n-grams are counted once; a pair then costs one minimum over counts, not a call of a scorer. The values are
sacrebleu's for a sentence, from 0 to 100.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

# K different texts, G different n-grams of one order

CHRF_ORDER, CHRF_BETA = 6, 2
BLEU_ORDER = 4


Utility = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(matches_OK, n-grams of one text_O1, n-grams of its references_OK) -> its score with each reference."""


@dataclass(frozen=True)
class Similarity:
    """How alike two texts are: their units (characters or words), the longest n-grams of these, and the score."""

    units_of: Callable[[str], Sequence[str]]
    max_order: int
    utility: Utility

    def expected(self, texts: Sequence[str]) -> list[float]:
        """For each text its mean score with each of the texts as the reference, itself included."""
        times = Counter(texts)
        weights_K = np.array(list(times.values())) / len(texts)
        counts = self._counts(list(times))
        found = {text: float(self._scores(counts, place) @ weights_K) for place, text in enumerate(times)}
        return [found[text] for text in texts]

    def to(self, reference: str, texts: Sequence[str]) -> list[float]:
        """The score of each text with one reference."""
        counts = self._counts([reference, *texts])
        return [float(self._scores(counts, place)[0]) for place in range(1, len(texts) + 1)]

    def _counts(self, texts: Sequence[str]) -> list[np.ndarray]:
        """count_KG of each order: how often each text has each n-gram that any of them has."""
        units = [self.units_of(text) for text in texts]
        return [_counts(units, order) for order in range(1, self.max_order + 1)]

    def _scores(self, counts: Sequence[np.ndarray], place: int) -> np.ndarray:
        """score_K of the text at this place with each text as the reference."""
        totals_OK = np.stack([count_KG.sum(axis=1) for count_KG in counts])
        matches_OK = np.stack([np.minimum(count_KG, count_KG[place]).sum(axis=1) for count_KG in counts])
        return self.utility(matches_OK, totals_OK[:, place, None], totals_OK)


@cache
def _words() -> Tokenizer13a:
    return Tokenizer13a()


def _counts(units: Sequence[Sequence[str]], order: int) -> np.ndarray:
    """count_KG: how often each text has each n-gram that any of them has."""
    numbers: dict[tuple[str, ...], int] = {}
    grams = ([tuple(of_text[at : at + order]) for at in range(len(of_text) - order + 1)] for of_text in units)
    places = [[numbers.setdefault(gram, len(numbers)) for gram in of_text] for of_text in grams]
    count_KG = np.zeros((len(units), len(numbers)), dtype=np.int32)
    for row, of_text in zip(count_KG, places, strict=True):
        np.add.at(row, of_text, 1)
    return count_KG


def _chrf(matches_OK: np.ndarray, hypothesis_O1: np.ndarray, reference_OK: np.ndarray) -> np.ndarray:
    """The F-score of the mean precision and the mean recall over the orders that both texts have."""
    is_counted_OK = (hypothesis_O1 > 0) & (reference_OK > 0)
    num_orders_K = np.maximum(is_counted_OK.sum(axis=0), 1)
    precision_K = (matches_OK / np.maximum(hypothesis_O1, 1) * is_counted_OK).sum(axis=0) / num_orders_K
    recall_K = (matches_OK / np.maximum(reference_OK, 1) * is_counted_OK).sum(axis=0) / num_orders_K
    factor = CHRF_BETA**2
    below_K = factor * precision_K + recall_K
    return 100 * np.divide(
        (1 + factor) * precision_K * recall_K, below_K, out=np.zeros_like(below_K), where=below_K > 0
    )


def _bleu(matches_OK: np.ndarray, hypothesis_O1: np.ndarray, reference_OK: np.ndarray) -> np.ndarray:
    order = int((hypothesis_O1[:, 0] > 0).sum())
    length, references_K = int(hypothesis_O1[0, 0]), reference_OK[0]
    if not order:
        return np.zeros(len(references_K))
    matches_OK, totals_O1 = matches_OK[:order], hypothesis_O1[:order]
    # an order without a match counts half a match, the next such order a quarter, and so on
    zeros_OK = (matches_OK == 0).cumsum(axis=0)
    precisions_OK = np.where(matches_OK > 0, matches_OK, 0.5**zeros_OK) / totals_O1
    brevity_K = np.exp(np.minimum(1 - references_K / length, 0.0))
    score_K = 100 * brevity_K * np.exp(np.log(precisions_OK).mean(axis=0))
    return np.where(matches_OK.any(axis=0), score_K, 0.0)


# chrF2: character n-grams up to 6, blanks left out, recall twice as important (Popović 2015)
_CHRF = Similarity(lambda text: "".join(text.split()), CHRF_ORDER, _chrf)
# words by 13a, exponential smoothing, only orders that the text has
_BLEU = Similarity(lambda text: _words()(text).split(), BLEU_ORDER, _bleu)
SIMILARITIES: Mapping[str, Similarity] = {"chrf": _CHRF, "bleu": _BLEU}
