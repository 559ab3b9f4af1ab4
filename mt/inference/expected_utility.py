"""Mean sentence chrF or BLEU of each text with each of some texts as the reference, from n-gram counts.

Every text's n-grams are counted once; a pair then costs one minimum over counts, not a call of a scorer. The values are
sacrebleu's for a sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

# K different texts, G different n-grams of one order

CHRF_ORDER, CHRF_BETA = 6, 2
BLEU_ORDER = 4


def expected_chrf(texts: Sequence[str]) -> list[float]:
    """chrF2: F-score of character n-grams up to 6, blanks left out, recall twice as important (Popović 2015)."""
    return _expected(texts, lambda text: "".join(text.split()), CHRF_ORDER, _chrf)


def expected_bleu(texts: Sequence[str]) -> list[float]:
    """Sentence BLEU: words by 13a, exponential smoothing, only orders that the text has."""
    return _expected(texts, lambda text: _words()(text).split(), BLEU_ORDER, _bleu)


EXPECTED: Mapping[str, Callable[[Sequence[str]], list[float]]] = {"chrf": expected_chrf, "bleu": expected_bleu}


@cache
def _words() -> Tokenizer13a:
    return Tokenizer13a()


def _expected(
    texts: Sequence[str],
    units_of: Callable[[str], Sequence[str]],
    max_order: int,
    utility: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> list[float]:
    times = Counter(texts)
    units = [units_of(text) for text in times]
    counts = [_counts(units, order) for order in range(1, max_order + 1)]  # K G of each order
    totals_OK = np.stack([count_KG.sum(axis=1) for count_KG in counts])
    weights_K = np.array(list(times.values())) / len(texts)
    found = {}
    for place, text in enumerate(times):
        matches_OK = np.stack([np.minimum(count_KG, count_KG[place]).sum(axis=1) for count_KG in counts])
        found[text] = float(utility(matches_OK, totals_OK[:, place, None], totals_OK) @ weights_K)
    return [found[text] for text in texts]


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
