"""Target words that seem to come from nowhere: no source word supports them, by the links that a training learned.

The statistical aligner aligns the line by itself, with those links as its dictionary. A word's support is the largest
probability of a link to a source word in both directions (the smaller one of each pair): one source word cannot support
two. What is from nowhere comes as phrases, so the neighbours count:

    chance = 1 / (1 + exp(-(a - b * support - c * mean support of the words beside it)))

a, b and c were chosen on references of Multi30k (English to German) with phrases put in, and with references of other
lines; `scripts/from_nowhere.py` measures it. Of one weak model, signals of its own, its probabilities among them, added
little to it.
Never imports torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mt.alignment.lexicon_priors import LexiconPriors
from mt.alignment.statistical_aligner import StatisticalAligner
from mt.alignment.word_forms import CHARACTER, form_of

# T target words, S source words

INTERCEPT, OWN, BESIDE = 2.7, 3.8, 5.3  # a, b, c
FLAGGED = 0.3  # chance from which a word is named


class Nowhere:
    """The learned links of a checkpoint, and what they say of a line."""

    def __init__(self, priors: LexiconPriors):
        self._of_source: dict[str, dict[str, float]] = defaultdict(dict)
        for (source, target), links in priors.links.items():
            self._of_source[source][target] = links

    def support(self, source: Sequence[str], target: Sequence[str]) -> np.ndarray:
        """support_T of the words of a target, 0 to 1; the same whatever other lines there are."""
        if not source or not target:
            return np.zeros(len(target))
        known = {form_of(word) for word in target}
        links = {
            (form, other): number
            for form in {form_of(word) for word in source}
            for other, number in self._of_source.get(form, {}).items()
            if other in known
        }
        longest = max(len(source), len(target))
        aligner = StatisticalAligner([source], [target], priors=LexiconPriors(links), longest=longest).fit()
        forward_TS, backward_ST = next(aligner.posteriors())
        return np.minimum(forward_TS, backward_ST.T).max(axis=1).astype(float)

    def named(self, source: Sequence[str], target: Sequence[str]) -> list[tuple[int, float]]:
        """Place and chance of each word whose chance is at least FLAGGED.

        None of a line whose source is empty, or where a side is written without blanks: its words are not known.
        """
        if not source or any(CHARACTER.search(word) for side in (source, target) for word in side):
            return []
        chance_T = self.chances(source, target)
        return [(int(place), float(chance_T[place])) for place in np.flatnonzero(chance_T >= FLAGGED)]

    def chances(self, source: Sequence[str], target: Sequence[str]) -> np.ndarray:
        """chance_T that each word is from nowhere, 0 to 1."""
        support_T = self.support(source, target)
        logit_T = INTERCEPT - OWN * support_T - BESIDE * beside(support_T)
        return 1 / (1 + np.exp(-logit_T))


def beside(values_T: np.ndarray) -> np.ndarray:
    """The mean of the values before and after each one; of one that is alone, itself."""
    if len(values_T) < 2:
        return values_T
    sums_T, counts_T = np.zeros(len(values_T)), np.zeros(len(values_T))
    sums_T[1:] += values_T[:-1]
    sums_T[:-1] += values_T[1:]
    counts_T[1:] += 1
    counts_T[:-1] += 1
    return sums_T / counts_T
