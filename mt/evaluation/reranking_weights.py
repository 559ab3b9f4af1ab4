"""Finding the weights of reranking that give the highest BLEU on a set with references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics import BLEU

from mt.data.canonical import composed
from mt.evaluation.scores import metric
from mt.evaluation.tokenization import Tokenization
from mt.inference.reranking import Reranking

# L lines, C candidates, F features, N sums of a metric

REVERSE = tuple(round(0.1 * step, 1) for step in range(0, 21))  # weights that are tried
LENGTH = tuple(round(0.1 * step, 1) for step in range(-10, 31))


@dataclass(frozen=True)
class Tuned:
    """The weights found; BLEU in the search's own order, by the model and length alone, and with the reverse model.

    `oracle` is BLEU of the candidates that have the highest sentence BLEU: no weights can be expected to reach it.
    """

    reverse: float
    length: float
    before: float
    with_length: float
    bleu: float
    oracle: float


def tune(
    candidates: Sequence[Sequence[str]],
    features: Sequence[np.ndarray | None],
    references: Sequence[str],
    tokenization: Tokenization,
) -> Tuned:
    """The weights with the highest BLEU of all that are tried; of equals those nearest to none.

    `candidates` are each line's translations in the order of the search, `features` as `Reranker.features` gives them.
    """
    bleu = metric("bleu", tokenization, [list(map(composed, references))])
    most = max(map(len, candidates))
    of_ranks = [[composed(of_line[min(rank, len(of_line) - 1)]) for of_line in candidates] for rank in range(most)]
    sums_CLN = np.array([bleu._extract_corpus_statistics(lines, None) for lines in of_ranks], dtype=np.float64)
    lines = np.arange(len(candidates))

    def score(places_L: np.ndarray) -> float:
        return float(bleu._compute_score_from_stats(sums_CLN[places_L, lines].sum(0).tolist()).score)

    first_L = np.zeros(len(candidates), dtype=np.int64)
    tried = {(reverse, length): score(_places(features, reverse, length)) for reverse in REVERSE for length in LENGTH}
    nearest = sorted(tried, key=lambda weights: (-tried[weights], weights[0] + abs(weights[1])))
    reverse, length = nearest[0]
    alone = max(tried[0.0, length] for length in LENGTH)
    oracle_L = np.array(
        [int(np.argmax([_of_line(sums_N) for sums_N in sums_CLN[:, line]])) for line in lines], dtype=np.int64
    )
    return Tuned(reverse, length, score(first_L), alone, tried[reverse, length], score(oracle_L))


def _of_line(sums_N: np.ndarray) -> float:
    """Sentence BLEU, smoothed: many a line has no four right words in a row."""
    translation, reference, *counts = map(int, sums_N)
    right, all_of_them = counts[: len(counts) // 2], counts[len(counts) // 2 :]
    return float(BLEU.compute_bleu(right, all_of_them, translation, reference, smooth_method="add-k").score)


def _places(features: Sequence[np.ndarray | None], reverse: float, length: float) -> np.ndarray:
    """For each line the place of the candidate that these weights rank first."""
    how = Reranking(reverse=reverse, length=length, candidates=2, model="")
    return np.array([0 if one is None else int(np.argmax(how.scores(one))) for one in features], dtype=np.int64)
